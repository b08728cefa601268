"""Waits that are announced, and the headers that ask for them."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from bench.client.client import Client
from bench.client.retry import LONGEST_WAIT_S, asked_s, retry_after_s
from bench.client.waits import WaitAnnouncer
from bench.contestants.contestant import rerank_at
from tests.support.fake_reranker import FakeReranker, Reply


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "120"}, 120.0),
        ({"Retry-After": " 1.5 "}, 1.5),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "1e3"}, None),
        ({"Retry-After": "9" * 5000}, float("inf")),
        ({"retry-after-ms": "9" * 5000}, float("inf")),
        ({"retry-after-ms": "400", "Retry-After": "9"}, 0.4),
        ({"retry-after-ms": "none", "Retry-After": "9"}, 9.0),
        ({"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"Retry-After": "Mon, 1 Jan 99999 00:00:00 GMT"}, None),
        ({"Retry-After": "Mon, 01 Jan 2026 00:00:00 +99999999"}, None),
    ],
)
def test_a_request_to_wait_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    """A number, however large, or a date; anything else asks for nothing. The wait itself is a minute at most."""
    assert retry_after_s(headers) == seconds
    assert asked_s(headers, 2) == min(1.0 if seconds is None else seconds, LONGEST_WAIT_S)


def test_a_date_far_away_is_read() -> None:
    """In seconds from now."""
    hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    assert retry_after_s({"Retry-After": hour}) == pytest.approx(3600, abs=5)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of a moment instead of a minute."""
    sleep = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda _: sleep(0))


def _ask(url: str, retries: int, requests: int = 1, per_minute: int | None = None) -> None:
    async def call() -> None:
        async with Client(replace(rerank_at(url), per_minute=per_minute)) as asking:
            await asyncio.gather(*(asking.rerank("q1", "red apple", ["red"], retries=retries) for _ in range(requests)))

    asyncio.run(call())


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The client's own lines: the fake server in this process may write there as well."""
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("rerank at ")]


@pytest.mark.usefixtures("quick")
def test_a_far_retry_after_is_told_while_it_is_waited_for(
    reranker: FakeReranker, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who refused, for how long it asks to wait, and when it is asked again; nothing of a short wait."""
    reranker.replies = [Reply(429, {}, {"Retry-After": "3600"}), Reply(503, {}, {"Retry-After": "0"})]
    _ask(reranker.url, retries=8)
    (line,) = told(capsys)
    assert line.startswith(
        f"rerank at {reranker.url}: status 429 and asks to wait 3600 s; attempt 2 of at most 9 follows in "
    )
    assert 60 <= float(line.split()[-2]) <= 90


@pytest.mark.usefixtures("quick")
def test_requests_that_are_refused_together_are_told_once(
    reranker: FakeReranker, capsys: pytest.CaptureFixture[str]
) -> None:
    """Eight at once: the first line stands for the others, whose waits end within the same half minute."""
    reranker.replies = [Reply(429, {}, {"Retry-After": "10"})] * 8
    _ask(reranker.url, retries=8, requests=8)
    assert 1 <= len(told(capsys)) <= 2


@pytest.mark.usefixtures("quick")
def test_a_rate_limit_of_one_a_minute_is_told(reranker: FakeReranker, capsys: pytest.CaptureFixture[str]) -> None:
    """It is the user's own, and a minute of silence looks like a hang all the same."""
    _ask(reranker.url, retries=0, requests=2, per_minute=1)
    assert "limited to 1 a minute; the next request follows in" in capsys.readouterr().err


def test_a_later_and_longer_wait_is_told_again() -> None:
    """One line until the announced time is over, unless a request must wait well beyond it."""
    told: list[str] = []
    now = [0.0]
    waits = WaitAnnouncer("x", told.append, lambda: now[0])
    for wait_s in (4.9, 10.0, 12.0, 14.0):
        waits.before_attempt(wait_s, "status 429", {}, 2, 9)
    assert told == ["x: status 429; attempt 2 of at most 9 follows in 10 s"]
    waits.before_attempt(40.0, "status 429", {}, 3, 9)
    now[0] = 41.0
    waits.before_attempt(10.0, "ReadError", {}, 4, 9)
    assert [line.rpartition("in ")[2] for line in told] == ["10 s", "40 s", "10 s"]
