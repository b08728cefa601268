"""Plans when to send: the points of a sweep and the sending times of an open loop, all before anything is sent.

`loops.py` does the sending. The sending times depend only on the point, the round and the seed, so that every
contestant gets the same requests at the same times, and a resumed run does the same as an uninterrupted one.
"""

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass

from bench.candidates.candidates import Candidates
from bench.data.datasets import Dataset
from bench.errors import BenchError
from bench.latency.records import Point, PointPlan
from bench.latency.workload import Request, lengths, sha256, workload
from bench.wording import counted

ARRIVALS = ("poisson", "constant")


@dataclass(frozen=True)
class Sweep:
    """The settings of a latency run; every combination is a point."""

    documents: tuple[int, ...] = (50,)
    lengths: tuple[str, ...] = ("any",)
    concurrency: tuple[int, ...] = (1,)
    rates_per_s: tuple[float, ...] = ()
    arrivals: str = "poisson"
    requests: int = 50
    rounds: int = 1
    warm_up: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise BenchError if a round would be empty or there is no load."""
        if self.rounds > self.requests:
            raise BenchError(
                f"{counted(self.requests, 'request')} per point cannot be divided into {self.rounds} rounds: "
                f"increase --requests"
            )
        if not self.concurrency and not self.rates_per_s:
            raise BenchError("no load to measure: give --concurrency for closed loops or --rate for open loops")


@dataclass(frozen=True)
class PointJob:
    """One point with its requests."""

    plan: PointPlan
    requests: list[Request]

    @property
    def warm_up(self) -> list[Request]:
        """Return the warm-up requests, which are sent before the first round."""
        return self._walk(0, self.plan.warm_up)

    def round(self, number: int) -> list[Request]:
        """Return the requests of one round, taken from the workload where the previous round or the warm-up ended."""
        ends = [self.plan.warm_up + self.plan.requests * r // self.plan.rounds for r in (number, number + 1)]
        return self._walk(*ends)

    def offsets_s(self, number: int) -> list[float]:
        """Return the sending times of an open-loop round, in seconds from its start."""
        point = self.plan.point
        draw = random.Random(f"{self.plan.seed} {point} round {number}")
        return offsets_s(len(self.round(number)), point.rate_per_s or 0.0, point.arrivals or "", draw)

    def _walk(self, start: int, end: int) -> list[Request]:
        return [self.requests[index % len(self.requests)] for index in range(start, end)]


def offsets_s(count: int, rate_per_s: float, arrivals: str, draw: random.Random) -> list[float]:
    """Return `count` sending times from 0: `constant`, or a Poisson process with exponentially distributed gaps."""
    if arrivals == "constant":
        return [number / rate_per_s for number in range(count)]
    return list(itertools.accumulate((draw.expovariate(rate_per_s) for _ in range(count - 1)), initial=0.0))


def jobs(sweep: Sweep, dataset: Dataset, candidates: Candidates) -> list[PointJob]:
    """Return the points of a sweep over one dataset, in the order of measurement."""
    planned = []
    for length, documents in itertools.product(dict.fromkeys(sweep.lengths), dict.fromkeys(sweep.documents)):
        allowed = lengths(length, dataset)
        requests = workload(dataset, candidates, documents, allowed, sweep.warm_up + sweep.requests)
        texts = sha256(requests)
        for load in _loads(sweep):
            plan = PointPlan(
                point=Point(dataset.name, dataset.split, documents, length, *load),
                requests=sweep.requests,
                rounds=sweep.rounds,
                warm_up=sweep.warm_up,
                seed=sweep.seed,
                low_characters=allowed.low,
                high_characters=allowed.high,
                distinct_requests=min(sweep.requests, len(requests)),
                filled_documents=_filled(requests, sweep),
                workload_sha256=texts,
            )
            planned.append(PointJob(plan, requests))
    return planned


def repeated_pairs(planned: Sequence[PointJob]) -> list[int]:
    """Count for every point the pairs of its measured requests that were sent before, at this or an earlier point."""
    sent: set[tuple[str, str]] = set()
    counts = []
    for job in planned:
        fresh = 0
        walk = job.requests[: job.plan.warm_up + job.plan.requests]  # what is sent after them is sent again
        for number, request in enumerate(walk):
            before = len(sent)
            sent.update((request.query, text) for text in request.documents)
            fresh += len(sent) - before if number >= job.plan.warm_up else 0
        counts.append(job.plan.requests * job.plan.point.documents - fresh)
    return counts


def _loads(sweep: Sweep) -> list[tuple[str, int | None, float | None, str | None]]:
    closed = [("closed", clients, None, None) for clients in sweep.concurrency]
    return [*closed, *(("open", None, rate, sweep.arrivals) for rate in sweep.rates_per_s)]


def _filled(requests: Sequence[Request], sweep: Sweep) -> int:
    measured = itertools.islice(itertools.cycle(requests), sweep.warm_up, sweep.warm_up + sweep.requests)
    return sum(request.filled for request in measured)
