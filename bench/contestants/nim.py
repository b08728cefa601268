"""NVIDIA NeMo Retriever NIM: POST /v1/ranking with `query.text` and `passages`; logits by index.

The hosted service has one endpoint per model; the default is one of them, others are given as the full URL, such as
`nim:MODEL@https://ai.api.nvidia.com/v1/retrieval/nvidia/…/reranking`. No price: it is billed by credits.
"""

from collections.abc import Sequence

import msgspec

from bench.contestants.dialect import Dialect
from bench.contestants.results import IndexedScore, ParsedAnswer, Usage, decode, encode


class _Ranking(msgspec.Struct):
    index: int
    logit: float


class _Response(msgspec.Struct):
    rankings: list[_Ranking]
    usage: Usage | None = None


def request_body(query: str, passages: Sequence[str], model: str | None = None, _top_n: int | None = None) -> bytes:
    """Return the JSON body; a long passage is truncated at its end."""
    texts = [{"text": passage} for passage in passages]
    return encode({"model": model, "query": {"text": query}, "passages": texts, "truncate": "END"})


def parse(body: bytes) -> ParsedAnswer:
    """Parse the logits, which sort like scores."""
    answer = decode(body, _Response)
    results = [IndexedScore(ranking.index, ranking.logit) for ranking in answer.rankings]
    return ParsedAnswer(results, tokens=answer.usage.total_tokens if answer.usage else None)


DIALECT = Dialect(
    "nim",
    "/v1/ranking",
    request_body,
    parse,
    takes_top_n=False,
    base_url="https://ai.api.nvidia.com/v1/retrieval/nvidia/llama-3_2-nv-rerankqa-1b-v2/reranking",
    key_variable="NVIDIA_API_KEY",
    default_model="nvidia/llama-3.2-nv-rerankqa-1b-v2",
)
