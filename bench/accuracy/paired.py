"""Paired comparison of two contestants on the same queries: the size of the difference and its significance.

The difference is computed query by query, because queries differ far more than rerankers do. Its mean has a bootstrap
interval over queries; the p-value is that of the two-sided randomisation test that flips signs (Fisher; for retrieval
Smucker, Allan and Carterette, CIKM 2007), exact where few queries differ, else from seeded draws. The effect size is
the mean over the standard deviation of the differences (Cohen's d for pairs; Sakai, SIGIR Forum 2014). Runs of
unequal queries, candidates or datasets are refused, because the difference would not be one between contestants.
"""

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.bootstrap import estimate, mean
from bench.errors import BenchError
from bench.records import AccuracyRecord, Estimate
from bench.wording import are, counted

EXACT_UP_TO = 14
"""Up to this many differing queries, all sign patterns are enumerated."""
DRAWS = 10_000
CHUNK = 500  # sign patterns held in memory at a time
EQUAL = 1e-9
"""Smaller differences are rounding errors: the query is a tie."""


class Paired(msgspec.Struct, frozen=True):
    """The comparison of `first` with `second` by one measure."""

    first: str
    second: str
    measure: str
    queries: int
    difference: Estimate
    """Mean of first minus second over the queries."""
    p_value: float
    """Two-sided: how often chance alone would give a mean difference as large."""
    effect_size: float | None
    """Mean over standard deviation of the differences; None where all differences are the same."""
    wins: int
    """Queries on which the first is better."""
    losses: int
    ties: int


def compare(first: AccuracyRecord, second: AccuracyRecord, measure: str, seed: int = 0) -> Paired:
    """Compare two records by one measure; BenchError if their datasets or candidates differ."""
    names = first.contestant.name, second.contestant.name
    for what, one, other in (
        ("datasets", first.dataset.sha256, second.dataset.sha256),
        ("candidates", first.candidates.sha256, second.candidates.sha256),
    ):
        if one != other:
            raise BenchError(
                f"{names[0]} and {names[1]} were measured on different {what} (sha256 {one[:12]} and {other[:12]}): "
                "measure both in one --results folder"
            )
    return compare_values(names, measure, first.per_query[measure], second.per_query[measure], seed)


def compare_values(
    names: tuple[str, str], measure: str, first: Mapping[str, float], second: Mapping[str, float], seed: int = 0
) -> Paired:
    """Compare the values of one measure query by query.

    Args:
        names: names of the two contestants.
        measure: name of the measure, such as `nDCG@10`.
        first: query id to value; a query without an answer has 0.
        second: the same queries' values of the second contestant.
        seed: random seed of the bootstrap and the sign flips.

    Raises:
        BenchError: the queries differ, or there are none.
    """
    if first.keys() != second.keys() or not first:
        unpaired = sorted(first.keys() ^ second.keys())
        example = (
            f"; {len(unpaired)} {are(len(unpaired))} in only one of them, such as {unpaired[0]!r}" if unpaired else ""
        )
        raise BenchError(
            f"{names[0]} has {counted(len(first), 'query')} and {names[1]} {len(second)}{example}: "
            "a paired comparison needs the same queries"
        )
    differences = np.array([value - second[query_id] for query_id, value in first.items()], dtype=np.float64)
    differences[np.abs(differences) < EQUAL] = 0.0
    return Paired(
        first=names[0],
        second=names[1],
        measure=measure,
        queries=len(differences),
        difference=estimate(differences, mean, seed),
        p_value=sign_flip_p(differences, seed),
        effect_size=_effect_size(differences),
        wins=int((differences > 0).sum()),
        losses=int((differences < 0).sum()),
        ties=int((differences == 0).sum()),
    )


def sign_flip_p(differences: NDArray[np.float64], seed: int = 0) -> float:
    """Return the two-sided p-value of the mean of `differences` [n] under random signs.

    Uses all 2^n sign patterns of the n differences that are not 0 or, if there are too many, `DRAWS` random ones, with
    the observed pattern included so that no p-value is 0.
    """
    nonzero = differences[differences != 0]
    if not len(nonzero):
        return 1.0
    observed = abs(nonzero.sum()) * (1 - EQUAL)  # sums of the same numbers in another order count as equal
    if len(nonzero) <= EXACT_UP_TO:
        patterns = np.arange(2 ** len(nonzero))[:, np.newaxis] >> np.arange(len(nonzero)) & 1
        return float((np.abs((2.0 * patterns - 1) @ nonzero) >= observed).mean())
    draw = np.random.default_rng(seed)
    extreme = 0
    for _ in range(DRAWS // CHUNK):
        signs = draw.integers(0, 2, size=(CHUNK, len(nonzero)), dtype=np.int8) * 2.0 - 1
        extreme += int((np.abs(signs @ nonzero) >= observed).sum())
    return (extreme + 1) / (DRAWS + 1)


def _effect_size(differences: NDArray[np.float64]) -> float | None:
    spread = float(differences.std(ddof=1)) if len(differences) > 1 else 0.0
    return float(differences.mean()) / spread if spread > EQUAL else None
