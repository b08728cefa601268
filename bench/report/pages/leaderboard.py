"""The first page: the leaderboard, one table per rating group, and every contestant's accuracy by dataset."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.accuracy.measures import PRIMARY
from bench.arena.records import ArenaRecord, Standing, Standings
from bench.arena.tables import apart_sentence
from bench.latency.records import Point
from bench.names import page_name
from bench.published.table import published_figure, unmatched_sentence
from bench.report import derive
from bench.report.charts import Chart, Dot, dots
from bench.report.collect import Collected
from bench.report.table import (
    NO_WIN_RATE,
    WIN_HEAD,
    WIN_MEANING,
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
PUBLISHED = (("elo", "Elo", elo), ("win_rate", "win %, as published", share), (PRIMARY, PRIMARY, measure))
"""The published figures that have a column, if a contestant of the table has one."""


@dataclass(frozen=True)
class Leaderboard:
    """What the first page shows."""

    tables: list[Table]
    """One, or one per rating group and one for the contestants that are not rated."""
    apart: str | None
    """Why there are several tables."""
    unmatched: str | None
    """Why no published figure is shown although some were imported."""
    accuracy: Table | None
    charts: list[Chart]
    point: Point | None
    arena: ArenaRecord | None
    left_out: list[str]


@dataclass(frozen=True)
class Placing:
    """A contestant's place in one rating group."""

    group: Standings
    rank: int
    of: int
    standing: Standing


@dataclass(frozen=True)
class _Section:
    """The contestants of one table, best first; `group` is None if they are not rated."""

    group: Standings | None
    names: list[str]
    caption: str


def placings(collected: Collected, contestant: str) -> list[Placing]:
    """Return a contestant's place in every group of the arena that the leaderboard is based on."""
    return [
        Placing(group, rank, len(group.standings), standing)
        for group in _groups(collected)
        for rank, standing in enumerate(group.standings, start=1)
        if standing.contestant == contestant
    ]


def in_order(collected: Collected) -> list[str]:
    """Return all contestants in the order of the tables."""
    return list(dict.fromkeys(name for section in _sections(collected) for name in section.names))


def leaderboard(collected: Collected, colours: dict[str, int]) -> Leaderboard:
    """The page."""
    point = derive.reference_point(collected)
    sections = _sections(collected)
    groups = _groups(collected)
    unmatched = unmatched_sentence(collected.published, collected.contestants, [key for key, _, _ in PUBLISHED])
    return Leaderboard(
        tables=[_standings(collected, section, number, point) for number, section in enumerate(sections, start=1)],
        apart=_sentence(apart_sentence(len(groups))) if len(groups) > 1 else None,
        unmatched=unmatched and f"No published figure is shown here: {unmatched}. All are on the Methods page.",
        accuracy=_by_dataset(collected, in_order(collected)) if collected.accuracy else None,
        charts=_charts(collected, colours),
        point=point,
        arena=collected.arena,
        left_out=[
            *collected.left_out,
            *(f"arena, judge {name}: {why}" for name, arena in collected.arenas.items() for why in arena.left_out),
        ],
    )


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _groups(collected: Collected) -> list[Standings]:
    return collected.arena.overall.tables if collected.arena else []


def _sections(collected: Collected) -> list[_Section]:
    """Return one section of all contestants, or, if there are several groups, one per group and one of the others."""
    groups = _groups(collected)
    if len(groups) <= 1:
        group = groups[0] if groups else None
        return [_Section(group, _best_first(collected, collected.contestants, group), "Standings")]
    sections = []
    for number, group in enumerate(groups, start=1):
        names = [at.contestant for at in group.standings]
        caption = f"Standings of group {number}, rated on {', '.join(group.datasets)}"
        sections.append(_Section(group, _best_first(collected, names, group), caption))
    rated = {name for section in sections for name in section.names}
    others = _best_first(collected, [name for name in collected.contestants if name not in rated], None)
    return [*sections, *([_Section(None, others, "Not rated in the arena")] if others else [])]


def _best_first(collected: Collected, names: Sequence[str], group: Standings | None) -> list[str]:
    """Sort by rating, then by mean nDCG@10 if unrated, then by name."""
    rating = {at.contestant: at.rating.value for at in group.standings} if group else {}

    def key(name: str) -> tuple[float, float, str]:
        accuracy = collected.of(name)
        return -rating.get(name, -float("inf")), -derive.plain_mean(accuracy) if accuracy else 0.0, name

    return sorted(names, key=key)


def _standings(collected: Collected, section: _Section, number: int, point: Point | None) -> Table:
    published = [
        (key, head, print_as)
        for key, head, print_as in PUBLISHED
        if any(published_figure(collected.published, name, key) is not None for name in section.names)
    ]
    rows = []
    for rank, name in enumerate(section.names, start=1):
        others = (
            figure(found and found.value, print_as, "not published under this name")
            for found, print_as in (
                (published_figure(collected.published, name, key), print_as) for key, _, print_as in published
            )
        )
        rows.append(Row(name, [*_row(collected, name, rank, point, section.group), *others]))
    judge = f"arena, judge {collected.arena.judge.name}" if collected.arena else "arena"
    columns = [
        Column("rank", "#", f"Rank by rating; without an arena, by mean {PRIMARY}."),
        Column("contestant", "contestant", is_text=True),
        Column("elo", "Elo", "Bradley-Terry rating on the Elo scale, mean 1500, with its 95 % interval.", group=judge),
        Column("win_rate", WIN_HEAD, WIN_MEANING, group=judge),
        Column("wins", "W", "Matches won.", group=judge),
        Column("losses", "L", "Matches lost.", group=judge),
        Column("ties", "T", "Ties.", group=judge),
        Column("ndcg10", PRIMARY, "Mean over datasets, each weighted equally.", group=_datasets(collected)),
        Column("p50", "P50 ms", "Half of the requests were faster.", group="latency"),
        Column("p90", "P90 ms", "Nine of ten requests were faster.", group="latency"),
        Column("usd", "US$ / 1,000", "Per thousand queries, mean over datasets.", group="cost"),
        *_published_columns([(key, head) for key, head, _ in published]),
    ]
    return Table("leaderboard" if number == 1 else f"leaderboard-{number}", section.caption, columns, rows)


def _datasets(collected: Collected) -> str:
    return counted(len(collected.accuracy), "dataset")


def _row(collected: Collected, name: str, rank: int, point: Point | None, group: Standings | None) -> list[Cell]:
    return [
        Cell(str(rank), float(rank)),
        words(name, href=f"contestants/{page_name(name)}.html"),
        *_arena_cells(collected, name, group),
        _mean_cell(collected, name),
        *_latency_cells(collected, name, point),
        figure(derive.mean_usd(list(collected.of(name).values())), usd, "its price is not known"),
    ]


def _arena_cells(collected: Collected, name: str, group: Standings | None) -> list[Cell]:
    standing = next((at for at in group.standings if at.contestant == name), None) if group else None
    if group is None or standing is None:
        return [missing("it played no match in the arena" if collected.arena else NO_ARENA)] * 5
    counts = (standing.wins, standing.losses, standing.ties)
    return [
        replace(estimated(standing.rating, elo), why=_only_on(collected, name, group)),
        estimated(standing.win_rate_tie_half, share, NO_WIN_RATE),
        *(figure(count, whole) for count in counts),
    ]


def _only_on(collected: Collected, name: str, group: Standings) -> str | None:
    """Describe on which datasets a contestant was rated, if not on all of its group's."""
    by_dataset = collected.arena.by_dataset if collected.arena else {}
    datasets = [at for at in group.datasets if name in {each for names in by_dataset[at].groups for each in names}]
    return None if datasets == group.datasets else f"rated on {', '.join(datasets)} only, others on more datasets"


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


def _published_columns(published: Sequence[tuple[str, str]]) -> list[Column]:
    meaning = "Published by others under another definition: not comparable with the bench's own figures."
    return [
        Column(f"published-{key}", head, meaning, group="published by others, other definition")
        for key, head in published
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
        rows.append(Row(name, [words(name, href=f"contestants/{page_name(name)}.html"), *cells]))
    heads = [Column(dataset, dataset, _doubt(collected, dataset)) for dataset in collected.accuracy]
    return Table("accuracy", f"{PRIMARY} by dataset", [Column("contestant", "contestant", is_text=True), *heads], rows)


def _doubt(collected: Collected, dataset: str) -> str:
    note = next(iter(collected.accuracy[dataset].values())).dataset
    return " ".join([f"{counted(note.judged_queries, 'judged query')}.", *note.doubts])


def _charts(collected: Collected, colours: dict[str, int]) -> list[Chart]:
    charts = []
    groups = _groups(collected)
    for number, group in enumerate(groups, start=1):
        rows = [Dot(at.contestant, at.rating, colours[at.contestant]) for at in group.standings]
        of_group = f" in group {number}" if len(groups) > 1 else ""
        caption = f"Rating{of_group} and 95 % interval over {counted(group.queries, 'query')}"
        charts.append(dots("elo" if number == 1 else f"elo-{number}", caption, rows, "Elo", reference=1500))
    for dataset, records in collected.accuracy.items():
        best_first = sorted(records, key=lambda name: -records[name].measures[PRIMARY].value)
        rows = [Dot(name, records[name].measures[PRIMARY], colours[name]) for name in best_first]
        charts.append(dots(f"accuracy-{dataset}", f"{dataset}: {PRIMARY} and 95 % interval", rows, PRIMARY))
    return charts
