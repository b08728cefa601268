"""Latency in a closed loop: real queries with their passages, raw samples, and percentiles of them.

Each of C clients sends its next request when its last one is answered: honest about what one waiting user sees, blind
to the load that a stall holds back; so the record says `closed`. Nothing is retried: a 429 is an error here. Warm-up
samples are kept apart. Percentiles and mean are of successes, from the planned moment to the last byte, the error
rate beside them; documents per second are of successes over the wall time of the measured part.
"""

import asyncio
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from bench.bootstrap import Rows, estimate, mean, percentile
from bench.candidates import Candidates
from bench.client import Client
from bench.data.datasets import Dataset
from bench.errors import DataError
from bench.records import Estimate, LatencyPlan, LatencySummary, Sample


@dataclass(frozen=True)
class Request:
    """One request of the workload."""

    query_id: str
    query: str
    documents: list[str]
    filled: int
    """How many of the documents came from further corpus passages."""


def workload(dataset: Dataset, candidates: Candidates, documents: int) -> list[Request]:
    """One request a judged query: its first `documents` candidates, filled up from the corpus where they are fewer.

    The filling goes on through the corpus from query to query, passes over empty texts, and starts again at its end,
    so that a corpus smaller than a request still gives one.
    """
    filling = itertools.cycle([text for text in dataset.documents.values() if text])
    requests = []
    for query_id, query in dataset.queries.items():
        own = [dataset.documents[i] for i in candidates.lists[query_id][:documents]]
        missing = documents - len(own)
        requests.append(Request(query_id, query, own + list(itertools.islice(filling, missing)), missing))
    if not requests:
        raise DataError(f"{dataset.name} has no judged query to send")
    return requests


def plan(requests: Sequence[Request], count: int, warm_up: int, concurrency: int) -> LatencyPlan:
    """What a run of `count` requests over the workload will send, for the record."""
    measured = list(itertools.islice(itertools.cycle(requests), warm_up, warm_up + count))
    return LatencyPlan(
        loop="closed",
        documents_per_request=len(requests[0].documents),
        concurrency=concurrency,
        requests=count,
        distinct_requests=min(count, len(requests)),
        warm_up=warm_up,
        filled_documents=sum(request.filled for request in measured),
    )


async def closed_loop(
    client: Client, requests: Sequence[Request], plan: LatencyPlan
) -> tuple[list[Sample], list[Sample]]:
    """Warm up, then measure: one walk through the workload, begun again at its end.

    Returns:
        The measured samples and the warm-up's, each in the order in which they were done.
    """
    walk = itertools.cycle(requests)
    warm_up = await _drive(client, itertools.islice(walk, plan.warm_up), plan.warm_up, plan.concurrency, "warm-up")
    measured = await _drive(client, itertools.islice(walk, plan.requests), plan.requests, plan.concurrency, "latency")
    return measured, warm_up


async def _drive(client: Client, walk: Iterator[Request], count: int, concurrency: int, name: str) -> list[Sample]:
    samples: list[Sample] = []
    with tqdm(total=count, desc=name, unit="request", disable=None) as bar:

        async def one_client() -> None:
            for request in walk:
                answer = await client.rerank(request.query_id, request.query, request.documents)
                samples.append(answer.sample)
                bar.update()

        await asyncio.gather(*(one_client() for _ in range(concurrency)))
    return samples


def summarise(samples: Sequence[Sample], seed: int = 0) -> LatencySummary:
    """The figures of measured samples."""
    successes = [sample for sample in samples if sample.error is None]
    errors = len(samples) - len(successes)
    latency_ms = np.array([(sample.done_s - sample.planned_s) * 1000 for sample in successes], dtype=np.float64)

    def of(statistic: float | None) -> Estimate | None:
        if not successes:
            return None
        return estimate(latency_ms, mean if statistic is None else percentile(statistic), seed)

    return LatencySummary(
        requests=len(samples),
        errors=errors,
        error_rate=errors / len(samples) if samples else math.nan,
        p50_ms=of(50),
        p90_ms=of(90),
        p99_ms=of(99),
        mean_ms=of(None),
        documents_per_s=_documents_per_s(samples, successes, seed),
    )


def _documents_per_s(samples: Sequence[Sample], successes: Sequence[Sample], seed: int) -> Estimate | None:
    """Documents of successes over wall time.

    A resample's wall time is the true one scaled by how long its requests took against all: in a closed loop wall
    time is the sum of the latencies over the number of clients.
    """
    if not successes:
        return None
    wall_s = max(sample.done_s for sample in samples) - min(sample.planned_s for sample in samples)
    observed = np.array([(s.documents, s.done_s - s.planned_s) for s in successes], dtype=np.float64)
    s_per_latency_s = wall_s / observed[:, 1].sum()

    def rate(rows: Rows) -> Rows:
        return np.asarray(rows[:, :, 0].sum(axis=1) / (rows[:, :, 1].sum(axis=1) * s_per_latency_s), dtype=np.float64)

    return estimate(observed, rate, seed)
