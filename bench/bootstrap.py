"""Bootstrap intervals: how much a figure would vary with other queries or other requests.

Percentile bootstrap with replacement (Efron, 1979), as Sakai recommends for retrieval measures (SIGIR 2006). It is
seeded, so that the same data gives the same interval on every machine.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bench.records import Estimate

RESAMPLES = 2000
CHUNK = 100  # resamples held in memory at a time

Rows = NDArray[np.float64]


def estimate(values: NDArray[np.float64], statistic: Callable[[Rows], NDArray[np.float64]], seed: int = 0) -> Estimate:
    """Return the `statistic` of `values` with its 95 % interval.

    Args:
        values: the observations, [n] or [n, columns]; n ≥ 1.
        statistic: maps resamples [rows, n, ...] to one figure per row, [rows].
        seed: random seed of the resampling.
    """
    draw = np.random.default_rng(seed)
    resampled = np.concatenate(
        [statistic(values[draw.integers(0, len(values), size=(CHUNK, len(values)))]) for _ in range(RESAMPLES // CHUNK)]
    )
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Estimate(value=float(statistic(values[np.newaxis])[0]), low=float(low), high=float(high))


def mean(rows: Rows) -> NDArray[np.float64]:
    """Return the mean of every resample."""
    return np.asarray(rows.mean(axis=1), dtype=np.float64)
