"""How requests are sent, against servers whose delays are known."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from bench.client.client import Client
from bench.contestants.contestant import rerank_at
from bench.latency import figures
from bench.latency.loops import closed_loop, open_loop
from bench.latency.observations import Observations
from bench.latency.summary import summarise
from bench.latency.workload import Request
from bench.records import Sample
from tests.support.fake_reranker import FakeReranker, Reply
from tests.support.known_server import StartKnownServer
from tests.support.observe import observe

STALL_AT, STALL_S = 40, 0.6


def _requests(delays_ms: Sequence[int]) -> list[Request]:
    return [Request(f"q{index}", str(delay), ["a", "b"]) for index, delay in enumerate(delays_ms)]


def _closed(url: str, requests: Sequence[Request], concurrency: int) -> list[Sample]:
    async def measure() -> list[Sample]:
        async with Client(rerank_at(url), connections=concurrency) as client:
            return await closed_loop(client, requests, concurrency)

    return asyncio.run(measure())


def _open(url: str, requests: Sequence[Request], offsets_s: Sequence[float]) -> list[Sample]:
    async def measure() -> list[Sample]:
        async with Client(rerank_at(url), connections=1000) as client:
            await closed_loop(client, requests[:1], 1)
            return await open_loop(client, requests, offsets_s)

    return asyncio.run(measure())


def _p(observed: Observations) -> dict[str, float]:
    whole = np.ones((1, len(observed.round)), dtype=np.int64)
    return {name: float(value[0]) for name, value in figures.headline(observed, whole).items()}


def test_open_loop_sees_a_stall_that_closed_loop_does_not(known_server: StartKnownServer) -> None:
    """The server stops for 0.6 s at request 40. Open: 24 requests planned meanwhile wait for its end, so P90 and
    P99 are at least what the schedule says. Closed: one request of 150 waits, and P99 is that of a quick server.
    """
    offsets_s = [number / 40 for number in range(100)]
    with known_server(STALL_AT + 1, STALL_S) as url:  # the open loop's warm-up is the first
        seen = observe([_open(url, _requests([2] * 100), offsets_s)])
    with known_server(STALL_AT, STALL_S) as url:
        blind = observe([_closed(url, _requests([2] * 150), 1)])
    over_s = offsets_s[STALL_AT - 1] + STALL_S
    waits_ms = [1000 * max(0.0, over_s - at) if index >= STALL_AT - 1 else 0 for index, at in enumerate(offsets_s)]
    expected = dict(zip(("P90", "P99"), np.percentile(waits_ms, [90, 99]), strict=True))
    assert expected["P99"] > 550
    for name, wait_ms in expected.items():
        assert wait_ms - 20 < _p(seen)[name] < wait_ms + 250
    assert blind.latency_ms.max() > 1000 * STALL_S
    assert _p(blind)["P99"] < 250


def test_percentiles_are_those_of_the_known_delays(known_server: StartKnownServer) -> None:
    """50 delays of 20 to 118 ms, 4 clients: every latency is its delay and little more."""
    delays_ms = [20 + 2 * ((17 * index) % 50) for index in range(50)]
    with known_server() as url:
        samples = _closed(url, _requests(delays_ms), 4)
    observed = observe([samples])
    extra_ms = observed.latency_ms - delays_ms
    assert extra_ms.min() >= 0
    assert np.median(extra_ms) < 50
    assert _p(observed)["P50"] == pytest.approx(float(np.percentile(delays_ms, 50)), abs=50)
    assert _p(observed)["P90"] == pytest.approx(float(np.percentile(delays_ms, 90)), abs=60)
    assert [sample.server_timing_ms.keys() for sample in samples] == [{"inference"}] * 50


def test_open_loop_sends_when_planned_whatever_the_answers_do(reranker: FakeReranker) -> None:
    """Ten requests in 0.1 s at a server that needs 0.4 s for each: all are in flight together, in the order planned."""
    reranker.delay_s = 0.4
    offsets_s = [number / 100 for number in range(10)]
    samples = _open(reranker.url, _requests([0] * 10), offsets_s)
    assert reranker.most_in_flight == 10
    planned = [sample.planned_s - samples[0].planned_s for sample in samples]
    assert planned == pytest.approx(offsets_s)
    for sample in samples:
        assert sample.planned_s <= sample.sent_s <= (sample.first_byte_s or 0) <= sample.done_s


def test_a_generator_that_cannot_keep_its_plan_refuses_percentiles(known_server: StartKnownServer) -> None:
    """150 requests planned within 2 ms: far over what one process can send, so there are no figures but a reason."""
    with known_server() as url:
        samples = _open(url, _requests([1] * 150), [number / 100_000 for number in range(150)])
    summary = summarise(observe([samples]))
    assert summary.refused is not None
    assert "sent too late" in summary.refused
    assert summary.p50_ms is summary.p99_ms is summary.mean_ms is summary.documents_per_s is None
    assert summary.lateness.p99_ms > 10
    assert summary.errors == 0


def test_closed_loop_keeps_every_sample_in_the_order_of_the_requests(reranker: FakeReranker) -> None:
    """No more requests are in flight than clients, and answers that overtake each other are put in order."""
    reranker.delay_s = 0.05
    samples = _closed(reranker.url, _requests([0] * 6), 2)
    assert reranker.most_in_flight == 2
    assert [sample.query_id for sample in samples] == [f"q{index}" for index in range(6)]
    for sample in samples:
        assert 0.05 <= sample.done_s - sample.planned_s < 2
        assert (sample.status, sample.documents, sample.tokens, sample.error) == (200, 2, 14, None)


def test_a_busy_answer_is_an_error_here_not_a_retry(reranker: FakeReranker) -> None:
    """A shed request must not hide behind a retry: it is one failed sample, at once."""
    reranker.replies = [Reply(429, {"message": "queue is full"}, {"Retry-After": "30"})]
    assert [s.error for s in _closed(reranker.url, _requests([0, 0]), 1)] == ["status 429: queue is full", None]
