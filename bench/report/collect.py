"""Reads and checks everything in a results folder that the report shows.

A folder may contain any part: accuracy without an arena, or latency alone. A missing part is empty here; a damaged file
is an error that names it.
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

    @property
    def contestants(self) -> list[str]:
        """All contestants with any result, sorted by name."""
        ranked = {name for of_dataset in self.accuracy.values() for name in of_dataset}
        met = {at.contestant for arena in self.arenas.values() for at in arena.overall.standings}
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


def collect(results: Path) -> Collected:
    """Read the folder; DataError if it does not exist, contains no results, or has an unreadable file."""
    if not results.is_dir():
        raise DataError(f"there is no results folder {results}; `rerank-bench run` and `latency` create one")
    collected = Collected(
        accuracy=_accuracy(results / "accuracy"),
        arenas=_arenas(results / "arena"),
        profiles=list(_profiles(results / "latency")),
        published=published.load(results),
    )
    if not collected.contestants:
        raise DataError(f"{results} contains no accuracy, arena or latency record; run `rerank-bench run` first")
    return collected


def _accuracy(folder: Path) -> dict[str, dict[str, AccuracyRecord]]:
    by_dataset: dict[str, dict[str, AccuracyRecord]] = {}
    for raw in folder.glob("*/*.jsonl"):
        if not raw.with_suffix(".json").exists():
            raise DataError(f"{raw} has no .json record: the run did not finish; run the same command again to resume")
    for file in sorted(folder.glob("*/*.json")):
        if file.name != frozen.FILE:
            record: AccuracyRecord = records.read_as(file, AccuracyRecord)
            by_dataset.setdefault(file.parent.name, {})[record.contestant.name] = record
    return by_dataset


def _arenas(folder: Path) -> dict[str, ArenaRecord]:
    """Read the arenas: the deterministic qrels judge first, then by name."""
    arenas = [records.read_as(file, ArenaRecord) for file in folder.glob("*.json")]
    in_order = sorted(arenas, key=lambda record: (record.judge.kind != "qrels", record.judge.name))
    return {record.judge.name: record for record in in_order}


def _profiles(folder: Path) -> Iterator[LatencyProfile]:
    for file in sorted(folder.glob("*.json")):
        record: LatencyRecord = records.read_as(file, LatencyRecord)
        raw = samples.read(file.with_suffix(".parquet"))
        if record.note != raw.note:
            record = figures(raw)  # a running measurement: its samples are a round ahead of its figures
        yield LatencyProfile(record.note.profile, record.note.contestant.name, record, raw)
