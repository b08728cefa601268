"""Results by index, as every dialect answers them under its own names: read strictly, put back into input order.

Every document must come back exactly once with a finite score: a ranking with a gap would be measured as if the
reranker had chosen it, and NaN has no place in an order.
"""

import math
from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from bench.contestants.dialect import Reply
from bench.errors import AnswerError

Shape = TypeVar("Shape")


class Relevance(msgspec.Struct):
    """A result as Cohere, Jina, Infinity, vLLM, Voyage and others have it."""

    index: int
    relevance_score: float


class Score(msgspec.Struct):
    """A result as text-embeddings-inference and Mixedbread have it."""

    index: int
    score: float


class Usage(msgspec.Struct):
    """The token count that most bodies carry; `cost_usd` is this project's own."""

    total_tokens: int | None = None
    cost_usd: float | None = None


class ResultsAnswer(msgspec.Struct):
    """The most common body: `results` by relevance, and perhaps `usage`."""

    results: list[Relevance]
    usage: Usage | None = None


def decode(body: bytes, shape: type[Shape]) -> Shape:
    """The body as `shape`; AnswerError where it is not. NaN, infinity and null are no scores in JSON."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise AnswerError(f"the answer is no rerank result: {error}") from error


def encode(body: dict[str, Any], model: str | None) -> bytes:
    """A JSON body; `model` is left out where None."""
    return msgspec.json.encode(body if model is None else {"model": model, **body})


def in_input_order(scored: Iterable[tuple[int, float]], documents: int) -> list[float]:
    """Scores by the documents' places in the request; AnswerError unless each of them is there once."""
    scores = [math.nan] * documents
    for index, score in scored:
        if not 0 <= index < documents:
            raise AnswerError(f"the answer holds the index {index}, where {documents} documents were sent")
        if not math.isnan(scores[index]):
            raise AnswerError(f"the answer holds the index {index} twice")
        scores[index] = score
    absent = [index for index, score in enumerate(scores) if math.isnan(score)]
    if absent:
        raise AnswerError(f"the answer lacks {len(absent)} of {documents} documents, the first is index {absent[0]}")
    return scores


def by_relevance(results: Iterable[Relevance], documents: int) -> list[float]:
    """Scores in input order of results with `relevance_score`."""
    return in_input_order(((result.index, result.relevance_score) for result in results), documents)


def by_score(results: Iterable[Score], documents: int) -> list[float]:
    """Scores in input order of results with `score`."""
    return in_input_order(((result.index, result.score) for result in results), documents)


def read_results(body: bytes, documents: int) -> Reply:
    """Read the most common body."""
    answer = decode(body, ResultsAnswer)
    usage = answer.usage or Usage()
    return Reply(by_relevance(answer.results, documents), tokens=usage.total_tokens, usd=usage.cost_usd)
