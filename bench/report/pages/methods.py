"""The methods page: what each figure means, and the provenance of every record."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from bench.arena.records import ArenaRecord
from bench.records import CandidatesNote, DatasetNote, Provenance
from bench.report.collect import Collected
from bench.report.table import Cell, Column, Row, Table, estimated, figure, missing, share, usd, whole, words


@dataclass(frozen=True)
class Methods:
    """The contents of the page."""

    tables: list[Table]
    doubts: list[str]
    commands: list[str]
    """In the order of the numbers in the table of records, from 1."""


def methods(collected: Collected) -> Methods:
    """Return the page."""
    tables = [
        _records(collected),
        _datasets(collected),
        _judges(collected),
        _agreement(collected),
        _published(collected),
    ]
    doubts = [f"{note.name}: {doubt}" for note, _ in _sets(collected).values() for doubt in note.doubts]
    return Methods([table for table in tables if table is not None], doubts, _commands(collected))


def _commands(collected: Collected) -> list[str]:
    return list(dict.fromkeys(shlex.join(provenance.command) for _, provenance in _provenances(collected)))


def _records(collected: Collected) -> Table:
    commands = _commands(collected)
    rows = [
        Row(
            name,
            [
                words(name),
                words(provenance.created_utc),
                words(
                    (provenance.commit or "")[:12] + ("-dirty" if (provenance.commit or "").endswith("-dirty") else "")
                ),
                words(provenance.client_cpu),
                figure(provenance.client_cores, whole),
                words(provenance.url or ""),
                words(_server(provenance)),
                figure(commands.index(shlex.join(provenance.command)) + 1, whole),
            ],
        )
        for name, provenance in _provenances(collected)
    ]
    heads = {"record": "record", "created": "made", "commit": "bench commit", "cpu": "client CPU"}
    columns = [
        *(Column(key, head, is_text=True) for key, head in heads.items()),
        Column("cores", "cores"),
        Column("url", "url", is_text=True),
        Column("server", "server", is_text=True, wraps=True),
        Column("command", "command", "Number of the command in the list below."),
    ]
    return Table("records", "Provenance of every record", columns, rows)


def _provenances(collected: Collected) -> Iterator[tuple[str, Provenance]]:
    for dataset, records in collected.accuracy.items():
        for name, record in records.items():
            yield f"accuracy/{dataset}/{name}", record.sessions[-1] if record.sessions else record.provenance
    for judge, arena in collected.arenas.items():
        yield f"arena/{judge}", arena.provenance
    for profile in collected.profiles:
        yield f"latency/{profile.name}", profile.record.note.provenance


def _server(provenance: Provenance) -> str:
    server = provenance.server or {}
    return ", ".join(str(server[key]) for key in ("model_id", "model_dtype", "device", "version") if server.get(key))


def _sets(collected: Collected) -> dict[str, tuple[DatasetNote, CandidatesNote | None]]:
    """Return every dataset with its candidates."""
    sets: dict[str, tuple[DatasetNote, CandidatesNote | None]] = {}
    for profile in collected.profiles:
        note = profile.record.note
        sets |= {of.name: (of, note.candidates.get(of.name)) for of in note.datasets}
    for records in collected.accuracy.values():
        for record in records.values():
            sets[record.dataset.name] = (record.dataset, record.candidates)
    return sets


def _datasets(collected: Collected) -> Table:
    rows = []
    for name, (note, candidates) in sorted(_sets(collected).items()):
        counts = (note.documents, note.judged_queries, note.empty_documents, note.judgements_outside_corpus)
        cells = [words(name), words(note.split), *(figure(count, whole) for count in counts)]
        cells += [figure(note.relevance_level, whole), words(note.labels or ""), words(note.sha256[:12])]
        cells += [words(candidates.source), figure(candidates.depth, whole)] if candidates else [_none(), _none()]
        rows.append(Row(name, [*cells, words(candidates.sha256[:12]) if candidates else _none()]))
    columns = [
        Column("dataset", "dataset", is_text=True),
        Column("split", "split", is_text=True),
        Column("documents", "documents"),
        Column("judged", "judged queries"),
        Column("empty", "empty documents"),
        Column("outside", "judged outside the corpus"),
        Column("level", "relevant from", "Lowest grade that recall and reciprocal rank count as relevant."),
        Column("labels", "labels", is_text=True, wraps=True),
        Column("sha256", "sha256", is_text=True),
        Column("source", "candidates", is_text=True, wraps=True),
        Column("depth", "depth"),
        Column("candidates_sha256", "candidates' sha256", is_text=True),
    ]
    return Table("datasets", "Datasets and candidates", columns, rows)


def _none() -> Cell:
    return missing("the candidates are not recorded")


def _judges(collected: Collected) -> Table | None:
    if not collected.arenas:
        return None
    rows = [Row(judge, _judge(judge, arena)) for judge, arena in collected.arenas.items()]
    columns = [
        Column("judge", "judge", is_text=True),
        Column("rule", "how it decides", is_text=True, wraps=True),
        Column("pairings", "who met whom", is_text=True, wraps=True),
        *(Column(key, head) for key, head in PAIRINGS),
        Column("first_wins", "first shown won %", "Share of decided presentations; without position bias, one half."),
        Column("seed", "seed"),
        Column("usd", "US$"),
    ]
    return Table("judges", "Judges of the arena", columns, rows)


PAIRINGS = (
    ("possible", "possible"),
    ("drawn", "drawn"),
    ("judged", "judged"),
    ("by_rule", "by rule"),
    ("skipped", "skipped"),
    ("failed", "unreadable"),
    ("pending", "pending"),
)


def _judge(judge: str, arena: ArenaRecord) -> list[Cell]:
    bias = arena.position_bias
    return [
        words(judge),
        words(arena.judge.rule),
        words(arena.pairings.rule),
        *(figure(getattr(arena.pairings, key), whole) for key, _ in PAIRINGS),
        estimated(bias.first_wins if bias else None, share, "this judge is shown no order"),
        figure(arena.seed, whole),
        figure(arena.cost.usd, usd),
    ]


def _agreement(collected: Collected) -> Table | None:
    rows = [
        Row(
            f"{judge}/{of.judge}",
            [
                words(judge),
                words(of.judge),
                figure(of.matches, whole),
                figure(of.same, share, "no match in common"),
                figure(of.kappa, lambda value: f"{value:.2f}", "undefined: chance alone would make them agree"),
            ],
        )
        for judge, arena in collected.arenas.items()
        for of in arena.agreement
    ]
    if not rows:
        return None
    columns = [
        Column("judge", "judge", is_text=True),
        Column("other", "and", is_text=True),
        Column("matches", "matches"),
        Column("same", "same verdict %"),
        Column("kappa", "kappa", "Cohen's kappa over the verdicts a, b and tie."),
    ]
    return Table("agreement", "Agreement between judges", columns, rows)


def _published(collected: Collected) -> Table | None:
    if collected.published is None:
        return None
    rows = []
    for source in collected.published.sources:
        for entry in source.contestants:
            for dataset, figures in [("overall", entry.overall), *entry.by_dataset.items()]:
                for key, value in figures.items():
                    names = (entry.contestant, dataset, key)
                    cells = [*map(words, names), figure(value, lambda given: f"{given:g}")]
                    cells += [words(source.label), words(source.source), words(source.date)]
                    rows.append(Row("/".join((source.source, *names)), cells))
    heads = ("contestant", "dataset", "figure")
    columns = [
        *(Column(head, head, is_text=True) for head in heads),
        Column("value", "value"),
        *(Column(head, head, is_text=True, wraps=head == "source") for head in ("label", "source", "retrieved")),
    ]
    return Table(
        "published",
        "Published by others: other definitions, not comparable with the bench's own figures",
        columns,
        rows,
    )
