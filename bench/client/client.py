"""The HTTP client: sends, times, retries and checks one rerank request at a time.

The caller (`bench.accuracy`, `bench.latency`) decides when to send, within the contestant's rate limit; the
contestant's dialect defines the bodies. `rerank` never raises for a bad answer: a failure is an Answer without scores
whose sample has the reason, and no sample contains the key. Proxy settings in the environment are ignored, so that a
loopback server is reached directly.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from types import TracebackType
from typing import Any

import httpx
from msgspec.structs import replace

from bench.client.replies import count, refusal, server_info, stage_times_ms, unreachable
from bench.client.retry import BUSY, RateLimiter, may_help, wait_s
from bench.client.waits import WaitAnnouncer
from bench.contestants.contestant import Contestant
from bench.errors import AnswerError, ServerError
from bench.records import Sample


@dataclass(frozen=True)
class Answer:
    """One request's outcome: scores in input order, or None with the reason in `sample.error`."""

    scores: list[float] | None
    sample: Sample


@dataclass(frozen=True)
class _HttpReply:
    status: int
    headers: httpx.Headers
    body: bytes
    first_byte_s: float


class Client:
    """A client of one contestant for any number of concurrent requests. Use with `async with`."""

    def __init__(
        self,
        contestant: Contestant,
        *,
        timeout_s: float = 120.0,
        connections: int = 16,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.contestant = contestant
        self.url = contestant.url
        authorization = {"Authorization": f"Bearer {contestant.key}"} if contestant.key else {}
        self._headers = {"Content-Type": "application/json", **authorization, **(headers or {})}
        self._rate_limiter = RateLimiter(contestant.per_minute)
        self._started = perf_counter()
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._waits = WaitAnnouncer(f"{contestant.name} at {contestant.url}")
        # The environment's proxies are ignored, but not its SSL_CERT_FILE, which names a private authority.
        self._http = httpx.AsyncClient(
            timeout=timeout_s, limits=limits, trust_env=False, verify=httpx.create_ssl_context()
        )

    async def __aenter__(self) -> "Client":
        """Return the client itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._http.aclose()

    def now_s(self) -> float:
        """Seconds since this client was made: the clock of all its samples."""
        return perf_counter() - self._started

    async def rerank(
        self, query_id: str, query: str, documents: list[str], *, retries: int = 0, planned_s: float | None = None
    ) -> Answer:
        """Send one request and return its outcome.

        The planned time is now unless `planned_s` is given. If the request was retried, the other times of the sample
        are those of the last attempt.
        """
        planned_s = self.now_s() if planned_s is None else planned_s
        body = self.contestant.dialect.request_body(query, documents, self.contestant.model)
        attempt = 1
        while True:
            await self._take_turn()
            sent_s = self.now_s()
            sample = Sample(query_id, len(documents), planned_s, sent_s, done_s=sent_s, attempts=attempt)
            reply = await self._post(body)
            sample = replace(sample, done_s=self.now_s())
            if attempt > retries or not may_help(reply.status if isinstance(reply, _HttpReply) else reply, attempt):
                return self._answer(reply, sample)
            headers = reply.headers if isinstance(reply, _HttpReply) else httpx.Headers()
            seconds = wait_s(headers, attempt)
            attempt += 1
            outcome = f"status {reply.status}" if isinstance(reply, _HttpReply) else _why(reply)
            self._waits.before_attempt(seconds, outcome, headers, attempt, retries + 1)
            await asyncio.sleep(seconds)

    async def info(self) -> dict[str, Any] | None:
        """Return the server's answer to GET /info; None if it has no such route."""
        try:
            return server_info(await self._http.get(f"{self.url}/info", headers=self._headers))
        except (httpx.HTTPError, httpx.InvalidURL):
            return None

    async def text(self, route: str) -> str:
        """Return the text at a route such as /metrics; raises httpx.HTTPError."""
        return (await self._http.get(self.url + route, headers=self._headers)).raise_for_status().text

    async def check(self) -> None:
        """Raise ServerError unless a reranker answers a small request."""
        small = ("check", "What is a panda?", ["A bear.", "A bicycle."])
        sample = (await self.rerank(*small)).sample
        if sample.status in BUSY:
            sample = (await self.rerank(*small, retries=5)).sample
        if sample.error is None:
            return
        if sample.status is None:
            raise ServerError(unreachable(self.url, sample.error))
        route = self.contestant.route
        raise ServerError(f"no usable reranker at {self.url}: POST {route} failed with {sample.error}")

    async def _take_turn(self) -> None:
        """Wait until the rate limit allows the next request."""
        seconds = self._rate_limiter.turn(self.now_s())
        if seconds:
            self._waits.before_turn(seconds, self.contestant.per_minute)
            await asyncio.sleep(seconds)

    async def _post(self, body: bytes) -> "_HttpReply | httpx.HTTPError | httpx.InvalidURL":
        url = self.url + self.contestant.route
        try:
            async with self._http.stream("POST", url, content=body, headers=self._headers) as response:
                first_byte_s = self.now_s()
                return _HttpReply(response.status_code, response.headers, await response.aread(), first_byte_s)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return error

    def _answer(self, reply: "_HttpReply | httpx.HTTPError | httpx.InvalidURL", sample: Sample) -> Answer:
        if not isinstance(reply, _HttpReply):
            return Answer(None, replace(sample, error=_why(reply)))
        dialect, headers = self.contestant.dialect, reply.headers
        stages_ms = stage_times_ms(headers, dialect.timing_headers)
        sample = replace(sample, status=reply.status, first_byte_s=reply.first_byte_s, server_timing_ms=stages_ms)
        if reply.status != httpx.codes.OK:
            return Answer(None, replace(sample, error=refusal(reply.status, reply.body, self.contestant.key)))
        try:
            parsed = dialect.parse(reply.body)
            scores = parsed.scores(sample.documents)
        except AnswerError as error:
            return Answer(None, replace(sample, error=str(error)))
        tokens = count(headers, dialect.tokens_header) if parsed.tokens is None else parsed.tokens
        return Answer(scores, replace(sample, tokens=tokens, search_units=parsed.search_units, usd=parsed.usd))


def _why(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"{type(error).__name__}: no answer in time; increase --timeout"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
