"""vLLM's score route: POST /v1/score with one text against many, `data` by `score` in the order of the request.

A dialect separate from `vllm.py`, because the form and the order of the answer differ. It always scores every text.
"""

from collections.abc import Sequence

import msgspec

from bench.contestants.dialect import Dialect
from bench.contestants.results import ParsedAnswer, ScoreResult, Usage, by_score, decode, encode


class _Response(msgspec.Struct):
    data: list[ScoreResult]
    usage: Usage | None = None


def request_body(query: str, documents: Sequence[str], model: str | None = None, _top_n: int | None = None) -> bytes:
    """Return the JSON body: the query is the first text of every pair."""
    return encode({"model": model, "text_1": query, "text_2": documents})


def parse(body: bytes) -> ParsedAnswer:
    """Parse `data`."""
    answer = decode(body, _Response)
    return ParsedAnswer(by_score(answer.data), tokens=answer.usage.total_tokens if answer.usage else None)


DIALECT = Dialect("vllm-score", "/v1/score", request_body, parse, takes_top_n=False, best_first=False)
