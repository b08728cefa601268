"""Observations: the measured requests of one point as columns, in the order of the plan.

What every figure is computed from, whether the samples come from a file or straight from a loop. Failures are rows
too: they take time, and they count in the error rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.records import Sample

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True)
class Observations:
    """Columns [n]; a value that is absent is NaN."""

    round: Integers
    planned_s: Floats
    """On a clock that starts anew in every round."""
    sent_s: Floats
    first_byte_s: Floats
    done_s: Floats
    documents: Floats
    tokens: Floats
    errors: list[str | None]
    busy: Floats
    """The share of a CPU core that the generator used in the request's round."""
    stages_ms: dict[str, Floats]

    @property
    def succeeded(self) -> Booleans:
        """Which requests were answered."""
        return np.array([error is None for error in self.errors], dtype=np.bool_)

    @property
    def latency_ms(self) -> Floats:
        """From the planned moment to the last byte."""
        return (self.done_s - self.planned_s) * 1000

    @property
    def first_byte_ms(self) -> Floats:
        """From the planned moment to the first byte."""
        return (self.first_byte_s - self.planned_s) * 1000

    @property
    def lateness_ms(self) -> Floats:
        """Sent minus planned."""
        return (self.sent_s - self.planned_s) * 1000

    @property
    def wall_s(self) -> Floats:
        """Every request's share of the wall time: from the answer before it, whichever that was, to its own.

        In a round the shares add up to the time from its first planned moment to its last answer.
        """
        shares = np.zeros(len(self.round))
        for number in np.unique(self.round):
            rows = np.flatnonzero(self.round == number)
            in_order = rows[np.argsort(self.done_s[rows], kind="stable")]
            shares[in_order] = np.diff(self.done_s[in_order], prepend=self.planned_s[rows].min())
        return shares


def observe(rounds: Sequence[Sequence[Sample]], busy: Sequence[float] | None = None) -> Observations:
    """The samples of a point, by round."""
    samples = [sample for of_round in rounds for sample in of_round]
    numbers = [number for number, of_round in enumerate(rounds) for _ in of_round]
    shares = busy or [0.0] * len(rounds)
    stages = dict.fromkeys(stage for sample in samples for stage in sample.server_timing_ms)
    return Observations(
        round=np.array(numbers, dtype=np.int64),
        planned_s=_column([sample.planned_s for sample in samples]),
        sent_s=_column([sample.sent_s for sample in samples]),
        first_byte_s=_column([sample.first_byte_s for sample in samples]),
        done_s=_column([sample.done_s for sample in samples]),
        documents=_column([sample.documents for sample in samples]),
        tokens=_column([sample.tokens for sample in samples]),
        errors=[sample.error for sample in samples],
        busy=_column([shares[number] for number in numbers]),
        stages_ms={stage: _column([sample.server_timing_ms.get(stage) for sample in samples]) for stage in stages},
    )


def _column(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
