"""A sweep measured: contestants take turns round by round, and every round that is done is on disk.

Promises that noise of the machine falls on all contestants alike (A B A B …, the same requests at the same moments),
that a kill loses at most the round it fell in, and that the same command then goes on. It refuses to go on with
another reranker or other settings under the same name, and stops when a server no longer answers at all.
"""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from tqdm import tqdm

from bench import records
from bench.client import Client
from bench.errors import BenchError, ServerError
from bench.latency import samples
from bench.latency.loops import closed_loop, open_loop
from bench.latency.plan import Job
from bench.latency.records import LatencyRecord, PointFigures, ProfileNote
from bench.latency.samples import Profile
from bench.latency.summary import summarise
from bench.records import CandidatesNote, DatasetNote, Sample

FOLDER = "latency"
SAMPLES, FIGURES = ".parquet", ".json"


@dataclass(frozen=True)
class Work:
    """The points over one dataset."""

    dataset: DatasetNote
    candidates: CandidatesNote
    jobs: list[Job]


@dataclass
class Course:
    """One contestant's way through the sweep."""

    client: Client
    path: Path
    """Of the samples."""
    profile: Profile

    async def measure(self, job: Job, number: int, progress: Callable[[], object]) -> None:
        """Send one round and put it on disk; ServerError where nobody answers any more."""
        place = self.profile.place(job.plan)
        warm_up = [] if number else await self._send(job, None, progress)
        begin_s, begin_cpu_s = time.perf_counter(), time.thread_time()
        measured = await self._send(job, number, progress)
        busy = (time.thread_time() - begin_cpu_s) / (time.perf_counter() - begin_s)
        if all(sample.status is None for sample in measured):
            raise ServerError(
                f"no answer from {self.client.url} any more ({measured[0].error}): what was finished is kept, "
                f"and the same command goes on with the rest"
            )
        self.profile = self.profile.with_round(place, number, measured, busy, warm_up)
        samples.write(self.profile, self.path)

    async def _send(self, job: Job, number: int | None, progress: Callable[[], object]) -> list[Sample]:
        point = job.plan.point
        if number is None or point.concurrency is not None:
            requests = job.warm_up if number is None else job.round(number)
            return await closed_loop(self.client, requests, point.concurrency or 1, progress)
        return await open_loop(self.client, job.round(number), job.offsets_s(number), progress)

    def finish(self) -> LatencyRecord:
        """Write the figures of the finished points."""
        made = record(self.profile)
        records.write(made, self.path.with_suffix(FIGURES))
        return made


def new_run() -> str:
    """A name for a command in which contestants take turns."""
    return uuid.uuid4().hex


async def measure(courses: Sequence[Course], works: Sequence[Work]) -> None:
    """Measure every round that is missing; contestants alternate."""
    jobs = [job for work in works for job in work.jobs]
    total = sum(job.plan.requests // job.plan.rounds for course in courses for job, _ in missing(course.profile, jobs))
    with tqdm(total=total, desc="latency", unit="request", disable=None) as bar:
        for job in jobs:
            bar.set_postfix_str(str(job.plan.point), refresh=False)
            for number in range(job.plan.rounds):
                for course in courses:
                    if number not in course.profile.rounds_done(course.profile.place(job.plan)):
                        await course.measure(job, number, bar.update)
            for course in courses:
                course.finish()


def missing(profile: Profile, jobs: Sequence[Job]) -> list[tuple[Job, int]]:
    """The rounds that are not on disk yet."""
    done = {id(job): profile.rounds_done(profile.place(job.plan)) for job in jobs}
    return [(job, number) for job in jobs for number in range(job.plan.rounds) if number not in done[id(job)]]


def record(profile: Profile) -> LatencyRecord:
    """The figures of a profile's finished points, from its samples alone."""
    finished = [(profile.note.plans[place], profile.observations(place)) for place in profile.finished()]
    return LatencyRecord(
        note=profile.note,
        points=[PointFigures(plan, summarise(observed, plan.seed)) for plan, observed in finished],
    )


def going_on(path: Path, note: ProfileNote) -> Profile:
    """The profile at `path` with the points of `note` added, or a new one; BenchError where they do not belong."""
    if not path.exists():
        return samples.start(note)
    before = samples.read(path)
    reasons = [*_other_reranker(before.note, note), *_other_plans(before.note, note)]
    if reasons:
        raise BenchError(
            f"{path} holds samples of another measurement ({'; '.join(reasons)}): give a --profile of another name, "
            f"or --anew to measure it anew"
        )
    known = {plan.point for plan in before.note.plans}
    added = [plan for plan in note.plans if plan.point not in known]
    merged = msgspec.structs.replace(
        before.note,
        plans=[*before.note.plans, *added],
        datasets=list({note.name: note for note in [*before.note.datasets, *note.datasets]}.values()),
        candidates=before.note.candidates | note.candidates,
    )
    return Profile(merged, before.table)


def _other_reranker(before: ProfileNote, now: ProfileNote) -> list[str]:
    old, new = before.provenance, now.provenance
    pairs: list[tuple[str, Any, Any]] = [
        ("contestant", before.contestant, now.contestant),
        ("client CPU", old.client_cpu, new.client_cpu),
        *((f"server's {key}", (old.server or {}).get(key), value) for key, value in (new.server or {}).items()),
    ]
    return [f"{name} {was} then, {is_now} now" for name, was, is_now in pairs if was != is_now]


def _other_plans(before: ProfileNote, now: ProfileNote) -> list[str]:
    planned = {plan.point: msgspec.structs.asdict(plan) for plan in before.plans}
    differing: dict[str, str] = {}
    for plan in now.plans:
        for field, value in msgspec.structs.asdict(plan).items():
            was = planned.get(plan.point, {}).get(field, value)
            if was != value:
                differing.setdefault(field, f"{field} {was} then, {value} now")
    return list(differing.values())
