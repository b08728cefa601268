"""A dialect: what one kind of reranker is sent, how its answer is read, where its vendor serves it, what that costs.

Data and two pure functions; no transport. The measuring client and the load test speak by the same dialects: the one
asks for every document and wants scores, the other may ask for the `top_n` best and wants to know what is wrong with
the answer. Every dialect authorises by `Authorization: Bearer`, so a key needs only the name of its variable. A price
is what the vendor or a reseller published in the month beside it: absent where nobody did, never guessed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from bench.contestants.results import ParsedAnswer, check_results
from bench.errors import AnswerError


@dataclass(frozen=True)
class Price:
    """A published list price in US dollars, without free grants and volume rebates."""

    as_of: str
    """The month for which it was found published, `YYYY-MM`."""
    per_million_tokens: float | None = None
    per_search_unit: float | None = None

    def usd(self, tokens: int | None, search_units: int | None) -> float | None:
        """What that much costs; None where the unit that is billed was not told."""
        if self.per_million_tokens is not None and tokens is not None:
            return self.per_million_tokens * tokens / 1_000_000
        if self.per_search_unit is not None and search_units is not None:
            return self.per_search_unit * search_units
        return None


class RequestBody(Protocol):
    """Makes the JSON body of a request, which asks for none of the documents' texts back."""

    def __call__(
        self, query: str, documents: Sequence[str], model: str | None = None, top_n: int | None = None, /
    ) -> bytes:
        """The body: for all documents where `top_n` is None, and without a model's name where `model` is None."""


@dataclass(frozen=True)
class Dialect:
    """One wire dialect."""

    name: str
    route: str
    """Appended to the base URL, such as `/v1/rerank`."""
    request_body: RequestBody
    parse: Callable[[bytes], ParsedAnswer]
    """The body of an answer as its results, whole or not; AnswerError where it has another shape."""
    takes_top_n: bool = True
    """False where an answer always holds every document, so `top_n` is not sent."""
    best_first: bool = True
    """Whether results come in the order of their scores; False where they come in the order of the documents."""
    base_url: str | None = None
    """Where the vendor serves it; None for what one serves oneself."""
    key_variable: str | None = None
    """The environment variable of the vendor's key, sent to the host of `base_url` only."""
    default_model: str | None = None
    prices: Mapping[str, Price] = field(default_factory=lambda: MappingProxyType({}))
    """By model."""
    tokens_header: str | None = None
    """A response header that holds the token count, where the body does not."""
    timing_headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Response headers that hold milliseconds, to the stage's name, where there is no Server-Timing."""

    def problem(self, body: bytes, documents: int, top_n: int | None) -> str | None:
        """What is wrong with the answer to a request with so many documents, in one sentence; None where nothing is.

        Args:
            body: of an answer with status 200.
            documents: how many were sent.
            top_n: how many results were asked for; None for all.
        """
        expected = documents if top_n is None or not self.takes_top_n else min(top_n, documents)
        try:
            check_results(self.parse(body).results, documents, expected, best_first=self.best_first)
        except AnswerError as error:
            return str(error)
        return None
