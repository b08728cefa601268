"""The best budget of a batch on this device, measured once and kept beside the artefact.

The time of a run is what it costs besides (launches, copies) and what its tokens take. Batches of rising size tell
both: the budget is the smallest size that is nearly as fast as the best, since a larger one only makes others wait;
padding is worth it up to what a run of its own would cost. Measured anew where the device, the runtime or the graph is
another.
"""

import contextlib
import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from models.batching import DeviceOutOfMemory
from models.pair import Logits, Pair

log = logging.getLogger(__name__)

FILE = ".tuning.json"
"""Hidden, since it belongs to the machine and not to the model: it is not sealed."""
LENGTH = 128
"""Tokens of a measured pair: a passage, where the window has room for one."""
SIZES = (1024, 2048, 4096, 8192, 16_384, 32_768)
"""Tokens of the measured batches."""
ROUNDS = 5
NEARLY = 0.97
"""Share of the best rate that is enough: more is not worth a longer batch."""


class Tuning(msgspec.Struct, frozen=True):
    """A measurement, and the hardware, runtime and graph that it holds for."""

    device: str
    runtime: str
    graph_sha256: str
    seconds: dict[int, float]
    """Median time of a run, by its tokens."""
    max_batch_tokens: Annotated[int, msgspec.Meta(ge=1)]
    run_cost_tokens: Annotated[int, msgspec.Meta(ge=0)]

    def is_of(self, device: str, runtime: str, graph_sha256: str) -> bool:
        """Tell whether it was measured on this hardware, with this runtime and this graph."""
        return (self.device, self.runtime, self.graph_sha256) == (device, runtime, graph_sha256)


def read(folder: Path) -> Tuning | None:
    """Read the tuning in an artefact's folder; None where there is none, or none that can be read."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Tuning)
    except (OSError, msgspec.MsgspecError):
        return None


def write(tuning: Tuning, folder: Path) -> None:
    """Write a tuning into an artefact's folder, whole or not at all; a folder that is read-only is noted in the log."""
    beside = folder / f"{FILE}.{os.getpid()}.partial"  # two servers may start at a time
    try:
        beside.write_bytes(msgspec.json.format(msgspec.json.encode(tuning), indent=1))
        beside.replace(folder / FILE)
    except OSError as error:
        log.info("what a batch may be is measured at every start: %s cannot be written: %s", folder, error.strerror)
        with contextlib.suppress(OSError):
            beside.unlink()


def measure(
    run: Callable[[Sequence[Pair]], Logits],
    sizes: Sequence[int] = SIZES,
    clock: Callable[[], float] = time.perf_counter,
    length: int = LENGTH,
) -> dict[int, float]:
    """Time batches of so many tokens each: tokens to the median seconds of a run, as far as the memory goes."""
    pair = Pair(np.full(length, 5, np.int64), np.zeros(length, np.int64))
    seconds: dict[int, float] = {}
    for size in sizes:
        batch = [pair] * (size // length)
        try:
            run(batch)  # the first run of a shape allocates
            times = []
            for _ in range(ROUNDS):
                start = clock()
                run(batch)
                times.append(clock() - start)
        except DeviceOutOfMemory:
            break
        seconds[size] = float(np.median(times))
    return seconds


def choose(seconds: dict[int, float]) -> tuple[int, int]:
    """Choose the budget and what a run costs besides, both in tokens.

    The cost is where the line through the measured times, each weighed by its own size, meets no tokens at all.
    """
    sizes = np.array(sorted(seconds), dtype=np.float64)
    times = np.array([seconds[int(size)] for size in sizes])
    rates = sizes / times
    budget = int(sizes[rates >= NEARLY * rates.max()][0])
    if len(sizes) == 1:
        return budget, 0
    s_per_token, s_per_run = np.polyfit(sizes, times, 1, w=1 / times)
    return budget, max(0, round(s_per_run / s_per_token)) if s_per_token > 0 else 0
