"""The few figures that stand in no record: means over datasets, paired differences, the point of latency to rank by.

Every one is of records alone and by the bench's own bootstrap, seeded, so that the same results give the same site.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

import numpy as np

from bench.accuracy.measures import PRIMARY
from bench.accuracy.paired import Paired, compare_values
from bench.bootstrap import CHUNK, RESAMPLES
from bench.latency.records import LatencySummary, Point
from bench.records import AccuracyRecord, Estimate
from bench.report.collect import Collected, LatencyProfile

SEED = 0


def mean_over_datasets(records: Mapping[str, AccuracyRecord], name: str = PRIMARY) -> Estimate:
    """The mean of the datasets' means, each dataset weighing the same; resampled over queries within each."""
    draw = np.random.default_rng(SEED)
    resampled = []
    for dataset in sorted(records):
        values = np.array(list(records[dataset].per_query[name].values()), dtype=np.float64)
        chunks = [draw.integers(0, len(values), size=(CHUNK, len(values))) for _ in range(RESAMPLES // CHUNK)]
        resampled.append(np.concatenate([values[taken].mean(axis=1) for taken in chunks]))
    low, high = np.percentile(np.mean(resampled, axis=0), [2.5, 97.5])
    return Estimate(plain_mean(records, name), float(low), float(high))


def plain_mean(records: Mapping[str, AccuracyRecord], name: str = PRIMARY) -> float:
    """The same mean without its interval, to order by."""
    return fmean(fmean(records[dataset].per_query[name].values()) for dataset in sorted(records))


def verdict(pair: Paired) -> str:
    """Of the first against the second, by whether the interval of their difference holds 0."""
    if pair.difference.low > 0:
        return "better"
    return "worse" if pair.difference.high < 0 else "no difference shown"


def paired(a: AccuracyRecord, b: AccuracyRecord, name: str = PRIMARY) -> Paired | None:
    """The paired comparison on the queries that were asked of both; None where there is none."""
    ours, theirs = a.per_query[name], b.per_query[name]
    both = [query_id for query_id in ours if query_id in theirs]
    if not both:
        return None
    ours, theirs = ({query_id: of[query_id] for query_id in both} for of in (ours, theirs))
    return compare_values((a.contestant.name, b.contestant.name), name, ours, theirs, SEED)


def reference_point(collected: Collected) -> Point | None:
    """The point of latency that most contestants were measured at: of several a closed loop, few clients, 50 documents.

    One point for all, because a latency compares at equal load only.
    """
    measured = {(profile.contestant, of.plan.point) for profile in collected.profiles for of in profile.record.points}
    if not measured:
        return None
    counts = Counter(point for _, point in measured)
    return max(
        counts,
        key=lambda at: (counts[at], at.loop == "closed", -(at.concurrency or 0), -abs(at.documents - 50), str(at)),
    )


def summary_at(profiles: Iterable[LatencyProfile], point: Point | None) -> LatencySummary | None:
    """The newest figures at a point; None where it was not measured."""
    newest_first = sorted(profiles, key=lambda each: each.record.note.provenance.created_utc, reverse=True)
    summaries = (of.summary for each in newest_first for of in each.record.points if of.plan.point == point)
    return next(summaries, None)


def mean_usd(records: Sequence[AccuracyRecord]) -> float | None:
    """Cost of a thousand queries, the mean of the datasets where it is known."""
    costs = [record.usd_per_1000_queries for record in records if record.usd_per_1000_queries is not None]
    return sum(costs) / len(costs) if costs else None
