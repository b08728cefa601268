"""Resampling by blocks: how far a figure would move if the same measurement were made again.

Requests that follow each other share what the machine was doing, so resampling single ones would promise too narrow
intervals. Whole blocks are drawn instead (Künsch, 1989): the rounds, each cut into equal consecutive parts where
there are fewer than ten of them, as batch means are taken of a simulation's output (Schmeiser, 1982: 10 to 30).
A draw says how often each block is taken, so two profiles of the same plan can be given the same draws.
"""

from collections.abc import Sequence

import numpy as np

from bench.bootstrap import RESAMPLES
from bench.latency.observations import Floats, Integers

BLOCKS = 10
ROWS_AT_ONCE = 4_000_000
"""Weights in memory at a time."""


def blocks(rounds: Integers) -> Integers:
    """The block of every request [n], numbered from 0, given its round [n] in the order of the plan."""
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
    """How often each of `count` blocks is taken in each resample, [resamples, count]."""
    equal = np.full(count, 1 / count)
    return np.random.default_rng(seed).multinomial(count, equal, size=RESAMPLES).astype(np.int64)


def percentiles(values: Floats, weights: Integers, ranks: tuple[float, ...]) -> Floats:
    """Percentiles of `values` [n] in every resample, [resamples, ranks], as `numpy.percentile` interpolates them.

    Args:
        values: the observations.
        weights: how often each is taken, [resamples, n]; a resample that takes none gives NaN.
        ranks: between 0 and 100.
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
    """The value at a position of each resample's own ordered values: one binary search over all rows end to end."""
    rows, columns = taken.shape
    begin = np.arange(rows) * (int(taken.max()) + 1)
    flat_index = np.searchsorted((taken + begin[:, np.newaxis]).ravel(), position + begin, side="right")
    return np.asarray(ordered[flat_index - np.arange(rows) * columns], dtype=np.float64)
