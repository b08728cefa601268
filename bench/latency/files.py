"""The files of a profile, and the check whether samples may be added to it.

`latency/<profile>.parquet` has the samples and `latency/<profile>.json` the figures of the finished points, which are
computed from the samples each time. Samples of another reranker, machine or plan are refused, because figures measured
under different conditions must not share a name.
"""

from pathlib import Path
from typing import Any

import msgspec

from bench.errors import BenchError
from bench.latency.records import LatencyRecord, PointFigures, ProfileNote
from bench.latency.samples import Profile
from bench.latency.summary import summarise
from bench.storage import write_json

FOLDER = "latency"
SAMPLES, FIGURES = ".parquet", ".json"


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
    differing = [*_other_reranker(before, now), *_other_plans(before, now)]
    if differing:
        raise BenchError(
            f"{path} contains samples of another measurement ({'; '.join(differing)}): give another --profile name, "
            f"or --anew to measure again from the start"
        )


def _other_reranker(before: ProfileNote, now: ProfileNote) -> list[str]:
    was, is_now = before.provenance, now.provenance
    server_was, server_now = was.server or {}, is_now.server or {}
    facts: list[tuple[str, Any, Any]] = [
        ("dialect", before.contestant.dialect, now.contestant.dialect),
        ("model", before.contestant.model, now.contestant.model),
        ("client CPU", was.client_cpu, is_now.client_cpu),
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
