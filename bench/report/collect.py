"""Everything in a results folder that the report shows, read whole and checked.

A folder may hold any part: accuracy without an arena, latency alone. What is not there is empty here; a file that is
there and damaged is an error that names it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import records
from bench.arena.records import ArenaRecord
from bench.candidates import frozen
from bench.errors import DataError
from bench.latency import samples
from bench.latency.files import figures
from bench.latency.records import LatencyRecord
from bench.latency.samples import Profile
from bench.published import published
from bench.published.published import PublishedRecord
from bench.records import AccuracyRecord


@dataclass(frozen=True)
class LatencyProfile:
    """One profile: its figures, and the samples that they were made from."""

    name: str
    contestant: str
    record: LatencyRecord
    samples: Profile


@dataclass(frozen=True)
class Collected:
    """What a results folder holds."""

    accuracy: dict[str, dict[str, AccuracyRecord]]
    """By dataset, then contestant."""
    arenas: dict[str, ArenaRecord]
    """By judge; the one that the leaderboard follows is the first."""
    profiles: list[LatencyProfile]
    published: PublishedRecord | None

    @property
    def contestants(self) -> list[str]:
        """Everyone of whom there is anything, by name."""
        ranked = {name for of_dataset in self.accuracy.values() for name in of_dataset}
        met = {at.contestant for arena in self.arenas.values() for at in arena.overall.standings}
        return sorted(ranked | met | {profile.contestant for profile in self.profiles})

    @property
    def arena(self) -> ArenaRecord | None:
        """The arena that the leaderboard follows."""
        return next(iter(self.arenas.values()), None)

    def of(self, contestant: str) -> dict[str, AccuracyRecord]:
        """A contestant's accuracy by dataset."""
        return {name: records[contestant] for name, records in self.accuracy.items() if contestant in records}

    def profiles_of(self, contestant: str) -> list[LatencyProfile]:
        """A contestant's latency profiles."""
        return [profile for profile in self.profiles if profile.contestant == contestant]


def collect(results: Path) -> Collected:
    """Read the folder; DataError where it is none, holds nothing, or a file in it cannot be read."""
    if not results.is_dir():
        raise DataError(f"there is no results folder {results}; `rerank-bench run` and `latency` make one")
    collected = Collected(
        accuracy=_accuracy(results / "accuracy"),
        arenas=_arenas(results / "arena"),
        profiles=list(_profiles(results / "latency")),
        published=published.load(results),
    )
    if not collected.contestants:
        raise DataError(f"{results} holds no accuracy, arena or latency record; `rerank-bench run` makes some")
    return collected


def _accuracy(folder: Path) -> dict[str, dict[str, AccuracyRecord]]:
    by_dataset: dict[str, dict[str, AccuracyRecord]] = {}
    for raw in folder.glob("*/*.jsonl"):
        if not raw.with_suffix(".json").exists():
            raise DataError(f"{raw} has no record beside it: the run did not end; the same command again finishes it")
    for file in sorted(folder.glob("*/*.json")):
        if file.name != frozen.FILE:
            record: AccuracyRecord = records.read_as(file, AccuracyRecord)
            by_dataset.setdefault(file.parent.name, {})[record.contestant.name] = record
    return by_dataset


def _arenas(folder: Path) -> dict[str, ArenaRecord]:
    """The deterministic judge first, which needs no trust; then by name."""
    arenas = [records.read_as(file, ArenaRecord) for file in folder.glob("*.json")]
    in_order = sorted(arenas, key=lambda record: (record.judge.kind != "qrels", record.judge.name))
    return {record.judge.name: record for record in in_order}


def _profiles(folder: Path) -> Iterator[LatencyProfile]:
    for file in sorted(folder.glob("*.json")):
        record: LatencyRecord = records.read_as(file, LatencyRecord)
        raw = samples.read(file.with_suffix(".parquet"))
        if record.note != raw.note:
            record = figures(raw)  # a measurement is going on: its samples are a round ahead of its figures
        yield LatencyProfile(record.note.profile, record.note.contestant.name, record, raw)
