"""The timing of a load test: the pause between a user's requests, and the number of users over time.

Every plan here is a closed loop, whatever its name: a user waits for its answer before it sends again, so a stalled
server gets less load. `constant_throughput:2` means at most two requests per second and user. For the effect of a stall
on users who keep arriving, use `rerank-bench latency --rate`, which is an open loop.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bench.errors import BenchError

PAUSES: Mapping[str, int] = MappingProxyType(
    {"constant": 1, "between": 2, "poisson": 1, "constant_pacing": 1, "constant_throughput": 1}
)
"""locust's wait times and the number of parameters of each."""
RATES = ("poisson", "constant_throughput")
"""Wait times whose parameter is a rate, which cannot be 0."""


@dataclass(frozen=True)
class Pause:
    """One of locust's wait times with its parameters."""

    plan: str
    numbers: tuple[float, ...]


def pause(text: str) -> Pause:
    """Parse `none`, `constant:1`, `between:1:5`, `poisson:2`, `constant_pacing:2` or `constant_throughput:2`.

    Numbers are seconds or, for poisson and constant_throughput, requests per second and user. BenchError otherwise.
    """
    plan, *rest = text.split(":")
    if text == "none":
        return Pause("constant", (0.0,))
    try:
        numbers = tuple(float(number) for number in rest)
    except ValueError:
        numbers = ()
    if PAUSES.get(plan) != len(numbers) or not _usable(plan, numbers):
        raise BenchError(
            f"invalid --pause {text!r}: give none, constant:SECONDS, between:SECONDS:SECONDS, "
            "poisson:RATE, constant_pacing:SECONDS or constant_throughput:RATE"
        )
    return Pause(plan, numbers)


def _usable(plan: str, numbers: tuple[float, ...]) -> bool:
    least = min(numbers)
    return all(map(math.isfinite, numbers)) and (least > 0 if plan in RATES else least >= 0)


def _step(elapsed: float) -> float:
    return (math.floor(elapsed * 4) + 1) / 4


def _spike(elapsed: float) -> float:
    return 1.0 if 0.4 <= elapsed < 0.6 else 0.1


def _soak(elapsed: float) -> float:
    return min(1.0, (math.floor(elapsed * 100) + 1) / 10)


SHAPES: Mapping[str, Callable[[float], float]] = MappingProxyType({"step": _step, "spike": _spike, "soak": _soak})
"""Fraction of the users after a fraction of the time, both from 0 to 1.

step: a quarter, half, three quarters, all. spike: a tenth, all during the middle fifth, a tenth again. soak: all from
the end of the first tenth.
"""


def users(shape: str, elapsed_s: float, run_time_s: float, most: int) -> int | None:
    """Return the number of users after `elapsed_s` of `run_time_s`, from 1 to `most`; None when the time is over."""
    elapsed = elapsed_s / run_time_s
    return None if elapsed >= 1 else max(1, round(SHAPES[shape](elapsed) * most))
