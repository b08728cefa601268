"""Latency: the statistics on known numbers, the workload, and the closed loop against a server with a known delay."""

import asyncio

import numpy as np
import pytest

from bench import candidates, latency
from bench.client import Client
from bench.contestants.contestant import rerank_at
from bench.data import datasets
from bench.records import LatencyPlan, Sample
from tests.bench.fake_reranker import FakeReranker, Reply


def _sample(planned_s: float, latency_ms: float, error: str | None = None, documents: int = 50) -> Sample:
    return Sample("q", documents, planned_s, planned_s, planned_s + latency_ms / 1000, error=error)


def test_percentiles_of_known_numbers() -> None:
    """Of 1 to 101 ms, P50 is 51, P90 is 91, P99 is 100 and the mean 51: planned to done, each inside its interval."""
    summary = latency.summarise([_sample(0.2 * n, n) for n in range(1, 102)])
    found = [summary.p50_ms, summary.p90_ms, summary.p99_ms, summary.mean_ms]
    for estimate, expected in zip(found, [51, 91, 100, 51], strict=True):
        assert estimate is not None
        assert estimate.value == pytest.approx(expected)
        assert estimate.low < estimate.value < estimate.high


def test_latency_counts_from_the_planned_moment() -> None:
    """A request sent late is late: waiting before the send is part of its latency."""
    late = Sample("q", 50, planned_s=1.0, sent_s=3.0, done_s=3.5)
    p50 = latency.summarise([late]).p50_ms
    assert p50 is not None
    assert p50.value == pytest.approx(2500)


def test_failures_stay_out_of_the_percentiles_and_count_beside() -> None:
    """Nine quick errors do not make a slow server fast: the percentiles are the one success's."""
    summary = latency.summarise([_sample(n, 1, "status 500: no") for n in range(9)] + [_sample(9, 800)])
    assert (summary.requests, summary.errors, summary.error_rate) == (10, 9, 0.9)
    assert summary.p50_ms is not None
    assert summary.p50_ms.value == pytest.approx(800)


def test_without_success_there_are_no_figures() -> None:
    """All failed: None, not 0 and not NaN."""
    summary = latency.summarise([_sample(0, 1, "status 500: no")])
    assert summary.p50_ms is summary.p99_ms is summary.mean_ms is summary.documents_per_s is None


def test_documents_per_second_are_over_wall_time() -> None:
    """Two clients at a time, 4 requests of 50 documents in 2 s: 100 a second; a failed request adds time only."""
    samples = [_sample(0, 1000), _sample(0, 1000), _sample(1, 1000), _sample(1, 1000)]
    per_s = latency.summarise(samples).documents_per_s
    assert per_s is not None
    assert (per_s.value, per_s.low, per_s.high) == pytest.approx((100, 100, 100))
    failed = latency.summarise([*samples[:3], _sample(1, 1000, "status 500: no")]).documents_per_s
    assert failed is not None
    assert failed.value == pytest.approx(75)


def test_documents_per_second_interval_is_that_of_repeated_runs() -> None:
    """The interval is about as wide as what 300 fresh closed loops of the same server scatter over."""
    draw = np.random.default_rng(5)

    def one_run() -> list[Sample]:
        latencies_ms = draw.exponential(100, size=60) + 50
        return [
            _sample(start / 1000, ms)
            for start, ms in zip(np.cumsum(latencies_ms) - latencies_ms, latencies_ms, strict=True)
        ]

    rates = [60 * 50 / (run[-1].done_s - run[0].planned_s) for run in (one_run() for _ in range(300))]
    estimate = latency.summarise(one_run()).documents_per_s
    assert estimate is not None
    low, high = np.percentile(rates, [2.5, 97.5])
    assert estimate.high - estimate.low == pytest.approx(high - low, rel=0.4)


def test_workload_is_candidates_first_then_further_passages() -> None:
    """Every request has as many documents as asked, its own candidates first; the corpus begins again at its end."""
    sample = datasets.load(datasets.SAMPLE)
    frozen = candidates.freeze(sample, 20)
    requests = latency.workload(sample, frozen, 20)
    for request in requests:
        own = [sample.documents[i] for i in frozen.lists[request.query_id]]
        assert len(request.documents) == 20
        assert request.documents[: len(own)] == own
        assert request.filled == 20 - len(own)
    assert latency.workload(sample, frozen, 1)[0].documents == [sample.documents["tea-1"]]


def test_closed_loop_sends_the_plan_and_keeps_every_sample(reranker: FakeReranker) -> None:
    """Warm-up is apart and the walk goes on after it; no more requests are in flight than clients."""
    sample = datasets.load(datasets.SAMPLE)
    requests = latency.workload(sample, candidates.freeze(sample, 3), 3)
    plan = latency.plan(requests, count=6, warm_up=3, concurrency=2)
    assert plan == LatencyPlan("closed", 3, 2, 6, 4, 3, plan.filled_documents)
    reranker.delay_s = 0.05

    async def measure() -> tuple[list[Sample], list[Sample]]:
        async with Client(rerank_at(reranker.url)) as client:
            return await latency.closed_loop(client, requests, plan)

    samples, warm_up = asyncio.run(measure())
    assert (len(samples), len(warm_up), len(reranker.seen)) == (6, 3, 9)
    assert reranker.most_in_flight == 2
    assert sorted(s.query_id for s in warm_up) == ["q1", "q2", "q3"]
    assert max(s.done_s for s in warm_up) <= min(s.planned_s for s in samples)
    for s in samples:
        assert s.planned_s <= s.sent_s <= (s.first_byte_s or 0) <= s.done_s
        assert 0.05 <= s.done_s - s.planned_s < 2
        assert (s.status, s.documents, s.tokens, s.error) == (200, 3, 21, None)


def test_a_busy_answer_is_an_error_here_not_a_retry(reranker: FakeReranker) -> None:
    """A shed request must not hide behind a retry: it is one failed sample, at once."""
    reranker.replies = [Reply(429, {"message": "queue is full"}, {"Retry-After": "30"})]
    sample = datasets.load(datasets.SAMPLE)
    requests = latency.workload(sample, candidates.freeze(sample, 3), 3)

    async def measure() -> tuple[list[Sample], list[Sample]]:
        async with Client(rerank_at(reranker.url)) as client:
            return await latency.closed_loop(client, requests, latency.plan(requests, 2, 0, 1))

    samples, _ = asyncio.run(measure())
    assert [s.error for s in samples] == ["status 429: queue is full", None]
