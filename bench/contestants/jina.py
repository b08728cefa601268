"""Jina: POST /v1/rerank; results by index, billed by the tokens in `usage`. Errors are `{"detail"}`.

Limits: 100 requests a minute with a free key, 500 with a paid one (jina.ai/api-dashboard/pricing).
"""

from collections.abc import Sequence
from types import MappingProxyType

from bench.contestants.dialect import Dialect, Price
from bench.contestants.results import encode, parse_results


def request_body(query: str, documents: Sequence[str], model: str | None = None, top_n: int | None = None) -> bytes:
    """Return the JSON body, which always sets `top_n`."""
    fields = {"query": query, "documents": documents, "top_n": top_n or len(documents), "return_documents": False}
    return encode({"model": model, **fields})


_PRICE = Price("2026-05", per_million_tokens=0.05)
"""jina-reranker-m0 at getmaxim.ai/bifrost; a Jina key has one token balance for all models."""

DIALECT = Dialect(
    "jina",
    "/v1/rerank",
    request_body,
    parse_results,
    base_url="https://api.jina.ai",
    key_variable="JINA_API_KEY",
    default_model="jina-reranker-v3",
    prices=MappingProxyType(
        {"jina-reranker-v3": _PRICE, "jina-reranker-m0": _PRICE, "jina-reranker-v2-base-multilingual": _PRICE}
    ),
)
