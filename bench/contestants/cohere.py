"""Cohere: POST /v2/rerank; billed in search units, which the answer reports.

The answer has `meta.tokens` on some deployments only. Errors are `{"message"}`; 429 past 10 requests a minute
with a trial key and 1,000 with a production key (docs.cohere.com/docs/rate-limits).
"""

from collections.abc import Sequence
from types import MappingProxyType

import msgspec

from bench.contestants.dialect import Dialect, Price
from bench.contestants.results import ParsedAnswer, RelevanceResult, by_relevance, decode, encode


class _Billed(msgspec.Struct):
    search_units: float | None = None


class _Tokens(msgspec.Struct):
    input_tokens: float | None = None


class _Meta(msgspec.Struct):
    billed_units: _Billed | None = None
    tokens: _Tokens | None = None


class _Response(msgspec.Struct):
    results: list[RelevanceResult]
    meta: _Meta | None = None


def request_body(query: str, documents: Sequence[str], model: str | None = None, top_n: int | None = None) -> bytes:
    """Return the JSON body, which always sets `top_n`."""
    return encode({"model": model, "query": query, "documents": documents, "top_n": top_n or len(documents)})


def parse(body: bytes) -> ParsedAnswer:
    """Parse the results and the billed units."""
    answer = decode(body, _Response)
    meta = answer.meta or _Meta()
    tokens = meta.tokens.input_tokens if meta.tokens else None
    units = meta.billed_units.search_units if meta.billed_units else None
    return ParsedAnswer(
        by_relevance(answer.results),
        tokens=None if tokens is None else int(tokens),
        search_units=None if units is None else int(units),
    )


DIALECT = Dialect(
    "cohere",
    "/v2/rerank",
    request_body,
    parse,
    base_url="https://api.cohere.com",
    key_variable="COHERE_API_KEY",
    default_model="rerank-v3.5",
    prices=MappingProxyType(
        {
            # docs.pinecone.io/models/cohere-rerank-3.5: $2.00 for 1,000 requests; openrouter.ai/cohere: a search.
            "rerank-v3.5": Price("2026-04", per_search_unit=0.002),
            "rerank-v4.0-fast": Price("2025-12", per_search_unit=0.002),
            "rerank-v4.0-pro": Price("2026-04", per_search_unit=0.0025),
        }
    ),
)
