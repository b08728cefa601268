"""Sends requests in a closed or an open loop over one client, without retries.

The closed loop shows what a fixed number of waiting users experience, but a stall reduces its load; the open loop sends
at the planned times however the server responds, and measures from there. Both return one sample per request, in the
order of the requests. A request that the generator delays, because too many are in flight, has a lateness.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from bench.latency.workload import Request
from bench.records import Sample

MOST_IN_FLIGHT = 1000
"""Maximum number of unanswered requests in an open loop; systems commonly allow a process about 1,000 connections."""


class Answer(Protocol):
    """The outcome of a request."""

    @property
    def sample(self) -> Sample:
        """The sample of the request."""


class Sender(Protocol):
    """The client as the loops use it."""

    def now_s(self) -> float:
        """Return the time on the clock of the samples."""

    async def rerank(
        self, query_id: str, query: str, documents: list[str], *, planned_s: float | None = None
    ) -> Answer:
        """Send one request; a failure is a sample too."""


def silent() -> None:
    """No progress."""


async def closed_loop(
    client: Sender, requests: Sequence[Request], concurrency: int, progress: Callable[[], object] = silent
) -> list[Sample]:
    """Run `concurrency` clients, each of which sends its next request when the last one is answered."""
    samples: dict[int, Sample] = {}
    waiting = iter(enumerate(requests))

    async def one_client() -> None:
        for index, request in waiting:
            answer = await client.rerank(request.query_id, request.query, request.documents)
            samples[index] = answer.sample
            progress()

    async with asyncio.TaskGroup() as clients:
        for _ in range(concurrency):
            clients.create_task(one_client())
    return [samples[index] for index in range(len(requests))]


async def open_loop(
    client: Sender, requests: Sequence[Request], offsets_s: Sequence[float], progress: Callable[[], object] = silent
) -> list[Sample]:
    """Send each request at its planned time, in seconds from now, and wait for the last answer."""
    free = asyncio.Semaphore(MOST_IN_FLIGHT)
    begin_s = client.now_s()

    async def send(request: Request, planned_s: float) -> Sample:
        async with free:
            answer = await client.rerank(request.query_id, request.query, request.documents, planned_s=planned_s)
        progress()
        return answer.sample

    async with asyncio.TaskGroup() as sent:
        tasks = []
        for request, offset_s in zip(requests, offsets_s, strict=True):
            await asyncio.sleep(max(0.0, begin_s + offset_s - client.now_s()))
            tasks.append(sent.create_task(send(request, begin_s + offset_s)))
    return [task.result() for task in tasks]
