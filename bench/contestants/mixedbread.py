"""Mixedbread: POST /v1/reranking with `input` and `top_k`; `data` by `score`, billed by the tokens that `usage` tells.

Errors are `{"detail"}`.
"""

from collections.abc import Sequence
from types import MappingProxyType

import msgspec

from bench.contestants.dialect import Dialect, Price, Reply
from bench.contestants.results import Score, Usage, by_score, decode, encode


class _Answer(msgspec.Struct):
    data: list[Score]
    usage: Usage | None = None


def request_body(query: str, documents: Sequence[str], model: str | None = None) -> bytes:
    """The JSON body; `top_k` asks for all."""
    return encode({"query": query, "input": documents, "top_k": len(documents), "return_input": False}, model)


def read_answer(body: bytes, documents: int) -> Reply:
    """Read the data."""
    answer = decode(body, _Answer)
    return Reply(by_score(answer.data, documents), tokens=answer.usage.total_tokens if answer.usage else None)


_PRICE = Price("2025-06", per_million_tokens=0.15)
"""mixedbread.com/docs/models/reranking, for all of its rerankers."""

DIALECT = Dialect(
    "mixedbread",
    "/v1/reranking",
    request_body,
    read_answer,
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
