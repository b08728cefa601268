"""Measures a sweep: contestants take turns round by round, and every finished round is saved.

Noise of the machine affects all contestants alike (A B A B …, the same requests at the same times), and a kill loses at
most the current round: saved rounds are not sent again. The sweep stops when a server no longer answers.
"""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace
from tqdm import tqdm

from bench.client.client import Client
from bench.errors import ServerError
from bench.latency import samples
from bench.latency.loops import closed_loop, open_loop
from bench.latency.plan import PointJob
from bench.latency.records import PointPlan
from bench.latency.samples import Profile
from bench.records import Sample


@dataclass
class ProfileRun:
    """The progress of one contestant through the sweep."""

    client: Client
    path: Path
    """Path of the samples."""
    profile: Profile
    warmed_up: PointPlan | None = None
    """The point whose warm-up this command sent last."""

    def lacks(self, job: PointJob, number: int) -> bool:
        """Tell whether a round is still missing."""
        return number not in self.profile.rounds_done(self.profile.index(job.plan))

    async def measure(self, job: PointJob, number: int, progress: Callable[[], object]) -> None:
        """Send one round and save it; ServerError if the server is gone."""
        warm_up = []
        if self.warmed_up != job.plan:
            warm_up = await closed_loop(self.client, job.warm_up, job.plan.point.concurrency or 1)
            self.warmed_up = job.plan
        begin_s, begin_cpu_s = time.perf_counter(), time.thread_time()
        measured = await self._send(job, number, progress)
        busy = (time.thread_time() - begin_cpu_s) / (time.perf_counter() - begin_s)
        if all(sample.status is None for sample in measured):
            await self._check()
        index = self.profile.index(job.plan)
        self.profile = self.profile.with_round(index, number, measured, busy, warm_up)
        samples.write(self.profile, self.path)

    async def _check(self) -> None:
        """Raise ServerError if the server is gone rather than slow."""
        try:
            await self.client.check()
        except ServerError as gone:
            raise ServerError(f"{gone}; finished rounds are kept, run the same command again to resume") from gone

    async def _send(self, job: PointJob, number: int, progress: Callable[[], object]) -> list[Sample]:
        clients = job.plan.point.concurrency
        if clients is None:
            return await open_loop(self.client, job.round(number), job.offsets_s(number), progress)
        sent = await closed_loop(self.client, job.round(number), clients, progress)
        if self.client.contestant.per_minute:  # the bench's own rate limit is not part of the reranker's latency
            return [replace(sample, planned_s=sample.sent_s) for sample in sent]
        return sent


def new_run() -> str:
    """Return a unique name for a command in which contestants take turns."""
    return uuid.uuid4().hex


async def measure(runs: Sequence[ProfileRun], jobs: Sequence[PointJob]) -> None:
    """Measure all missing rounds, alternating between contestants."""
    total = sum(len(job.round(number)) for run in runs for job, number in missing(run.profile, jobs))
    with tqdm(total=total, desc="latency", unit="request", disable=None) as bar:
        for job in jobs:
            bar.set_postfix_str(str(job.plan.point), refresh=False)
            for number in range(job.plan.rounds):
                for run in [run for run in runs if run.lacks(job, number)]:
                    await run.measure(job, number, bar.update)


def missing(profile: Profile, jobs: Sequence[PointJob]) -> list[tuple[PointJob, int]]:
    """Return the rounds that are still missing."""
    absent = []
    for job in jobs:
        done = profile.rounds_done(profile.index(job.plan))
        absent += [(job, number) for number in range(job.plan.rounds) if number not in done]
    return absent
