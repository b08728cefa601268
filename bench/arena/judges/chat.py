"""Sends one question to an OpenAI-compatible chat endpoint, retries it, reads the answer and charges every request.

Owns POST <base>/chat/completions and its errors. 408, 429, 5xx and lost connections are retried with growing waits that
honour `Retry-After`; a timeout is not retried, since the answer may be billed. An endpoint that stays down raises
EndpointAway, one that refuses every request (a wrong key, an unknown model) raises ServerError, and one that refuses
only this question gives a ChatReply without content. The key is sent and never stored.
"""

import asyncio
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from bench.arena.judges.budget import Bill, Charge
from bench.client.retry import may_help, wait_s
from bench.client.waits import WaitAnnouncer
from bench.errors import BenchError, ServerError
from bench.settings import Settings
from bench.wording import counted

ROUTE = "/chat/completions"
AGAIN = (408, 429)
NEVER = (401, 403, 404, 405)
GATEWAY = (502, 504, 524)
"""Gateway errors: the model may have answered and charged for it. Other refusals are free."""
UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
MESSAGE_LENGTH = 200


def vendor_key(url: str, settings: Settings) -> str | None:
    """Return the key for an endpoint: JUDGE_API_KEY, or OPENAI_API_KEY for OpenAI's own host only."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BenchError(f"--judge-url {url!r} is not a valid URL; an example is https://host/v1")
    if parts.username or parts.password or parts.query:
        raise BenchError("--judge-url must not contain a key or a query string: set the key in JUDGE_API_KEY")
    own = settings.key("OPENAI_API_KEY") if (parts.scheme, parts.hostname) == ("https", "api.openai.com") else None
    return settings.key("JUDGE_API_KEY") or own


class EndpointAway(BenchError):
    """The endpoint did not answer after all retries."""


class ChatReply(msgspec.Struct, frozen=True):
    """The reply; its content is None if the question was refused."""

    content: str | None
    error: str | None = None


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message


class _Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int = 0


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None


class Chat:
    """A model behind a chat endpoint. Use with `async with`."""

    def __init__(self, url: str, key: str | None, *, timeout_s: float, retries: int, connections: int) -> None:
        """`url` is the base that ends before /chat/completions, such as https://host/v1."""
        self.url = url.rstrip("/").removesuffix(ROUTE) + ROUTE
        self._key = key
        self._retries = retries
        self._waits = WaitAnnouncer(f"the judge at {self.url}")
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._http = httpx.AsyncClient(timeout=timeout_s, limits=limits, headers=headers, trust_env=False)

    async def __aenter__(self) -> "Chat":
        """Return the chat itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def ask(self, body: dict[str, Any], bill: Bill) -> ChatReply:
        """Send `body` and read the first choice; BudgetEnds if the budget allows no request."""
        content = msgspec.json.encode(body)
        attempt = 1
        while True:
            with bill.request() as charge:
                outcome = await self._post(content, charge)
                if (
                    isinstance(outcome, httpx.Response)
                    and outcome.status_code not in AGAIN
                    and outcome.status_code < 500
                ):
                    return self._read(outcome, charge)
            if attempt > self._retries or (isinstance(outcome, httpx.HTTPError) and not may_help(outcome, attempt)):
                times = counted(attempt, "attempt")
                raise EndpointAway(f"the judge at {self.url} did not answer after {times}: {self._reason(outcome)}")
            response_headers = outcome.headers if isinstance(outcome, httpx.Response) else httpx.Headers()
            seconds = wait_s(response_headers, attempt)
            attempt += 1
            self._waits.before_attempt(seconds, self._reason(outcome), response_headers, attempt, self._retries + 1)
            await asyncio.sleep(seconds)

    async def _post(self, content: bytes, charge: Charge) -> httpx.Response | httpx.HTTPError:
        try:
            response = await self._http.post(self.url, content=content)
        except httpx.InvalidURL as error:
            charge.unsent()
            raise ServerError(f"{self.url!r} is not a valid URL: {error}") from error
        except httpx.HTTPError as error:
            if isinstance(error, UNSENT):
                charge.unsent()
            return error
        if not response.is_success and response.status_code not in GATEWAY:
            charge.refused()
        return response

    def _read(self, response: httpx.Response, charge: Charge) -> ChatReply:
        if response.status_code in NEVER:
            raise ServerError(f"the judge at {self.url} refused the request: {self._reason(response)}")
        if not response.is_success:
            return ChatReply(None, error=self._reason(response))
        try:
            completion = msgspec.json.decode(response.content, type=_Completion)
        except (msgspec.MsgspecError, UnicodeError) as error:
            return ChatReply("", error=f"the answer is not a chat completion: {error}")
        content = completion.choices[0].message.content if completion.choices else None
        if completion.usage:
            charge.answered(completion.usage.prompt_tokens, completion.usage.completion_tokens)
        return ChatReply(content or "")

    def _reason(self, outcome: httpx.Response | httpx.HTTPError) -> str:
        """Return status and message on one line, without the key, which some endpoints repeat."""
        if isinstance(outcome, httpx.HTTPError):
            return str(outcome) or type(outcome).__name__
        text = " ".join(outcome.text.split())
        text = text.replace(self._key, "(the key)") if self._key else text
        return f"status {outcome.status_code}: {text[:MESSAGE_LENGTH] or outcome.reason_phrase}"
