"""ZeroEntropy: POST /v1/models/rerank; results by index, `total_tokens` at the top level instead of `usage`.

Limits: 1,000 requests and 500,000 bytes per minute; beyond that it first answers slowly and then with 429
(docs.zeroentropy.dev/api-reference), so latencies measured above the limits are not representative.
"""

from collections.abc import Sequence
from types import MappingProxyType

import msgspec

from bench.contestants.dialect import Dialect, Price
from bench.contestants.results import ParsedAnswer, RelevanceResult, by_relevance, decode, encode


class _Response(msgspec.Struct):
    results: list[RelevanceResult]
    total_tokens: int | None = None


def request_body(query: str, documents: Sequence[str], model: str | None = None, top_n: int | None = None) -> bytes:
    """Return the JSON body."""
    return encode({"model": model, "query": query, "documents": documents, "top_n": top_n})


def parse(body: bytes) -> ParsedAnswer:
    """Parse the results."""
    answer = decode(body, _Response)
    return ParsedAnswer(by_relevance(answer.results), tokens=answer.total_tokens)


_PRICE = Price("2025-12", per_million_tokens=0.025)
"""docs.zeroentropy.dev/models, for all of its rerankers."""

DIALECT = Dialect(
    "zeroentropy",
    "/v1/models/rerank",
    request_body,
    parse,
    base_url="https://api.zeroentropy.dev",
    key_variable="ZEROENTROPY_API_KEY",
    default_model="zerank-2",
    prices=MappingProxyType({"zerank-2": _PRICE, "zerank-1": _PRICE, "zerank-1-small": _PRICE}),
)
