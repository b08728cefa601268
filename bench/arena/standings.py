"""Standings from outcomes: ratings with intervals, wins, losses, ties, win rates and the pairwise matrix.

Pure functions. Intervals are percentile bootstraps over queries, resampled within every dataset, so that all matches on
one query are drawn together. Figures are rounded to 1e-6, because machines may differ below that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.arena import ratings
from bench.arena.matches import MatchKey
from bench.arena.records import PairTally, Standing, Standings
from bench.bootstrap import RESAMPLES
from bench.records import Estimate

CHUNK = 250
POINTS = {"a": 1.0, "tie": 0.5, "b": 0.0}

Array = NDArray[np.float64]


class Outcome(NamedTuple):
    """The outcome of a match: "a", "b" or "tie"."""

    key: MatchKey
    verdict: str


@dataclass(frozen=True)
class _WinCounts:
    """wins and ties are [queries, n, n], wins of row over column; strata says where a dataset's queries end."""

    names: list[str]
    wins: Array
    ties: Array
    strata: list[int]


@dataclass(frozen=True)
class _Drawn:
    """Figures of the resamples, each [resamples, contestants]; NaN where a contestant met nobody of its group."""

    ratings: Array
    win_rates: Array
    with_prior: int


def standings(outcomes: Sequence[Outcome], seed: int, resamples: int = RESAMPLES) -> Standings:
    """Compute the standings of one group (`groups.py`) from its outcomes; their order affects only sequential Elo."""
    counts = _win_counts(outcomes)
    wins, ties = counts.wins.sum(axis=0), counts.ties.sum(axis=0)
    points = wins + ties / 2.0
    drawn = _draw(counts, ratings.groups(points), seed, resamples)
    rating = _intervals(ratings.bradley_terry(points), drawn.ratings)
    win_rate = _intervals(_win_rates(wins, ties), drawn.win_rates)
    column = {name: index for index, name in enumerate(counts.names)}
    sequential = ratings.sequential_elo(
        len(column), ((column[key[2]], column[key[3]], POINTS[verdict]) for key, verdict in outcomes)
    )
    table = [
        Standing(
            contestant=name,
            rating=rating[i],
            sequential_elo=_rounded(sequential[i]),
            wins=int(wins[i].sum()),
            losses=int(wins[:, i].sum()),
            ties=int(ties[i].sum()),
            win_rate_tie_half=win_rate[i],
        )
        for i, name in enumerate(counts.names)
    ]
    return Standings(
        matches=len(outcomes),
        queries=len(counts.wins),
        standings=sorted(table, key=lambda standing: (-standing.rating.value, standing.contestant)),
        pairs=_pairs(counts.names, wins, ties),
        groups=_groups(counts.names, points),
        prior_pairs=int(ratings.unbounded(points).sum()) // 2,
        resamples_with_prior=drawn.with_prior,
        datasets=sorted({key[0] for key, _ in outcomes}),
    )


def standings_apart(outcomes: Sequence[Outcome], tables: Sequence[Standings]) -> Standings:
    """Combine the standings of several groups: each keeps its own ratings, and only counts are taken of all."""
    counts = _win_counts(outcomes)
    return Standings(
        matches=len(outcomes),
        queries=len(counts.wins),
        standings=[],
        pairs=_pairs(counts.names, counts.wins.sum(axis=0), counts.ties.sum(axis=0)),
        groups=[sorted(at.contestant for at in table.standings) for table in tables],
        prior_pairs=sum(table.prior_pairs for table in tables),
        resamples_with_prior=sum(table.resamples_with_prior for table in tables),
        apart=list(tables),
        datasets=sorted({key[0] for key, _ in outcomes}),
    )


def _win_counts(outcomes: Sequence[Outcome]) -> _WinCounts:
    names = sorted({name for key, _ in outcomes for name in key[2:]})
    queries = sorted({key[:2] for key, _ in outcomes})
    column = {name: index for index, name in enumerate(names)}
    row = {query: index for index, query in enumerate(queries)}
    wins, ties = np.zeros((2, len(queries), len(names), len(names)))
    for (dataset, query_id, a, b), verdict in outcomes:
        at, i, j = row[dataset, query_id], column[a], column[b]
        if verdict == "tie":
            ties[at, i, j] += 1
            ties[at, j, i] += 1
        else:
            wins[(at, i, j) if verdict == "a" else (at, j, i)] += 1
    datasets = [dataset for dataset, _ in queries]
    return _WinCounts(names, wins, ties, [datasets.count(dataset) for dataset in sorted(set(datasets))])


def _draw(counts: _WinCounts, whole: NDArray[np.bool_], seed: int, resamples: int) -> _Drawn:
    rng = np.random.default_rng(seed)
    shape = (-1, *counts.wins.shape[1:])
    rated, rates, with_prior = [], [], 0
    for start in range(0, resamples, CHUNK):
        rows = min(CHUNK, resamples - start)
        drawn = np.concatenate([rng.multinomial(n, np.full(n, 1.0 / n), size=rows) for n in counts.strata], axis=1)
        weights = drawn.astype(np.float64)
        wins, ties = ((weights @ each.reshape(len(each), -1)).reshape(shape) for each in (counts.wins, counts.ties))
        points = wins + ties / 2.0
        touch = (ratings.groups(points) == whole).all(axis=-1)
        rated.append(np.where(touch, ratings.bradley_terry(points), np.nan))
        rates.append(_win_rates(wins, ties))
        with_prior += int(ratings.unbounded(points).any(axis=(-1, -2)).sum())
    return _Drawn(np.concatenate(rated), np.concatenate(rates), with_prior)


def _win_rates(wins: Array, ties: Array) -> Array:
    """Return wins plus half the ties, divided by matches; NaN for a contestant without a match."""
    matches = (wins + wins.swapaxes(-1, -2) + ties).sum(axis=-1)
    won = (wins + ties / 2.0).sum(axis=-1)
    return np.asarray(np.divide(won, matches, out=np.full_like(won, np.nan), where=matches > 0), dtype=np.float64)


def _intervals(values: Array, drawn: Array) -> list[Estimate]:
    estimates = []
    for value, column in zip(values, drawn.T, strict=True):
        finite = column[~np.isnan(column)]
        low, high = np.percentile(finite, [2.5, 97.5]) if len(finite) else (value, value)
        estimates.append(Estimate(_rounded(value), _rounded(low), _rounded(high)))
    return estimates


def _pairs(names: list[str], wins: Array, ties: Array) -> list[PairTally]:
    pairs = [
        PairTally(names[i], names[j], int(wins[i, j]), int(wins[j, i]), int(ties[i, j]))
        for i in range(len(names))
        for j in range(i + 1, len(names))
    ]
    return [pair for pair in pairs if pair.wins_a + pair.wins_b + pair.ties]


def _groups(names: list[str], points: Array) -> list[list[str]]:
    rows = {tuple(row) for row in ratings.groups(points)}
    return sorted([name for name, is_member in zip(names, row, strict=True) if is_member] for row in rows)


def _rounded(value: float) -> float:
    return round(float(value), 6)
