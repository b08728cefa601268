"""Observations: the measured requests of one point as columns, in the order of the plan.

All figures are computed from them; `samples.py` reads them from a file. Failures are rows too: they take time, and they
count in the error rate.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True)
class Observations:
    """Columns [n]; a missing value is NaN."""

    round: Integers
    planned_s: Floats
    """On a clock that restarts in every round."""
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
        """Whether each request was answered successfully."""
        return np.array([error is None for error in self.errors], dtype=np.bool_)

    @property
    def latency_ms(self) -> Floats:
        """From the planned sending time to the last byte."""
        return (self.done_s - self.planned_s) * 1000

    @property
    def first_byte_ms(self) -> Floats:
        """From the planned sending time to the first byte."""
        return (self.first_byte_s - self.planned_s) * 1000

    @property
    def lateness_ms(self) -> Floats:
        """Actual minus planned sending time."""
        return (self.sent_s - self.planned_s) * 1000

    @property
    def wall_s(self) -> Floats:
        """Every request's share of the wall time: from the previous answer of any request to its own answer.

        In a round the shares add up to the time from the first planned sending time to the last answer.
        """
        shares = np.zeros(len(self.round))
        for number in np.unique(self.round):
            rows = np.flatnonzero(self.round == number)
            in_order = rows[np.argsort(self.done_s[rows], kind="stable")]
            shares[in_order] = np.diff(self.done_s[in_order], prepend=self.planned_s[rows].min())
        return shares
