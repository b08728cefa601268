"""Reads and checks everything in a results folder that the report shows.

A folder may contain any part: accuracy without an arena, or latency alone. A missing part is empty here. A damaged file
is left out with a sentence that the pages show (`Collected.left_out`): the rest is no worse for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from bench import records
from bench.accuracy.measures import PRIMARY
from bench.accuracy.owners import shown_name
from bench.arena import record_reader
from bench.arena.records import ArenaRecord
from bench.candidates import frozen
from bench.errors import DataError
from bench.latency import samples
from bench.latency.files import figures
from bench.latency.records import LatencyRecord
from bench.latency.samples import Profile
from bench.left_out import LeftOut
from bench.published import published
from bench.published.published import PublishedRecord
from bench.records import AccuracyRecord

Record = TypeVar("Record")


@dataclass(frozen=True)
class LatencyProfile:
    """One profile: its figures, and the samples from which they were computed."""

    name: str
    contestant: str
    record: LatencyRecord
    samples: Profile


@dataclass(frozen=True)
class Collected:
    """The contents of a results folder."""

    accuracy: dict[str, dict[str, AccuracyRecord]]
    """By dataset, then contestant."""
    arenas: dict[str, ArenaRecord]
    """By judge; the leaderboard is based on the first."""
    profiles: list[LatencyProfile]
    published: PublishedRecord | None
    left_out: list[str] = field(default_factory=list)
    """Files that could not be used, one sentence each."""

    @property
    def contestants(self) -> list[str]:
        """All contestants with any result, sorted by name."""
        ranked = {name for of_dataset in self.accuracy.values() for name in of_dataset}
        met = {name for arena in self.arenas.values() for group in arena.overall.groups for name in group}
        return sorted(ranked | met | {profile.contestant for profile in self.profiles})

    @property
    def arena(self) -> ArenaRecord | None:
        """The arena on which the leaderboard is based."""
        return next(iter(self.arenas.values()), None)

    def of(self, contestant: str) -> dict[str, AccuracyRecord]:
        """Return a contestant's accuracy by dataset."""
        return {name: records[contestant] for name, records in self.accuracy.items() if contestant in records}

    def profiles_of(self, contestant: str) -> list[LatencyProfile]:
        """Return a contestant's latency profiles."""
        return [profile for profile in self.profiles if profile.contestant == contestant]


def collect(results: Path, left_out: LeftOut) -> Collected:
    """Read the folder; what cannot be used is left out.

    Raises:
        DataError: the folder does not exist, or contains nothing that can be shown.
    """
    if not results.is_dir():
        raise DataError(f"there is no results folder {results}; `rerank-bench run` and `latency` create one")
    figures_of_others = None
    with left_out:
        figures_of_others = published.load(results)
    collected = Collected(
        accuracy=_accuracy(results / "accuracy", left_out),
        arenas=_arenas(results / "arena", left_out),
        profiles=list(_profiles(results / "latency", left_out)),
        published=figures_of_others,
        left_out=left_out.sentences,
    )
    if not collected.contestants:
        left_out.raise_first()
        raise DataError(f"{results} contains no accuracy, arena or latency record; run `rerank-bench run` first")
    return collected


def _accuracy(folder: Path, left_out: LeftOut) -> dict[str, dict[str, AccuracyRecord]]:
    by_dataset: dict[str, dict[str, AccuracyRecord]] = {}
    for raw in sorted(folder.glob("*/*.jsonl")):
        with left_out:
            _check_finished(raw)
    names = {dataset: shown_name(dataset) for dataset in folder.glob("*")}
    for file in sorted(folder.glob("*/*.json")):
        if file.name != frozen.FILE:
            with left_out:
                record: AccuracyRecord = records.read_as(file, AccuracyRecord)
                _check_accuracy(file, record)
                _add(by_dataset.setdefault(names[file.parent], {}), record.contestant.name, record, file)
    return {dataset: of_dataset for dataset, of_dataset in by_dataset.items() if of_dataset}


def _check_finished(raw: Path) -> None:
    if not raw.with_suffix(".json").exists():
        raise DataError(f"{raw} has no .json record: the run did not finish; run the same command again to resume")


def _check_accuracy(file: Path, record: AccuracyRecord) -> None:
    """Raise DataError unless the record has what every page shows."""
    figures_of = (record.measures, record.first_stage, record.per_query, record.first_stage_per_query)
    if not all(of.get(PRIMARY) for of in figures_of):
        raise DataError(f"{file} is not a whole record: it lacks {PRIMARY}; run `rerank-bench run` again")


def _add(to: dict[str, Record], name: str, record: Record, file: Path) -> None:
    if name in to:
        raise DataError(f"{file} is a second record of {name}: remove one of them")
    to[name] = record


def _arenas(folder: Path, left_out: LeftOut) -> dict[str, ArenaRecord]:
    """Read the arenas: the deterministic qrels judge first, then by name."""
    arenas: dict[str, ArenaRecord] = {}
    for file in sorted(folder.glob("*.json")):
        with left_out:
            record = record_reader.read(file)
            _add(arenas, record.judge.name, record, file)
    return dict(sorted(arenas.items(), key=lambda entry: (entry[1].judge.kind != "qrels", entry[0])))


def _profiles(folder: Path, left_out: LeftOut) -> Iterator[LatencyProfile]:
    for file in sorted(folder.glob("*.json")):
        with left_out:
            yield _profile(file)


def _profile(file: Path) -> LatencyProfile:
    record: LatencyRecord = records.read_as(file, LatencyRecord)
    raw = samples.read(file.with_suffix(".parquet"))
    if record.note != raw.note:
        record = figures(raw)  # a running measurement: its samples are a round ahead of its figures
    for of in record.points:
        if of.plan not in raw.note.plans or of.summary.requests != len(raw.observations(raw.index(of.plan)).errors):
            raise DataError(f"{file} has figures of other samples than those beside it; measure it again with --anew")
    return LatencyProfile(record.note.profile, record.note.contestant.name, record, raw)
