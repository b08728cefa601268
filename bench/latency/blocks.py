"""Block resampling: how much a figure would vary if the same measurement were repeated.

Consecutive requests share the state of the machine, so resampling single requests would give intervals that are too
narrow. Whole blocks are drawn instead (Künsch, 1989): the rounds, each split into equal consecutive parts if there are
fewer than ten rounds, like batch means in simulation (Schmeiser, 1982: 10 to 30 batches). A draw is the number of times
that each block is taken, so that two profiles of the same plan can use the same draws.
"""

from collections.abc import Sequence

import numpy as np

from bench.bootstrap import RESAMPLES
from bench.latency.observations import Floats, Integers

BLOCKS = 10
ROWS_AT_ONCE = 4_000_000
"""Number of weights held in memory at once."""


def blocks(rounds: Integers) -> Integers:
    """Return the block of every request [n], numbered from 0, given its round [n] in the order of the plan."""
    numbers, sizes = np.unique(rounds, return_counts=True)
    parts = -(-BLOCKS // len(numbers))
    block = np.zeros(len(rounds), dtype=np.int64)
    first = 0
    for number, size in zip(numbers, sizes, strict=True):
        cut = min(parts, int(size))
        block[rounds == number] = first + np.arange(size) * cut // size
        first += cut
    return block


def draws(count: int, seed: int | Sequence[int]) -> Integers:
    """Return how often each of `count` blocks is taken in each resample, [resamples, count]."""
    equal = np.full(count, 1 / count)
    return np.random.default_rng(seed).multinomial(count, equal, size=RESAMPLES).astype(np.int64)


def percentiles(values: Floats, weights: Integers, ranks: tuple[float, ...]) -> Floats:
    """Return percentiles of `values` [n] in every resample, [resamples, ranks], interpolated like `numpy.percentile`.

    Args:
        values: the observations.
        weights: how often each observation is taken, [resamples, n]; an empty resample gives NaN.
        ranks: percentile ranks from 0 to 100.
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    chunk = max(1, ROWS_AT_ONCE // max(1, len(values)))
    by_chunk = [_percentiles(ordered, part[:, order], ranks) for part in _chunks(weights, chunk)]
    return np.concatenate(by_chunk) if by_chunk else np.empty((0, len(ranks)))


def _chunks(weights: Integers, size: int) -> list[Integers]:
    return [weights[start : start + size] for start in range(0, len(weights), size)]


def _percentiles(ordered: Floats, weights: Integers, ranks: tuple[float, ...]) -> Floats:
    taken = np.cumsum(weights, axis=1)
    values = np.full((len(weights), len(ranks)), np.nan)
    some = taken[:, -1] > 0 if len(ordered) else np.zeros(len(weights), dtype=np.bool_)
    for column, rank in enumerate(ranks):
        position = (taken[some, -1] - 1) * rank / 100
        below = np.floor(position)
        low, high = (_at(ordered, taken[some], target) for target in (below, np.ceil(position)))
        values[some, column] = low + (high - low) * (position - below)
    return values


def _at(ordered: Floats, taken: Integers, position: Floats) -> Floats:
    """Return the value at a position of each resample's sorted values, by one binary search over all rows."""
    rows, columns = taken.shape
    begin = np.arange(rows) * (int(taken.max()) + 1)
    flat_index = np.searchsorted((taken + begin[:, np.newaxis]).ravel(), position + begin, side="right")
    return np.asarray(ordered[flat_index - np.arange(rows) * columns], dtype=np.float64)
