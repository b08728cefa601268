"""The files of a profile, and the check whether samples may be added to it.

`latency/<profile>.parquet` has the samples and `latency/<profile>.json` the figures of the finished points, which are
computed from the samples each time; `<profile>` is the file name that `bench.names` makes of the profile's name.
Samples of another reranker, machine or plan are refused, because figures measured under different conditions must not
share a name.
"""

from pathlib import Path
from typing import Any

import msgspec

from bench.contestants.contestant import is_same_contestant
from bench.errors import BenchError
from bench.file_lock import FileLock
from bench.latency import samples
from bench.latency.records import LatencyRecord, PointFigures, ProfileNote
from bench.latency.samples import Profile
from bench.latency.summary import summarise
from bench.names import own_path
from bench.records import ContestantNote
from bench.storage import write_json

FOLDER = "latency"
SAMPLES, FIGURES = ".parquet", ".json"


def profile_path(results: Path, profile: str, contestant: ContestantNote | None = None) -> Path:
    """Return the path of a profile's samples, whether it exists yet or not.

    Args:
        results: the results folder.
        profile: the profile's name.
        contestant: the contestant after which the profile is named, if it is.
    """

    def is_own(path: Path) -> bool | None:
        note = samples.read_note(path)
        if note is None:
            return None
        if note.profile == profile:
            return True
        is_named_after = note.profile == note.contestant.name
        return contestant is not None and is_named_after and is_same_contestant(note.contestant, contestant)

    return own_path(results / FOLDER, profile, SAMPLES, is_own)


def lock(path: Path) -> FileLock:
    """Return the lock of a profile's files, given the path of its samples."""
    return FileLock(path, f"another process is writing to {path}: wait for it to end, or give another --profile name")


def finish(profile: Profile, path: Path) -> LatencyRecord:
    """Compute the figures of the profile and write them beside its samples at `path`."""
    record = figures(profile)
    write_json(record, path.with_suffix(FIGURES))
    return record


def figures(profile: Profile) -> LatencyRecord:
    """Compute the figures of a profile's finished points from its samples."""
    finished = [(profile.note.plans[index], profile.observations(index)) for index in profile.finished()]
    return LatencyRecord(
        note=profile.note,
        points=[PointFigures(plan, summarise(observed, plan.seed)) for plan, observed in finished],
    )


def check_same(path: Path, before: ProfileNote, now: ProfileNote) -> None:
    """Raise BenchError with the differences if `now` cannot continue the profile at `path`."""
    was, is_now = before.provenance, now.provenance
    cpus = (
        [] if was.client_cpu == is_now.client_cpu else [f"client CPU was {was.client_cpu}, is now {is_now.client_cpu}"]
    )
    other_reranker = _other_reranker(before, now.contestant, is_now.server or {})
    _refuse(path, [*other_reranker, *cpus, *_other_plans(before, now)])


def check_same_reranker(
    path: Path, before: ProfileNote, contestant: ContestantNote, server: dict[str, Any] | None
) -> None:
    """Raise BenchError with the differences if the profile at `path` is another reranker's.

    Args:
        path: the path of the samples, for the message.
        before: the note of the samples.
        contestant: the contestant as it is now.
        server: what its server now reports at GET /info; None if it does not answer, which is no difference.
    """
    was = before.provenance.server or {}
    _refuse(path, _other_reranker(before, contestant, was if server is None else server))


def _refuse(path: Path, differing: list[str]) -> None:
    if differing:
        raise BenchError(
            f"{path} contains samples of another measurement ({'; '.join(differing)}): give another --profile name, "
            f"or --anew to measure again from the start"
        )


def _other_reranker(before: ProfileNote, contestant: ContestantNote, server_now: dict[str, Any]) -> list[str]:
    was = before.contestant
    server_was = before.provenance.server or {}
    name_was = contestant.name if is_same_contestant(was, contestant) else was.name
    facts: list[tuple[str, Any, Any]] = [
        ("contestant", name_was, contestant.name),
        ("dialect", was.dialect, contestant.dialect),
        ("model", was.model, contestant.model),
        *(
            (f"server's {key}", server_was.get(key), server_now.get(key))
            for key in dict.fromkeys([*server_was, *server_now])
        ),
    ]
    return [f"{name} was {old}, is now {new}" for name, old, new in facts if old != new]


def _other_plans(before: ProfileNote, now: ProfileNote) -> list[str]:
    planned = {plan.point: msgspec.structs.asdict(plan) for plan in before.plans}
    differing: dict[str, str] = {}
    for plan in now.plans:
        for field, value in msgspec.structs.asdict(plan).items():
            was = planned.get(plan.point, {}).get(field, value)
            if was != value:
                differing.setdefault(field, f"{field} was {was}, is now {value}")
    return list(differing.values())
