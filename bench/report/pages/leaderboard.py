"""The first page: the leaderboard, and every contestant's accuracy by dataset."""

from dataclasses import dataclass, replace

from bench.accuracy.measures import PRIMARY
from bench.arena.records import ArenaRecord, Standing
from bench.latency.records import Point
from bench.published.table import published_figure
from bench.report import derive
from bench.report.charts import Chart, Dot, dots
from bench.report.collect import Collected
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
    share,
    usd,
    whole,
    words,
)
from bench.wording import counted

NO_ARENA = "no arena results: run rerank-bench arena"
PUBLISHED = (("elo", "Elo", elo), ("win_rate", "win %", share), (PRIMARY, PRIMARY, measure))


@dataclass(frozen=True)
class Leaderboard:
    """What the first page shows."""

    table: Table
    accuracy: Table | None
    charts: list[Chart]
    point: Point | None
    arena: ArenaRecord | None


def standing_of(collected: Collected, contestant: str) -> Standing | None:
    """Return a contestant's standing in the arena that the leaderboard is based on."""
    standings = collected.arena.overall.standings if collected.arena else []
    return next((at for at in standings if at.contestant == contestant), None)


def in_order(collected: Collected) -> list[str]:
    """Return all contestants, best first: by rating, then by mean nDCG@10 if unrated, then by name."""

    def key(name: str) -> tuple[float, float, str]:
        standing, accuracy = standing_of(collected, name), collected.of(name)
        rating = standing.rating.value if standing else -float("inf")
        return -rating, -derive.plain_mean(accuracy) if accuracy else 0.0, name

    return sorted(collected.contestants, key=key)


def leaderboard(collected: Collected, colours: dict[str, int]) -> Leaderboard:
    """The page."""
    point = derive.reference_point(collected)
    names = in_order(collected)
    rows = [Row(name, _row(collected, name, rank, point)) for rank, name in enumerate(names, start=1)]
    judge = f"arena, judge {collected.arena.judge.name}" if collected.arena else "arena"
    columns = [
        Column("rank", "#", f"Rank by rating; without an arena, by mean {PRIMARY}."),
        Column("contestant", "contestant", is_text=True),
        Column("elo", "Elo", "Bradley-Terry rating on the Elo scale, mean 1500, with its 95 % interval.", group=judge),
        Column("win_rate", "win %", "Wins divided by all matches; a tie is not a win.", group=judge),
        Column("wins", "W", "Matches won.", group=judge),
        Column("losses", "L", "Matches lost.", group=judge),
        Column("ties", "T", "Ties.", group=judge),
        Column("ndcg10", PRIMARY, "Mean over datasets, each weighted equally.", group=_datasets(collected)),
        Column("p50", "P50 ms", "Half of the requests were faster.", group="latency"),
        Column("p90", "P90 ms", "Nine of ten requests were faster.", group="latency"),
        Column("usd", "US$ / 1,000", "Per thousand queries, mean over datasets.", group="cost"),
        *_published_columns(collected),
    ]
    return Leaderboard(
        table=Table("leaderboard", "Standings", columns, rows),
        accuracy=_by_dataset(collected, names) if collected.accuracy else None,
        charts=_charts(collected, colours),
        point=point,
        arena=collected.arena,
    )


def _datasets(collected: Collected) -> str:
    return counted(len(collected.accuracy), "dataset")


def _row(collected: Collected, name: str, rank: int, point: Point | None) -> list[Cell]:
    return [
        Cell(str(rank), float(rank)),
        words(name, href=f"contestants/{name}.html"),
        *_arena_cells(collected, name),
        _mean_cell(collected, name),
        *_latency_cells(collected, name, point),
        figure(derive.mean_usd(list(collected.of(name).values())), usd, "its price is not known"),
        *(
            figure(published_figure(collected.published, name, key), print_as, "not published under this name")
            for key, _, print_as in (PUBLISHED if collected.published else ())
        ),
    ]


def _arena_cells(collected: Collected, name: str) -> list[Cell]:
    standing = standing_of(collected, name)
    if standing is None:
        return [missing("it played no match in the arena" if collected.arena else NO_ARENA)] * 5
    counts = (standing.wins, standing.losses, standing.ties)
    return [
        replace(estimated(standing.rating, elo), why=_only_on(collected, name)),
        estimated(standing.win_rate, share),
        *(figure(count, whole) for count in counts),
    ]


def _only_on(collected: Collected, name: str) -> str | None:
    """Describe on which datasets a contestant was rated, if not on all of them."""
    met = {} if collected.arena is None else collected.arena.by_dataset
    datasets = [dataset for dataset, of in met.items() if name in [at.contestant for at in of.standings]]
    return None if len(datasets) == len(met) else f"rated on {', '.join(datasets)} only, others on more datasets"


def _mean_cell(collected: Collected, name: str) -> Cell:
    records = collected.of(name)
    if not records:
        return missing("its accuracy was not measured")
    absent = [dataset for dataset in collected.accuracy if dataset not in records]
    if absent:
        return missing(f"not measured on {', '.join(absent)}: a mean over fewer datasets is not comparable")
    return estimated(derive.mean_over_datasets(records), measure)


def _latency_cells(collected: Collected, name: str, point: Point | None) -> list[Cell]:
    profiles = collected.profiles_of(name)
    if not profiles:
        return [missing("its latency was not measured")] * 2
    summary = derive.summary_at(profiles, point)
    if summary is None:
        return [missing(f"not measured at {point}")] * 2
    why = summary.refused or "no request succeeded"
    return [estimated(summary.p50_ms, ms, why), estimated(summary.p90_ms, ms, why)]


def _published_columns(collected: Collected) -> list[Column]:
    if collected.published is None:
        return []
    meaning = "Published by others under another definition: not comparable with the bench's own figures."
    return [
        Column(f"published-{key}", head, meaning, group="published by others, other definition")
        for key, head, _ in PUBLISHED
    ]


def _by_dataset(collected: Collected, names: list[str]) -> Table:
    """Return the table of nDCG@10 by contestant and dataset."""
    rows = []
    for name in names:
        records = collected.of(name)
        cells = [
            estimated(records[dataset].measures.get(PRIMARY), measure)
            if dataset in records
            else missing("not measured on this dataset")
            for dataset in collected.accuracy
        ]
        rows.append(Row(name, [words(name, href=f"contestants/{name}.html"), *cells]))
    heads = [Column(dataset, dataset, _doubt(collected, dataset)) for dataset in collected.accuracy]
    return Table("accuracy", f"{PRIMARY} by dataset", [Column("contestant", "contestant", is_text=True), *heads], rows)


def _doubt(collected: Collected, dataset: str) -> str:
    note = next(iter(collected.accuracy[dataset].values())).dataset
    return " ".join([f"{counted(note.judged_queries, 'judged query')}.", *note.doubts])


def _charts(collected: Collected, colours: dict[str, int]) -> list[Chart]:
    charts = []
    if collected.arena and collected.arena.overall.standings:
        rows = [Dot(at.contestant, at.rating, colours[at.contestant]) for at in collected.arena.overall.standings]
        caption = f"Rating and 95 % interval over {counted(collected.arena.overall.queries, 'query')}"
        charts.append(dots("elo", caption, rows, "Elo", reference=1500))
    for dataset, records in collected.accuracy.items():
        best_first = sorted(records, key=lambda name: -records[name].measures[PRIMARY].value)
        rows = [Dot(name, records[name].measures[PRIMARY], colours[name]) for name in best_first]
        charts.append(dots(f"accuracy-{dataset}", f"{dataset}: {PRIMARY} and 95 % interval", rows, PRIMARY))
    return charts
