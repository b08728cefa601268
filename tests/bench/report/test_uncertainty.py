"""What the site says of its figures' certainty, and the rates and stages beside them, recomputed from the raw files.

Intervals by resampling of this file's own, with the standard library's generator; p-values by going through every
pattern of signs; rates from the first planned moment and the last answer of each round.
"""

import itertools
import random
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.report_figures import NAMES, SETS, by_point, ndcgs, points_of
from tests.support.report_results import Seen, tables

RESAMPLES = 5000
LOW_RANKS, HIGH_RANKS = (1.2, 4.0), (96.0, 98.8)
"""Between which percentiles of this file's resamples the site's 2.5th and 97.5th lie: theirs are of 2,000 resamples, so
their ranks err by 0.35. The ends of a 90 % interval lie outside."""


def within(cell: Seen, resampled: Sequence[float]) -> None:
    """The interval is the middle 95 % of what resampling gives."""
    for end, ranks in ((cell.low, LOW_RANKS), (cell.high, HIGH_RANKS)):
        lowest, highest = np.percentile(resampled, ranks)
        assert end is not None
        assert lowest - 1e-9 <= end <= highest + 1e-9


def means(values: Sequence[float], seed: int) -> list[float]:
    draw = random.Random(seed)
    return [statistics.fmean(draw.choices(values, k=len(values))) for _ in range(RESAMPLES)]


@pytest.mark.parametrize("dataset", SETS)
@pytest.mark.parametrize("name", NAMES)
def test_the_interval_of_a_measure_is_that_of_its_queries(site: Path, results: Path, name: str, dataset: str) -> None:
    """Resampled over queries, 95 %."""
    cell = tables(site / "contestants" / f"{name}.html")["accuracy"][dataset]["nDCG@10"]
    within(cell, means(list(ndcgs(results, dataset, name).values()), seed=1))


def test_the_interval_of_the_mean_resamples_within_each_dataset(site: Path, results: Path) -> None:
    """Not over all queries together: a big dataset would then weigh more."""
    board = tables(site / "index.html")["leaderboard"]
    for name in NAMES:
        each = [means(list(ndcgs(results, dataset, name).values()), seed) for seed, dataset in enumerate(SETS)]
        within(board[name]["ndcg10"], [statistics.fmean(both) for both in zip(*each, strict=True)])


@pytest.mark.parametrize("dataset", SETS)
def test_a_difference_has_its_interval_and_its_p_value(site: Path, results: Path, dataset: str) -> None:
    """Paired by query; the p-value by every pattern of signs of the queries that differ."""
    row = tables(site / "compare" / "good--poor.html")["accuracy"][dataset]
    good, poor = (ndcgs(results, dataset, name) for name in ("good", "poor"))
    gaps = [good[query] - poor[query] for query in good]
    within(row["difference"], means(gaps, seed=2))
    differing = [gap for gap in gaps if abs(gap) > 1e-9]
    assert 1 <= len(differing) <= 14
    observed = abs(sum(differing)) - 1e-9
    patterns = list(itertools.product((-1, 1), repeat=len(differing)))
    extreme = sum(
        abs(sum(sign * gap for sign, gap in zip(signs, differing, strict=True))) >= observed for signs in patterns
    )
    assert row["p"].value == pytest.approx(extreme / len(patterns), abs=1e-12)


def wall_s(rows: list[dict[str, Any]]) -> float:
    """Every round from its first planned moment to its last answer, failures included."""
    total = 0.0
    for number in {row["round"] for row in rows}:
        there = [row for row in rows if row["round"] == number]
        ends = [row["planned_us"] + row["sent_us"] + row["done_us"] for row in there]
        total += (max(ends) - min(row["planned_us"] for row in there)) / 1e6
    return total


def test_rates_and_stages_are_those_of_the_samples(site: Path, results: Path) -> None:
    """Documents of successes over the wall time of all; P50 and P90 of every stage that the server told."""
    page = tables(site / "latency.html")
    shown, staged = by_point(page["latency"]), page["stages"]
    for profile in ("good", "poor"):
        for point, rows in points_of(results, profile):
            good = [row for row in rows if row["error"] is None]
            row = shown[profile, point["documents"], "closed, concurrency 1"]
            documents = sum(at["documents"] for at in good)
            assert row["documents_per_s"].value == pytest.approx(documents / wall_s(rows), rel=1e-6)
            (told,) = (
                at
                for key, at in staged.items()
                if key.startswith(f"{profile}/") and f" {point['documents']} doc" in key
            )
            for stage in ("tokenise", "queue", "inference"):
                ranks = statistics.quantiles(
                    [at[f"server_timing.{stage}_us"] / 1000 for at in good], n=10, method="inclusive"
                )
                assert told[f"{stage}-50"].value == pytest.approx(ranks[4], abs=1e-6)
                assert told[f"{stage}-90"].value == pytest.approx(ranks[8], abs=1e-6)


def test_latency_intervals_are_of_blocks(site: Path, results: Path) -> None:
    """Ten blocks of consecutive requests, drawn whole: the interval of the mean by a resampling of this test's own."""
    shown = by_point(tables(site / "latency.html")["latency"])
    for profile in ("good", "poor"):
        for point, rows in points_of(results, profile):
            blocks = [
                [(at["sent_us"] + at["done_us"]) / 1000 for at in part if at["error"] is None]
                for number in sorted({row["round"] for row in rows})
                for part in _cut([row for row in rows if row["round"] == number], 5)
            ]
            row = shown[profile, point["documents"], "closed, concurrency 1"]
            within(row["mean"], _of_blocks(blocks, statistics.fmean))
            within(row["p50"], _of_blocks(blocks, statistics.median))


def _cut(rows: list[dict[str, Any]], parts: int) -> list[list[dict[str, Any]]]:
    return [part.tolist() for part in np.array_split(np.array(rows, dtype=object), parts)]


def _of_blocks(blocks: list[list[float]], statistic: Callable[[list[float]], float]) -> list[float]:
    draw = random.Random(3)
    drawn = (draw.choices(blocks, k=len(blocks)) for _ in range(RESAMPLES))
    return [statistic([value for block in taken for value in block]) for taken in drawn]
