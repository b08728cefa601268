"""A contestant's page: model and server, arena record, accuracy and latency by dataset."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.accuracy.measures import PRIMARY
from bench.arena.records import PairTally
from bench.names import page_name
from bench.published.published import PublishedRecord
from bench.published.table import is_of
from bench.records import AccuracyRecord, Estimate, Provenance
from bench.report import derive
from bench.report.charts import Chart, Dot, Series, dots, ecdf, histogram
from bench.report.collect import Collected, LatencyProfile
from bench.report.pages.latency import point_cells, point_columns
from bench.report.pages.leaderboard import Placing, in_order, placings
from bench.report.table import (
    NO_WIN_RATE,
    WIN_HEAD,
    WIN_MEANING,
    Column,
    Row,
    Table,
    elo,
    estimated,
    figure,
    measure,
    missing,
    share,
    usd,
    whole,
    words,
)

SERVER_FACTS = {
    "model_id": "model",
    "model_dtype": "precision",
    "model_sha": "weights",
    "artefact_sha256": "artefact",
    "device": "device",
    "max_input_length": "window, tokens",
    "version": "server version",
}
"""The fields of a server's /info that a reader needs first."""
NOT_GIVEN = "not reported by the server"


@dataclass(frozen=True)
class ContestantPage:
    """The contents of the page."""

    name: str
    lead: str
    """The contestant's place in every table of the leaderboard."""
    facts: list[tuple[str, str]]
    tables: list[Table]
    charts: list[Chart]


def contestant_page(collected: Collected, name: str, colours: Mapping[str, int]) -> ContestantPage:
    """Return the page of one contestant."""
    tables = [
        _arena_table(collected, name),
        _meetings(collected, name),
        _accuracy_table(collected.of(name)),
        _latency_table(collected.profiles_of(name)),
        _published_table(collected.published, name),
    ]
    return ContestantPage(
        name=name,
        lead=_lead(collected, name),
        facts=_facts(collected, name),
        tables=[table for table in tables if table is not None],
        charts=[
            *_elo_chart(collected, name, colours[name]),
            *_distributions(collected.of(name), colours[name]),
            *_ecdfs(collected.profiles_of(name)),
        ],
    )


def _lead(collected: Collected, name: str) -> str:
    placed, order = placings(collected, name), in_order(collected)
    if collected.arena is None or not collected.arena.overall.apart:
        place = f"Rank {order.index(name) + 1} of {len(order)}"
        return f"{place}: {_score(placed[0])}." if placed else f"{place}."
    groups = [
        f"rank {at.rank} of {at.of} in the group that was rated on {', '.join(at.group.datasets)}: {_score(at)}"
        for at in placed
    ]
    return f"{'; '.join(groups)[:1].upper()}{'; '.join(groups)[1:]}." if groups else "Not rated in the arena."


def _score(at: Placing) -> str:
    of = at.standing
    return f"rating {of.rating.value:.0f}, {of.wins} won, {of.losses} lost, {of.ties} tied"


def _facts(collected: Collected, name: str) -> list[tuple[str, str]]:
    accuracy, profiles = list(collected.of(name).values()), collected.profiles_of(name)
    facts: list[tuple[str, str]] = []
    notes = [*(record.contestant for record in accuracy), *(profile.record.note.contestant for profile in profiles)]
    if notes:
        facts += [("dialect", notes[-1].dialect), ("requested model", notes[-1].model or "none")]
        facts += [("URL", notes[-1].url or "none: it needs no server")]
    provenances: list[Provenance] = [record.provenance for record in accuracy]
    provenances += [profile.record.note.provenance for profile in profiles]
    server: dict[str, Any] = next((each.server for each in reversed(provenances) if each.server), {})
    facts += [(head, _short(str(server[key]))) for key, head in SERVER_FACTS.items() if server.get(key) is not None]
    sources = sorted({record.cost_source for record in accuracy if record.cost_source})
    return [*facts, ("price", "; ".join(sources) or "not known")]


def _short(text: str) -> str:
    """Shorten a hash to its first characters."""
    return text[: len("sha256:") + 12] if text.startswith("sha256:") else text


def _arena_table(collected: Collected, name: str) -> Table | None:
    """Return the contestant's standing under every judge, overall and by dataset."""
    rows = []
    for judge, arena in collected.arenas.items():
        for key, text, table in derive.rating_tables(arena):
            for rank, at in enumerate(table.standings, start=1):
                if at.contestant == name:
                    cells = [
                        words(judge),
                        words(text),
                        figure(rank, whole),
                        estimated(at.rating, elo),
                        figure(at.sequential_elo, elo),
                        estimated(at.win_rate_tie_half, share, NO_WIN_RATE),
                        *(figure(count, whole) for count in (at.wins, at.losses, at.ties)),
                    ]
                    rows.append(Row(f"{judge}/{key}", cells))
    if not rows:
        return None
    columns = [
        Column("judge", "judge", is_text=True),
        Column("dataset", "dataset", is_text=True),
        Column("rank", "#", "Rank by rating among the contestants rated there."),
        Column("elo", "Elo", "Bradley-Terry rating on the Elo scale, mean 1500, with its 95 % interval."),
        Column("sequential", "sequential Elo", "K = 32; depends on the order of the matches."),
        Column("win_rate", WIN_HEAD, WIN_MEANING),
        Column("wins", "W"),
        Column("losses", "L"),
        Column("ties", "T"),
    ]
    return Table("arena", "Record in the arena", columns, rows)


def _meetings(collected: Collected, name: str) -> Table | None:
    """Return the wins, losses and ties against every other contestant."""
    if collected.arena is None:
        return None
    rows = []
    for pair in collected.arena.overall.pairs:
        if name in (pair.a, pair.b):
            other, wins, losses = _seen_by(pair, name)
            rate = (wins + pair.ties / 2) / (wins + losses + pair.ties)
            cells = [words(other, href=f"../compare/{pair_file(name, other)}")]
            cells += [figure(count, whole) for count in (wins, losses, pair.ties)]
            rows.append(Row(other, [*cells, figure(rate, share)]))
    columns = [
        Column("other", "against", is_text=True),
        *(Column(key, head) for key, head in (("wins", "W"), ("losses", "L"), ("ties", "T"))),
        Column("win_rate", WIN_HEAD, WIN_MEANING),
    ]
    return Table("meetings", f"Against every other contestant, judge {collected.arena.judge.name}", columns, rows)


def _seen_by(pair: PairTally, name: str) -> tuple[str, int, int]:
    return (pair.b, pair.wins_a, pair.wins_b) if pair.a == name else (pair.a, pair.wins_b, pair.wins_a)


def pair_file(one: str, other: str) -> str:
    """Return the file name of two contestants' comparison, in either order."""
    return page_name(*sorted((one, other))) + ".html"


def _accuracy_table(records: Mapping[str, AccuracyRecord]) -> Table | None:
    if not records:
        return None
    names = list(dict.fromkeys(name for record in records.values() for name in _by_plain_name(record)))
    rows = []
    for dataset, record in records.items():
        by_plain = _by_plain_name(record)
        cells = [
            words(dataset),
            figure(record.queries, whole),
            *(estimated(by_plain.get(name), measure, "not computed on this dataset") for name in names),
            estimated(record.first_stage[PRIMARY], measure),
            figure(len(record.failures), whole),
            figure(record.tokens, whole, NOT_GIVEN),
            figure(record.usd_per_1000_queries, usd, "its price is not known"),
        ]
        rows.append(Row(dataset, cells))
    columns = [
        Column("dataset", "dataset", is_text=True),
        Column("queries", "queries", "Judged queries in the run."),
        *(Column(name, name) for name in names),
        Column("first_stage", "first stage", f"{PRIMARY} of the candidates in their original order."),
        Column("failures", "failed", "Queries without an answer; they score 0."),
        Column("tokens", "tokens", "Total of all answered queries."),
        Column("usd", "US$ / 1,000", "Per thousand queries."),
    ]
    return Table("accuracy", "Accuracy by dataset, with 95 % intervals over queries", columns, rows)


def _by_plain_name(record: AccuracyRecord) -> dict[str, Estimate]:
    """Drop the relevance level, so that `R(rel=2)@10` and `R@10` share a column: the methods page shows the level.

    A record that has both keeps both names.
    """
    plain = {name: name.replace("(rel=2)", "") for name in record.measures}
    return {name if plain[name] in record.measures else plain[name]: of for name, of in record.measures.items()}


def _latency_table(profiles: list[LatencyProfile]) -> Table:
    rows = []
    for profile in profiles:
        for of in profile.record.points:
            cells = [words(profile.name), *point_cells(of)]
            rows.append(Row(f"{profile.name}/{of.plan.point}", cells))
    if not rows:
        none = [missing("its latency was not measured: run rerank-bench latency")] * (1 + len(point_columns()))
        rows = [Row("none", none)]
    columns = [Column("profile", "profile", is_text=True), *point_columns()]
    return Table("latency", "Latency by dataset and load, with 95 % intervals", columns, rows)


def _published_table(record: PublishedRecord | None, name: str) -> Table | None:
    """Return the figures that others published under this name, with their own dataset names."""
    rows = []
    for source in record.sources if record else []:
        for entry in source.contestants:
            if is_of(entry.contestant, name):
                for dataset, figures in [("overall", entry.overall), *entry.by_dataset.items()]:
                    for key, value in figures.items():
                        cells = [words(source.label), words(source.source), words(source.date), words(dataset)]
                        rows.append(Row(f"{source.source}/{dataset}/{key}", [*cells, words(key), _published(value)]))
    if not rows:
        return None
    heads = ("label", "source", "taken", "dataset", "figure")
    columns = [*(Column(head, head, is_text=True, wraps=head == "source") for head in heads), Column("value", "value")]
    return Table(
        "published",
        "Published by others: other definitions, not comparable with the bench's own figures",
        columns,
        rows,
    )


def _published(value: float) -> Any:
    return figure(value, lambda given: f"{given:g}")


def _elo_chart(collected: Collected, name: str, colour: int) -> list[Chart]:
    if collected.arena is None:
        return []
    rows = [
        Dot(text, at.rating, colour)
        for _, text, table in derive.rating_tables(collected.arena)
        for at in table.standings
        if at.contestant == name
    ]
    return [dots("elo", "Elo by dataset, with 95 % intervals", rows, "Elo", reference=1500)] if rows else []


def _distributions(records: Mapping[str, AccuracyRecord], colour: int) -> list[Chart]:
    """Return the histograms of nDCG@10 over queries, one per dataset."""
    charts = []
    for dataset, record in records.items():
        ours = (Series("reranked", colour), list(record.per_query[PRIMARY].values()))
        before = (Series("first stage", colour), list(record.first_stage_per_query[PRIMARY].values()))
        caption = f"{dataset}: queries by {PRIMARY}; the line shows the first stage"
        charts.append(histogram(f"distribution-{dataset}", caption, [ours, before], PRIMARY))
    return charts


def _ecdfs(profiles: list[LatencyProfile]) -> list[Chart]:
    """Return every profile's latency distributions, at eight points at most."""
    charts = []
    for profile in profiles:
        drawn = []
        for number, of in enumerate(profile.record.points[:8]):
            observed = profile.samples.observations(profile.samples.index(of.plan))
            if of.summary.p50_ms is not None:
                drawn.append((Series(str(of.plan.point), number), observed.latency_ms[observed.succeeded]))
        if drawn:
            key = f"ecdf-{profile.name}"
            charts.append(
                ecdf(
                    key, f"{profile.name}: share of answers by latency", drawn, "ms, planned sending time to last byte"
                )
            )
    return charts
