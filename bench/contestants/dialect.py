"""A dialect: what one kind of reranker is sent, how its answer is read, where its vendor serves it, what that costs.

Data and two pure functions; no transport. Every dialect authorises by `Authorization: Bearer`, so a key needs only the
name of its variable. A price is what the vendor or a reseller published in the month beside it: absent where nobody
did, never guessed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True)
class Reply:
    """What an answer told. Only `scores` is needed; the counts are None where the dialect has no place for them."""

    scores: list[float]
    """One a document, in the order in which they were sent; finite."""
    tokens: int | None = None
    search_units: int | None = None
    """Cohere's unit of billing: a query with up to 100 documents of up to 500 tokens."""
    usd: float | None = None
    """What the server itself says that the request cost."""


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


RequestBody = Callable[[str, Sequence[str], str | None], bytes]
ReadAnswer = Callable[[bytes, int], Reply]


@dataclass(frozen=True)
class Dialect:
    """One wire dialect."""

    name: str
    route: str
    """Appended to the base URL, such as `/v1/rerank`."""
    request_body: RequestBody
    """(query, documents, model or None) → JSON body. It asks for all documents and for none of their texts back."""
    read_answer: ReadAnswer
    """(body, number of documents) → Reply; AnswerError where the answer is not whole."""
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
