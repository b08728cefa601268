"""ZeroEntropy: POST /v1/models/rerank; results by index, `total_tokens` beside them and not in `usage`.

Limits: 1,000 requests and 500,000 bytes a minute; past that it answers slowly first and with 429 then
(docs.zeroentropy.dev/api-reference), so its latency under load is not its latency.
"""

from collections.abc import Sequence
from types import MappingProxyType

import msgspec

from bench.contestants.dialect import Dialect, Price, Reply
from bench.contestants.results import Relevance, by_relevance, decode, encode


class _Answer(msgspec.Struct):
    results: list[Relevance]
    total_tokens: int | None = None


def request_body(query: str, documents: Sequence[str], model: str | None = None) -> bytes:
    """The JSON body."""
    return encode({"query": query, "documents": documents}, model)


def read_answer(body: bytes, documents: int) -> Reply:
    """Read the results."""
    answer = decode(body, _Answer)
    return Reply(by_relevance(answer.results, documents), tokens=answer.total_tokens)


_PRICE = Price("2025-12", per_million_tokens=0.025)
"""docs.zeroentropy.dev/models, for all of its rerankers."""

DIALECT = Dialect(
    "zeroentropy",
    "/v1/models/rerank",
    request_body,
    read_answer,
    base_url="https://api.zeroentropy.dev",
    key_variable="ZEROENTROPY_API_KEY",
    default_model="zerank-2",
    prices=MappingProxyType({"zerank-2": _PRICE, "zerank-1": _PRICE, "zerank-1-small": _PRICE}),
)
