"""The client against a real local server: scores in input order, retries as asked, and failures that say why."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from bench.client import client
from bench.client.client import Answer, Client
from bench.client.replies import server_timing_ms
from bench.client.retry import asked_s, spread_s
from bench.contestants.contestant import rerank_at
from bench.errors import ServerError
from tests.support.fake_reranker import FakeReranker, Reply


def _rerank(
    url: str, documents: list[str], retries: int = 0, model: str | None = None, timeout_s: float = 120.0
) -> Answer:
    async def call() -> Answer:
        async with Client(rerank_at(url, model), timeout_s=timeout_s) as asking:
            return await asking.rerank("q1", "red apple", documents, retries=retries)

    return asyncio.run(call())


def _results(*indexes: int) -> Reply:
    return Reply(200, {"results": [{"index": index, "relevance_score": 0.5} for index in indexes]})


def test_scores_come_back_in_input_order(reranker: FakeReranker) -> None:
    """The server answers best first; the client gives the scores of the documents as they were sent."""
    answer = _rerank(reranker.url, ["green pear", "red apple", "red pear"])
    assert answer.scores == [0.0, 2.0, 1.0]
    assert answer.sample.error is None
    assert (answer.sample.status, answer.sample.tokens, answer.sample.attempts) == (200, 21, 1)
    assert answer.sample.server_timing_ms == {"tokenise": 1.2, "queue": 0.0, "inference": 300.1, "total": 302.0}


def test_model_is_sent_only_when_given(reranker: FakeReranker) -> None:
    """The body holds query and documents, and the model's name where there is one."""
    _rerank(reranker.url + "/", ["a"])
    _rerank(reranker.url, ["a"], model="m")
    assert reranker.seen == [
        {"query": "red apple", "documents": ["a"]},
        {"query": "red apple", "documents": ["a"], "model": "m"},
    ]


@pytest.mark.parametrize("status", [429, 503])
def test_busy_server_is_asked_again_after_retry_after(reranker: FakeReranker, status: int) -> None:
    """Two busy answers, then one that counts: three attempts, each after the second that was asked for."""
    busy = Reply(status, {"message": "busy"}, {"Retry-After": "0.2"})
    reranker.replies = [busy, busy]
    answer = _rerank(reranker.url, ["red"], retries=2)
    assert answer.scores == [1.0]
    assert answer.sample.attempts == 3
    gaps_s = [late - early for early, late in zip(reranker.seen_at_s, reranker.seen_at_s[1:], strict=False)]
    assert all(gap_s >= 0.2 for gap_s in gaps_s)
    assert answer.sample.sent_s - answer.sample.planned_s >= 0.4


def test_retry_after_may_be_a_date(reranker: FakeReranker) -> None:
    """An HTTP date is waited for; one in the past means at once."""
    past, soon = (datetime.now(UTC) + timedelta(seconds=seconds) for seconds in (-5, 2))
    assert asked_s({"Retry-After": format_datetime(past, usegmt=True)}, 1) == 0.0
    reranker.replies = [Reply(429, {}, {"Retry-After": format_datetime(soon, usegmt=True)})]
    assert _rerank(reranker.url, ["red"], retries=1).scores == [1.0]
    assert datetime.now(UTC) >= soon.replace(microsecond=0)


def test_a_wait_may_be_told_in_milliseconds(reranker: FakeReranker) -> None:
    """`retry-after-ms`, which some vendors send, is read first."""
    reranker.replies = [Reply(429, {}, {"retry-after-ms": "400", "Retry-After": "9"})]
    assert _rerank(reranker.url, ["red"], retries=1).scores == [1.0]
    assert 0.4 <= reranker.seen_at_s[1] - reranker.seen_at_s[0] < 3


def test_a_broken_server_is_asked_again_three_times(reranker: FakeReranker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other 5xx may pass, but more often stays: four attempts at most, however many retries there are."""
    monkeypatch.setattr(client, "wait_s", lambda *_: 0.0)
    reranker.replies = [Reply(500, {"message": "broken"}), Reply(502, b"<html>")]
    answer = _rerank(reranker.url, ["red"], retries=8)
    assert (answer.scores, answer.sample.attempts) == ([1.0], 3)
    reranker.replies = [Reply(500, {"message": "broken"})] * 9
    answer = _rerank(reranker.url, ["red"], retries=8)
    assert (answer.scores, answer.sample.attempts, answer.sample.error) == (None, 4, "status 500: broken")


def test_a_broken_connection_is_tried_again(reranker: FakeReranker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that hangs up before it answers, as one that restarts, is asked again; one that is late is not."""
    monkeypatch.setattr(client, "wait_s", lambda *_: 0.0)
    reranker.replies = [Reply(0, b"")]
    answer = _rerank(reranker.url, ["red"], retries=8)
    assert (answer.scores, answer.sample.attempts) == ([1.0], 2)
    reranker.delay_s = 0.3
    assert _rerank(reranker.url, ["red"], retries=8, timeout_s=0.1).sample.attempts == 1


def test_what_the_client_did_wrong_is_not_asked_again(reranker: FakeReranker) -> None:
    """A 4xx other than 429 would fail again."""
    reranker.replies = [Reply(401, {"message": "no"}), Reply(422, {"message": "no"})]
    assert [_rerank(reranker.url, ["red"], retries=8).sample.attempts for _ in range(2)] == [1, 1]


def test_a_rate_limit_spaces_requests_evenly(reranker: FakeReranker) -> None:
    """Five requests at once at 1,200 a minute leave 50 ms apart; their planned time stays when they were asked for."""

    async def call() -> list[Answer]:
        async with Client(replace(rerank_at(reranker.url), per_minute=1200)) as limited:
            return await asyncio.gather(*(limited.rerank("q", "red", ["red"]) for _ in range(5)))

    samples = sorted((answer.sample for answer in asyncio.run(call())), key=lambda sample: sample.sent_s)
    assert [sample.sent_s >= 0.05 * place for place, sample in enumerate(samples)] == [True] * 5
    assert max(sample.planned_s for sample in samples) < samples[-1].sent_s


def test_retries_end(reranker: FakeReranker) -> None:
    """A server that stays busy is a failure with its status, after so many attempts as were allowed."""
    reranker.replies = [Reply(429, {"message": "queue is full"}, {"Retry-After": "0"})] * 5
    answer = _rerank(reranker.url, ["red"], retries=1)
    assert answer.scores is None
    assert (answer.sample.status, answer.sample.attempts) == (429, 2)
    assert answer.sample.error == "status 429: queue is full"


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(400, {"error": {"message": "x"}, "message": "model\nfailed"}), "status 400: model failed"),
        (Reply(422, {"error": "batch size 33"}), "status 422: batch size 33"),
        (Reply(404, b"<html>bad gateway</html>"), "status 404: <html>bad gateway</html>"),
        (Reply(403, b""), "status 403: (no text)"),
        (Reply(200, b"{"), "the answer is not a rerank result: Input data was truncated"),
        (Reply(200, [{"index": 0, "score": 1.0}]), "the answer is not a rerank result: Expected `object`, got `array`"),
        (_results(0, 1), "the answer lacks 1 of 3 documents, first index 2"),
        (_results(0, 1, 1), "the answer contains the index 1 twice"),
        (_results(0, 1, 3), "the answer contains the index 3, but 3 documents were sent"),
        (_results(0, 1, -1), "the answer contains the index -1, but 3 documents were sent"),
    ],
)
def test_bad_answer_is_a_failure_with_a_reason(reranker: FakeReranker, reply: Reply, error: str) -> None:
    """No exception and no ranking: the sample says what was wrong, and nothing is sent twice."""
    reranker.replies = [reply]
    answer = _rerank(reranker.url, ["a", "b", "c"], retries=3)
    assert answer.scores is None
    assert answer.sample.error is not None
    assert answer.sample.error.startswith(error)
    assert len(reranker.seen) == 1


def test_no_server_and_late_server_are_failures_without_status(reranker: FakeReranker, no_one_there: str) -> None:
    """A refused connection and an answer after the timeout both say so."""
    refused = _rerank(no_one_there, ["a"]).sample
    reranker.delay_s = 0.5
    late = _rerank(reranker.url, ["a"], timeout_s=0.1).sample
    assert (refused.status, late.status) == (None, None)
    assert refused.error is not None
    assert refused.error.startswith("ConnectError")
    assert late.error == "ReadTimeout: no answer in time; increase --timeout"


def test_proxy_of_the_environment_is_not_used(reranker: FakeReranker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that leads nowhere does not stand between the bench and a loopback server."""
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert _rerank(reranker.url, ["red"]).scores == [1.0]


@pytest.mark.parametrize(
    ("header", "stages"),
    [
        ("", {}),
        ('db;desc="x y";dur=53.2, app;dur=47', {"db": 53.2, "app": 47.0}),
        ("cache, total; dur=1.5", {"total": 1.5}),
        ('a;dur="2.5", b;dur=slow', {"a": 2.5}),
    ],
)
def test_server_timing_is_read_leniently(header: str, stages: dict[str, float]) -> None:
    """Names and durations are taken where they can be read; the rest is passed over."""
    assert server_timing_ms(header) == stages


def test_check_tells_no_server_from_a_wrong_one(reranker: FakeReranker, no_one_there: str) -> None:
    """Nothing listening, no URL at all and a server that is no reranker each get their own sentence."""

    def check(url: str) -> str:
        async def call() -> None:
            async with Client(rerank_at(url)) as asking:
                await asking.check()

        with pytest.raises(ServerError) as caught:
            asyncio.run(call())
        return str(caught.value)

    assert f"no server answers at {no_one_there}" in check(no_one_there)
    assert "no server answers at localhost:1" in check("localhost:1")
    assert "/elsewhere: POST /v1/rerank failed with status 404" in check(reranker.url + "/elsewhere")
    encrypted = reranker.url.replace("http://", "https://")
    assert f"the server at {encrypted} does not encrypt its connections" in check(encrypted)


def test_a_wait_is_what_was_asked_for_or_up_to_half_more_and_grows() -> None:
    """Clients refused together come back apart, and one that is refused again and again comes back less often."""
    for told_s, attempt, least_s in ((0.0, 1, 0.25), (0.2, 1, 0.25), (7.0, 1, 7.0), (0.0, 4, 2.0), (7.0, 8, 32.0)):
        waits_s = [spread_s(told_s, attempt) for _ in range(200)]
        assert least_s <= min(waits_s) < 1.1 * least_s
        assert 1.4 * least_s < max(waits_s) <= 1.5 * least_s
