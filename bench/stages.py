"""The two stages as the commands run them: dataset and candidates in, one record out.

Shared by `rerank-bench` and by `bench.first`, so that both measure the same way. A stage makes sure that a reranker
answers at the URL before it sends its first measured request, and asks the server what it is while it runs.
"""

import asyncio
from dataclasses import asdict, dataclass

from bench import latency, provenance, run
from bench.candidates import Candidates
from bench.client import Client
from bench.data.datasets import Dataset
from bench.records import AccuracyRecord, LatencyRecord


@dataclass(frozen=True)
class Target:
    """The reranker to measure."""

    url: str
    model: str | None = None
    timeout_s: float = 120.0


@dataclass(frozen=True)
class AccuracySettings:
    """What an accuracy run may be told."""

    concurrency: int = 2
    limit: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class LatencySettings:
    """What a latency run may be told."""

    documents: int = 50
    concurrency: int = 1
    requests: int = 50
    warm_up: int = 5
    seed: int = 0


def measure_accuracy(
    target: Target, dataset: Dataset, frozen: Candidates, settings: AccuracySettings
) -> AccuracyRecord:
    """Rerank the judged queries' candidates over HTTP and measure the result."""
    drawn = run.limited(dataset, settings.limit, settings.seed)

    async def measure() -> AccuracyRecord:
        async with _client(target, settings.concurrency) as client:
            await client.check()
            made = provenance.gather(client.url, await client.info(), asdict(target) | asdict(settings))
            outcome = await run.rerank_all(client, drawn, frozen, settings.concurrency)
        return run.record(made, drawn, dataset, frozen, outcome, settings.seed)

    return asyncio.run(measure())


def measure_latency(target: Target, dataset: Dataset, frozen: Candidates, settings: LatencySettings) -> LatencyRecord:
    """Send the dataset's queries with their passages in a closed loop and summarise the samples."""
    requests = latency.workload(dataset, frozen, settings.documents)
    plan = latency.plan(requests, settings.requests, settings.warm_up, settings.concurrency)

    async def measure() -> LatencyRecord:
        async with _client(target, settings.concurrency) as client:
            await client.check()
            made = provenance.gather(client.url, await client.info(), asdict(target) | asdict(settings))
            samples, warm_up = await latency.closed_loop(client, requests, plan)
        return LatencyRecord(
            provenance=made,
            dataset=dataset.note(),
            candidates=frozen.note(),
            plan=plan,
            summary=latency.summarise(samples, settings.seed),
            samples=samples,
            warm_up=warm_up,
        )

    return asyncio.run(measure())


def _client(target: Target, connections: int) -> Client:
    return Client(target.url, model=target.model, timeout_s=target.timeout_s, connections=connections)
