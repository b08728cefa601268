"""Mixedbread: POST /v1/reranking with `input` and `top_k`; `data` by `score`, billed by the tokens in `usage`.

Errors are `{"detail"}`.
"""

from collections.abc import Sequence
from types import MappingProxyType

import msgspec

from bench.contestants.dialect import Dialect, Price
from bench.contestants.results import ParsedAnswer, ScoreResult, Usage, by_score, decode, encode


class _Response(msgspec.Struct):
    data: list[ScoreResult]
    usage: Usage | None = None


def request_body(query: str, documents: Sequence[str], model: str | None = None, top_n: int | None = None) -> bytes:
    """Return the JSON body; without `top_k` the server would return ten results."""
    fields = {"query": query, "input": documents, "top_k": top_n or len(documents), "return_input": False}
    return encode({"model": model, **fields})


def parse(body: bytes) -> ParsedAnswer:
    """Parse `data`."""
    answer = decode(body, _Response)
    return ParsedAnswer(by_score(answer.data), tokens=answer.usage.total_tokens if answer.usage else None)


_PRICE = Price("2025-06", per_million_tokens=0.15)
"""mixedbread.com/docs/models/reranking, for all of its rerankers."""

DIALECT = Dialect(
    "mixedbread",
    "/v1/reranking",
    request_body,
    parse,
    base_url="https://api.mixedbread.com",
    key_variable="MXBAI_API_KEY",
    default_model="mixedbread-ai/mxbai-rerank-large-v2",
    prices=MappingProxyType(
        {
            "mixedbread-ai/mxbai-rerank-large-v2": _PRICE,
            "mixedbread-ai/mxbai-rerank-base-v2": _PRICE,
            "mixedbread-ai/mxbai-rerank-large-v1": _PRICE,
        }
    ),
)
