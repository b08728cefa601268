"""Results by index, as every dialect answers them under its own names: read strictly, put back into input order.

Every document must come back exactly once with a finite score: a ranking with a gap would be measured as if the
reranker had chosen it, and NaN has no place in an order. Where only the best were asked for, as a load test may, that
many must come, of documents that were sent and none twice.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from bench.errors import AnswerError

Shape = TypeVar("Shape")


@dataclass(frozen=True, slots=True)
class IndexedScore:
    """One result: the document's index in the request, and its score."""

    index: int
    score: float


@dataclass(frozen=True)
class ParsedAnswer:
    """What an answer holds. Only `results` is needed; the counts are None where the dialect has no field for them."""

    results: Sequence[IndexedScore]
    """In the order of the answer, as they came: neither whole nor checked."""
    tokens: int | None = None
    search_units: int | None = None
    """Cohere's unit of billing: a query with up to 100 documents of up to 500 tokens."""
    usd: float | None = None
    """What the server itself says that the request cost."""

    def scores(self, documents: int) -> list[float]:
        """One score a document, in the order in which they were sent; AnswerError unless each of them is there once."""
        by_index = _by_index(self.results, documents)
        absent = [index for index in range(documents) if index not in by_index]
        if absent:
            raise AnswerError(f"the answer lacks {len(absent)} of {documents} documents, first index {absent[0]}")
        return [by_index[index] for index in range(documents)]


def check_results(results: Sequence[IndexedScore], documents: int, expected: int, *, best_first: bool) -> None:
    """AnswerError unless `expected` of so many documents came back, each once, and in order where `best_first`."""
    if len(results) != expected:
        raise AnswerError(f"the answer has {len(results)} results, but {expected} were requested")
    _by_index(results, documents)
    if best_first and any(before.score < after.score for before, after in itertools.pairwise(results)):
        raise AnswerError("the results are not sorted by score")


def _by_index(results: Iterable[IndexedScore], documents: int) -> dict[int, float]:
    """Scores by index; AnswerError for an index that was not sent or that comes twice, and a score that is none."""
    scores: dict[int, float] = {}
    for result in results:
        index, score = result.index, result.score
        if not 0 <= index < documents:
            raise AnswerError(f"the answer contains the index {index}, but {documents} documents were sent")
        if index in scores:
            raise AnswerError(f"the answer contains the index {index} twice")
        if not math.isfinite(score):
            raise AnswerError(f"the answer contains the score {score} for index {index}, which is not finite")
        scores[index] = score
    return scores


class RelevanceResult(msgspec.Struct):
    """A result as Cohere, Jina, Infinity, vLLM, Voyage and others have it."""

    index: int
    relevance_score: float


class ScoreResult(msgspec.Struct):
    """A result as text-embeddings-inference, Mixedbread and vLLM's score route have it."""

    index: int
    score: float


class Usage(msgspec.Struct):
    """The token count that most bodies carry; `cost_usd` is this project's own."""

    total_tokens: int | None = None
    cost_usd: float | None = None


class ResultsResponse(msgspec.Struct):
    """The most common body: `results` by relevance, and perhaps `usage`."""

    results: list[RelevanceResult]
    usage: Usage | None = None


def decode(body: bytes, shape: type[Shape]) -> Shape:
    """The body as `shape`; AnswerError where it is not. NaN, infinity and null are no scores in JSON."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise AnswerError(f"the answer is not a rerank result: {error}") from error


def encode(fields: dict[str, Any]) -> bytes:
    """A JSON body of the fields that are not None."""
    return msgspec.json.encode({name: value for name, value in fields.items() if value is not None})


def by_relevance(results: Iterable[RelevanceResult]) -> list[IndexedScore]:
    """Results with `relevance_score`."""
    return [IndexedScore(result.index, result.relevance_score) for result in results]


def by_score(results: Iterable[ScoreResult]) -> list[IndexedScore]:
    """Results with `score`."""
    return [IndexedScore(result.index, result.score) for result in results]


def parse_results(body: bytes) -> ParsedAnswer:
    """Read the most common body."""
    answer = decode(body, ResultsResponse)
    usage = answer.usage or Usage()
    return ParsedAnswer(by_relevance(answer.results), tokens=usage.total_tokens, usd=usage.cost_usd)
