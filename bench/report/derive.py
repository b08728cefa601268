"""The few figures that no record contains: means over datasets, paired differences, the reference point of latency.

All are computed from records alone, with the bench's own seeded bootstrap, so that the same results give the same site.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean

import numpy as np

from bench.accuracy.measures import PRIMARY
from bench.accuracy.paired import Paired, compare_values
from bench.arena.records import ArenaRecord, Standings
from bench.bootstrap import CHUNK, RESAMPLES
from bench.latency.records import LatencySummary, Point
from bench.records import AccuracyRecord, Estimate
from bench.report.collect import Collected, LatencyProfile

SEED = 0


def mean_over_datasets(records: Mapping[str, AccuracyRecord], name: str = PRIMARY) -> Estimate:
    """Return the unweighted mean of the datasets' means; the bootstrap resamples queries within each dataset."""
    draw = np.random.default_rng(SEED)
    resampled = []
    for dataset in sorted(records):
        values = np.array(list(records[dataset].per_query[name].values()), dtype=np.float64)
        chunks = [draw.integers(0, len(values), size=(CHUNK, len(values))) for _ in range(RESAMPLES // CHUNK)]
        resampled.append(np.concatenate([values[taken].mean(axis=1) for taken in chunks]))
    low, high = np.percentile(np.mean(resampled, axis=0), [2.5, 97.5])
    return Estimate(plain_mean(records, name), float(low), float(high))


def plain_mean(records: Mapping[str, AccuracyRecord], name: str = PRIMARY) -> float:
    """Return the same mean without its interval, for sorting."""
    return fmean(fmean(records[dataset].per_query[name].values()) for dataset in sorted(records))


def verdict(pair: Paired) -> str:
    """Return the verdict on the first against the second: shown only if the difference's interval excludes 0."""
    if pair.difference.low > 0:
        return "better"
    return "worse" if pair.difference.high < 0 else "no difference shown"


def paired(a: AccuracyRecord, b: AccuracyRecord, name: str = PRIMARY) -> Paired | None:
    """Return the paired comparison on the queries that both were given; None if there are none."""
    ours, theirs = a.per_query[name], b.per_query[name]
    both = [query_id for query_id in ours if query_id in theirs]
    if not both:
        return None
    ours, theirs = ({query_id: of[query_id] for query_id in both} for of in (ours, theirs))
    return compare_values((a.contestant.name, b.contestant.name), name, ours, theirs, SEED)


def rating_tables(arena: ArenaRecord) -> Iterator[tuple[str, str, Standings]]:
    """Yield every table of an arena with its key and its name: overall and by dataset, one per rating group."""
    for key, of in [("all", arena.overall), *arena.by_dataset.items()]:
        for number, table in enumerate(of.tables, start=1):
            if not of.apart:
                yield key, key, table
            else:
                name = f"group {number}: {', '.join(table.datasets)}" if key == "all" else f"group {number} of {key}"
                yield f"{key}/group-{number}", name, table


def reference_point(collected: Collected) -> Point | None:
    """Return the point at which most contestants' latency was measured; None if no latency was measured.

    Of several, a closed loop with few clients and 50 documents is preferred. There is one point for all contestants,
    because latencies can be compared only at equal load.
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
    """Return the newest figures at a point; None if it was not measured."""
    newest_first = sorted(profiles, key=lambda each: each.record.note.provenance.created_utc, reverse=True)
    summaries = (of.summary for each in newest_first for of in each.record.points if of.plan.point == point)
    return next(summaries, None)


def mean_usd(records: Sequence[AccuracyRecord]) -> float | None:
    """Return the cost of a thousand queries: the mean over the datasets on which it is known."""
    costs = [record.usd_per_1000_queries for record in records if record.usd_per_1000_queries is not None]
    return sum(costs) / len(costs) if costs else None
