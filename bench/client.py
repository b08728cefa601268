"""The HTTP client: how one rerank request is sent, timed, retried and checked.

When to send is the caller's (`bench.run`, `bench.latency`); what the bodies mean is the contestant's. It promises
that `rerank` never raises for a bad answer: a failure is an Answer without scores whose sample says why. It waits out
429 and 503 for as long as `Retry-After` asks or somewhat longer, at most `retries` times. No proxy and no other
environment is honoured, so that a loopback server is reached directly.
"""

import asyncio
import contextlib
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import perf_counter
from types import TracebackType
from typing import Any

import httpx
from msgspec.structs import replace

from bench.contestants import here
from bench.errors import AnswerError, ServerError
from bench.records import Sample

BUSY = (429, 503)
LONGEST_WAIT_S = 60.0
MESSAGE_LENGTH = 200


@dataclass(frozen=True)
class Answer:
    """One request's outcome: scores in input order, or None where `sample.error` says why there are none."""

    scores: list[float] | None
    sample: Sample


@dataclass(frozen=True)
class _Reply:
    status: int
    headers: httpx.Headers
    body: bytes
    first_byte_s: float


class Client:
    """A reranker at a URL. Use with `async with`; one client serves any number of concurrent requests."""

    def __init__(
        self,
        url: str,
        *,
        model: str | None = None,
        timeout_s: float = 120.0,
        connections: int = 16,
        route: str = here.ROUTE,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.model = model
        self._route = route
        self._headers = {"Content-Type": "application/json", **(headers or {})}
        self._started = perf_counter()
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._http = httpx.AsyncClient(timeout=timeout_s, limits=limits, trust_env=False)

    async def __aenter__(self) -> "Client":
        """Give the client itself."""
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
        """Rerank once, planned for now unless told for when. Where it was retried, the sample's other times are the
        last attempt's.
        """
        planned_s = self.now_s() if planned_s is None else planned_s
        body = here.request_body(query, documents, self.model)
        attempt = 1
        while True:
            sent_s = self.now_s()
            sample = Sample(query_id, len(documents), planned_s, sent_s, done_s=sent_s, attempts=attempt)
            try:
                reply = await self._post(self._route, body)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                return Answer(None, replace(sample, done_s=self.now_s(), error=_why(error)))
            done_s = self.now_s()
            if reply.status not in BUSY or attempt > retries:
                return _read(reply, replace(sample, done_s=done_s))
            await asyncio.sleep(spread_s(_wait_s(reply.headers.get("Retry-After"), attempt), attempt))
            attempt += 1

    async def info(self) -> dict[str, Any] | None:
        """What the server tells of itself at GET /info; None where it has no such page."""
        try:
            answer = (await self._http.get(f"{self.url}/info")).json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            return None
        return answer if isinstance(answer, dict) else None

    async def text(self, route: str) -> str:
        """What stands at a route, such as /metrics; raises httpx.HTTPError."""
        return (await self._http.get(self.url + route, headers=self._headers)).raise_for_status().text

    async def check(self) -> None:
        """ServerError with one sentence unless a reranker answers a small request."""
        sample = (await self.rerank("check", "What is a panda?", ["A bear.", "A bicycle."], retries=5)).sample
        if sample.error is None:
            return
        if sample.status is None:
            raise ServerError(f"no server answers at {self.url} ({sample.error}); start one with `rerank serve`")
        raise ServerError(f"{self.url} is no usable reranker: POST {here.ROUTE} failed with {sample.error}")

    async def _post(self, route: str, body: bytes) -> _Reply:
        async with self._http.stream("POST", self.url + route, content=body, headers=self._headers) as response:
            first_byte_s = self.now_s()
            return _Reply(response.status_code, response.headers, await response.aread(), first_byte_s)


def _read(reply: _Reply, sample: Sample) -> Answer:
    timed = replace(
        sample,
        status=reply.status,
        first_byte_s=reply.first_byte_s,
        server_timing_ms=server_timing_ms(reply.headers.get("Server-Timing", "")),
    )
    if reply.status != httpx.codes.OK:
        return Answer(None, replace(timed, error=f"status {reply.status}: {_message(reply.body)}"))
    try:
        scores, tokens = here.read_answer(reply.body, sample.documents)
    except AnswerError as error:
        return Answer(None, replace(timed, error=str(error)))
    return Answer(scores, replace(timed, tokens=tokens))


def server_timing_ms(header: str) -> dict[str, float]:
    """Stage durations of a Server-Timing header (`name;dur=1.5, …`); stages without a readable one are left out."""
    stages: dict[str, float] = {}
    for stage in header.split(","):
        name, *parameters = (part.strip() for part in stage.split(";"))
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip().lower() == "dur" and value.strip(' "').replace(".", "", 1).isdecimal():
                stages[name] = float(value.strip(' "'))
    return stages


def spread_s(asked_s: float, attempt: int) -> float:
    """Seconds to wait when asked for `asked_s`: more with each attempt, and not the same for all.

    Clients that were refused together and came back together would be refused again.
    """
    grown_s = min(0.25 * 2.0 ** (attempt - 1), LONGEST_WAIT_S)
    return max(asked_s, grown_s) * random.uniform(1.0, 1.5)


def _wait_s(retry_after: str | None, attempt: int) -> float:
    """Seconds that Retry-After asks for (a number or an HTTP date); without one 0.5, 1, 2 … At most a minute."""
    wait_s = 0.5 * 2.0 ** (attempt - 1)
    if retry_after and retry_after.strip().replace(".", "", 1).isdecimal():
        wait_s = float(retry_after)
    elif retry_after:
        with contextlib.suppress(ValueError, TypeError):  # not a date, or one without a zone
            wait_s = (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds()
    return min(max(wait_s, 0.0), LONGEST_WAIT_S)


def _message(body: bytes) -> str:
    """The server's own words: `message`, `detail` or `error` of a JSON body, else its text, cut short."""
    text = body.decode(errors="replace").strip()
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    if isinstance(answer, dict):
        text = str(next((answer[key] for key in ("message", "detail", "error") if answer.get(key)), text))
    return " ".join(text.split())[:MESSAGE_LENGTH] or "(no text)"


def _why(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"{type(error).__name__}: no answer in time; --timeout gives it more"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
