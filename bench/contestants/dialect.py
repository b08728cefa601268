"""A dialect: the request and the answer of one kind of reranker, its vendor's URL, and its prices.

Data and two pure functions; no transport. The measuring client and the load test share the dialects: the client
requests all documents and needs scores, the load test may request the `top_n` best and checks the answer. Every dialect
authenticates with `Authorization: Bearer`, so a key needs only the name of its variable. A price is what the
vendor or a reseller published in the given month; without a published price there is none.
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
    """The month in which it was published, `YYYY-MM`."""
    per_million_tokens: float | None = None
    per_search_unit: float | None = None

    def usd(self, tokens: int | None, search_units: int | None) -> float | None:
        """Return the cost; None if the billed unit is not known."""
        if self.per_million_tokens is not None and tokens is not None:
            return self.per_million_tokens * tokens / 1_000_000
        if self.per_search_unit is not None and search_units is not None:
            return self.per_search_unit * search_units
        return None


class RequestBody(Protocol):
    """Makes the JSON body of a request that asks for results without the documents' texts."""

    def __call__(
        self, query: str, documents: Sequence[str], model: str | None = None, top_n: int | None = None, /
    ) -> bytes:
        """Return the body; if `top_n` is None it requests all documents, if `model` is None it names no model."""


@dataclass(frozen=True)
class Dialect:
    """One wire dialect."""

    name: str
    route: str
    """Appended to the base URL, such as `/v1/rerank`."""
    request_body: RequestBody
    parse: Callable[[bytes], ParsedAnswer]
    """Parses the body of an answer into its results, complete or not; AnswerError if it has another shape."""
    takes_top_n: bool = True
    """False if an answer always contains every document, so that `top_n` is not sent."""
    best_first: bool = True
    """Whether results are sorted by score; False if they have the order of the documents."""
    base_url: str | None = None
    """The vendor's URL; None for self-hosted servers."""
    key_variable: str | None = None
    """The environment variable with the vendor's key, which is sent to the host of `base_url` only."""
    default_model: str | None = None
    prices: Mapping[str, Price] = field(default_factory=lambda: MappingProxyType({}))
    """By model."""
    tokens_header: str | None = None
    """A response header with the token count, if the body has none."""
    timing_headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Response header with milliseconds to stage name, for servers without Server-Timing."""

    def problem(self, body: bytes, documents: int, top_n: int | None) -> str | None:
        """Return what is wrong with an answer, in one sentence; None if it is valid.

        Args:
            body: the body of an answer with status 200.
            documents: the number of documents sent.
            top_n: the number of results requested; None for all.
        """
        expected = documents if top_n is None or not self.takes_top_n else min(top_n, documents)
        try:
            check_results(self.parse(body).results, documents, expected, best_first=self.best_first)
        except AnswerError as error:
            return str(error)
        return None
