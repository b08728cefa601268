"""Voyage: POST /v1/rerank; `data` instead of results, billed by the tokens in `usage`.

Errors are `{"detail"}`; 429 past 2,000 requests or 2 to 4 million tokens a minute (docs.voyageai.com/docs/rate-limits).
"""

from collections.abc import Sequence
from types import MappingProxyType

import msgspec

from bench.contestants.dialect import Dialect, Price
from bench.contestants.results import ParsedAnswer, RelevanceResult, Usage, by_relevance, decode, encode


class _Response(msgspec.Struct):
    data: list[RelevanceResult]
    usage: Usage | None = None


def request_body(query: str, documents: Sequence[str], model: str | None = None, top_n: int | None = None) -> bytes:
    """Return the JSON body; long documents are truncated, not refused."""
    return encode({"model": model, "query": query, "documents": documents, "top_k": top_n, "truncation": True})


def parse(body: bytes) -> ParsedAnswer:
    """Parse `data`."""
    answer = decode(body, _Response)
    return ParsedAnswer(by_relevance(answer.data), tokens=answer.usage.total_tokens if answer.usage else None)


# vercel.com/ai-gateway and getmaxim.ai/bifrost list the same.
_FULL = Price("2026-05", per_million_tokens=0.05)
_LITE = Price("2026-05", per_million_tokens=0.02)

DIALECT = Dialect(
    "voyage",
    "/v1/rerank",
    request_body,
    parse,
    base_url="https://api.voyageai.com",
    key_variable="VOYAGE_API_KEY",
    default_model="rerank-2.5",
    prices=MappingProxyType(
        {
            "rerank-3": _FULL,
            "rerank-3-lite": _LITE,
            "rerank-2.5": _FULL,
            "rerank-2.5-lite": _LITE,
            "rerank-2": _FULL,
            "rerank-2-lite": _LITE,
        }
    ),
)
