"""The comparison of two contestants: accuracy query by query, their arena matches, latency at the same points."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.accuracy.measures import PRIMARY
from bench.accuracy.paired import Paired
from bench.arena.records import Standings
from bench.latency.comparison import compare
from bench.latency.records import Comparison, Ratio
from bench.report import derive
from bench.report.charts import Chart, Dot, dots
from bench.report.collect import Collected, LatencyProfile
from bench.report.pages.contestant import pair_file
from bench.report.table import (
    Cell,
    Column,
    Row,
    Table,
    elo,
    estimated,
    figure,
    measure,
    missing,
    ms,
    p_value,
    ratio,
    signed,
    whole,
    words,
)


@dataclass(frozen=True)
class PairPage:
    """The contents of a comparison page."""

    a: str
    b: str
    file: str
    tables: list[Table]
    charts: list[Chart]
    notes: list[str]
    """Notes on the latencies, or the reason why there are none."""


def pair_pages(collected: Collected) -> list[PairPage]:
    """Return a page for every pair of contestants, in alphabetical order."""
    return [_page(collected, a, b) for a, b in itertools.combinations(collected.contestants, 2)]


def _page(collected: Collected, a: str, b: str) -> PairPage:
    differences = _differences(collected, a, b)
    comparison, notes = _latencies(collected, a, b)
    tables = [_accuracy(collected, a, b, differences), _arena(collected, a, b), *_ratios(comparison, a, b)]
    return PairPage(
        a=a,
        b=b,
        file=pair_file(a, b),
        tables=[table for table in tables if table is not None],
        charts=_chart(a, b, differences),
        notes=notes,
    )


def _differences(collected: Collected, a: str, b: str) -> dict[str, Paired | str]:
    """Return the paired difference by dataset, or the reason why there is none."""
    differences: dict[str, Paired | str] = {}
    for dataset, records in collected.accuracy.items():
        absent = [name for name in (a, b) if name not in records]
        if absent:
            differences[dataset] = f"{' and '.join(absent)} not measured on this dataset"
        else:
            differences[dataset] = derive.paired(records[a], records[b]) or "they have no query in common"
    return differences


def _accuracy(collected: Collected, a: str, b: str, differences: Mapping[str, Paired | str]) -> Table | None:
    if not differences:
        return None
    rows = []
    for dataset, at in differences.items():
        records = collected.accuracy[dataset]
        own = [
            estimated(records[name].measures[PRIMARY], measure)
            if name in records
            else missing(f"{name} was not measured on this dataset")
            for name in (a, b)
        ]
        if isinstance(at, str):
            compared = [missing(at)] * 7
        else:
            counts = (at.queries, at.wins, at.losses, at.ties)
            compared = [
                estimated(at.difference, signed),
                words(derive.verdict(at)),
                figure(at.p_value, p_value),
                *(figure(count, whole) for count in counts),
            ]
        rows.append(Row(dataset, [words(dataset), *own, *compared]))
    columns = [
        Column("dataset", "dataset", is_text=True),
        Column("a", a, f"{PRIMARY} over all its queries."),
        Column("b", b, f"{PRIMARY} over all its queries."),
        Column("difference", "difference", f"Mean of {a} minus {b}, query by query."),
        Column("verdict", f"{a} is", "Decided by whether the interval of the difference includes 0.", is_text=True),
        Column("p", "p", "Two-sided randomisation test: the probability of so large a difference by chance."),
        Column("queries", "queries", "Queries that both were given."),
        Column("better", "better", f"Queries on which {a} is higher."),
        Column("worse", "worse", f"Queries on which {a} is lower."),
        Column("equal", "equal", "Queries on which both are equal."),
    ]
    return Table("accuracy", f"{PRIMARY}, and the paired difference with its 95 % interval", columns, rows)


def _arena(collected: Collected, a: str, b: str) -> Table | None:
    if not collected.arenas:
        return None
    rows = []
    for judge, arena in collected.arenas.items():
        for key, of in [("all", arena.overall), *arena.by_dataset.items()]:
            cells = [words(judge), words(key), *_matches(of, a, b), *_ratings(of, a, b)]
            rows.append(Row(f"{judge}/{key}", cells))
    columns = [
        Column("judge", "judge", is_text=True),
        Column("dataset", "dataset", is_text=True),
        Column("wins_a", f"{a} won"),
        Column("wins_b", f"{b} won"),
        Column("ties", "ties"),
        Column("elo_a", f"{a}, Elo"),
        Column("elo_b", f"{b}, Elo"),
    ]
    return Table("arena", "Matches in the arena", columns, rows)


def _matches(standings: Standings, a: str, b: str) -> list[Cell]:
    """Return the wins of a, the wins of b and the ties."""
    for pair in standings.pairs:
        if (pair.a, pair.b) == (a, b):
            return [figure(count, whole) for count in (pair.wins_a, pair.wins_b, pair.ties)]
        if (pair.a, pair.b) == (b, a):
            return [figure(count, whole) for count in (pair.wins_b, pair.wins_a, pair.ties)]
    return [missing("they did not play each other")] * 3


def _ratings(standings: Standings, a: str, b: str) -> list[Cell]:
    """Return both ratings from a table that has both; without one they stand on different scales."""
    tables = [{at.contestant: at.rating for at in table.standings} for table in standings.tables]
    shared = next((table for table in tables if a in table and b in table), None)
    if shared:
        return [estimated(shared[name], elo) for name in (a, b)]
    absent = [name for name in (a, b) if not any(name in table for table in tables)]
    if len(tables) == 1:
        return [estimated(tables[0].get(name), elo, f"{name} did not take part") for name in (a, b)]
    why = f"{' and '.join(absent)} did not take part" if absent else "they never met on the same queries"
    return [missing(f"{why}, so their ratings cannot be compared")] * 2


def _latencies(collected: Collected, a: str, b: str) -> tuple[Comparison | None, list[str]]:
    """Compare two profiles, preferably of one run, otherwise the newest; return the comparison and notes on it."""
    of_a, of_b = collected.profiles_of(a), collected.profiles_of(b)
    absent = [name for name, profiles in ((a, of_a), (b, of_b)) if not profiles]
    if absent:
        return None, [f"The latency of {' and '.join(absent)} was not measured."]
    first, second = max(itertools.product(of_a, of_b), key=_together)
    comparison = compare(first.samples, second.samples)
    if comparison.differing:
        return None, [f"Latencies cannot be compared: {'; '.join(comparison.differing)}."]
    if not comparison.ratios:
        return None, [f"Latencies cannot be compared: {'; '.join(comparison.not_compared) or 'no point in common'}."]
    return comparison, [*comparison.noted, *comparison.not_compared, *comparison.more_errors]


def _together(pair: tuple[LatencyProfile, LatencyProfile]) -> tuple[bool, str]:
    first, second = (of.record.note for of in pair)
    return first.run == second.run, min(first.provenance.created_utc, second.provenance.created_utc)


def _ratios(comparison: Comparison | None, a: str, b: str) -> list[Table]:
    """Return the table of the headline ratios and, if there are any, that of the stage ratios."""
    if comparison is None:
        return []
    headline = [of for of in comparison.ratios if not of.stage]
    stages = [of for of in comparison.ratios if of.stage]
    caption = f"Latency of {b} relative to {a}"
    tables = [_ratio_table("ratios", caption, headline, comparison, b)]
    return tables + ([_ratio_table("stages", f"{caption}: stages", stages, comparison, b)] if stages else [])


def _ratio_table(key: str, caption: str, ratios: Sequence[Ratio], comparison: Comparison, b: str) -> Table:
    rows = []
    for of in ratios:
        cells = [words(str(of.point)), words(of.figure), figure(of.a, ms), figure(of.b, ms), _ratio(of)]
        rows.append(Row(f"{of.point}/{of.figure}", [*cells, words(of.verdict)]))
    columns = [
        Column("point", "point", is_text=True),
        Column("figure", "figure", "Latencies and stages in milliseconds; documents/s is a rate.", is_text=True),
        Column("a", comparison.a),
        Column("b", comparison.b),
        Column(
            "ratio",
            "ratio",
            "Second divided by first; the intervals are simultaneous: all hold in 95 of 100 repetitions.",
        ),
        Column("verdict", f"{b} is", is_text=True),
    ]
    return Table(key, caption, columns, rows)


def _ratio(of: Ratio) -> Cell:
    if of.low is None or of.high is None:
        return Cell(ratio(of.ratio), of.ratio, why=of.why_not_judged)
    return Cell(ratio(of.ratio), of.ratio, of.low, of.high, f"{ratio(of.low)} to {ratio(of.high)}")


def _chart(a: str, b: str, differences: Mapping[str, Paired | str]) -> list[Chart]:
    rows = [Dot(dataset, at.difference) for dataset, at in differences.items() if not isinstance(at, str)]
    caption = f"{PRIMARY} of {a} minus {b}, with 95 % intervals"
    return [dots("differences", caption, rows, f"difference in {PRIMARY}", reference=0)] if rows else []
