"""Results by index, which every dialect has under its own field names: parsed strictly and put back into input order.

Every document must come back exactly once with a finite score: a ranking with a gap would be measured as if the
reranker had chosen it, and NaN cannot be sorted. If only the best results were requested, as a load test may do, that
many must come back, each for a document that was sent and none twice.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from bench.errors import AnswerError
from bench.wording import are, counted

Shape = TypeVar("Shape")


@dataclass(frozen=True, slots=True)
class IndexedScore:
    """One result: the document's index in the request, and its score."""

    index: int
    score: float


@dataclass(frozen=True)
class ParsedAnswer:
    """The contents of an answer. Only `results` is required; counts are None if the dialect has no field for them."""

    results: Sequence[IndexedScore]
    """In the order of the answer, not checked yet."""
    tokens: int | None = None
    search_units: int | None = None
    """Cohere's billing unit: a query with up to 100 documents of up to 500 tokens."""
    usd: float | None = None
    """The cost of the request as reported by the server."""

    def scores(self, documents: int) -> list[float]:
        """Return one score per document in the order sent; AnswerError unless each document occurs exactly once."""
        by_index = _by_index(self.results, documents)
        absent = [index for index in range(documents) if index not in by_index]
        if absent:
            raise AnswerError(
                f"the answer lacks {len(absent)} of {counted(documents, 'document')}, first index {absent[0]}"
            )
        return [by_index[index] for index in range(documents)]


def check_results(results: Sequence[IndexedScore], documents: int, expected: int, *, best_first: bool) -> None:
    """Raise AnswerError unless `expected` results came back, each document once, and sorted if `best_first`."""
    if len(results) != expected:
        raise AnswerError(
            f"the answer has {counted(len(results), 'result')}, but {expected} {are(expected, 'were')} requested"
        )
    _by_index(results, documents)
    if best_first and any(before.score < after.score for before, after in itertools.pairwise(results)):
        raise AnswerError("the results are not sorted by score")


def _by_index(results: Iterable[IndexedScore], documents: int) -> dict[int, float]:
    """Return scores by index; AnswerError for an unknown or duplicate index, or a score that is not finite."""
    scores: dict[int, float] = {}
    for result in results:
        index, score = result.index, result.score
        if not 0 <= index < documents:
            raise AnswerError(
                f"the answer contains the index {index}, but {counted(documents, 'document')} "
                f"{are(documents, 'were')} sent"
            )
        if index in scores:
            raise AnswerError(f"the answer contains the index {index} twice")
        if not math.isfinite(score):
            raise AnswerError(f"the answer contains the score {score} for index {index}, which is not finite")
        scores[index] = score
    return scores


class RelevanceResult(msgspec.Struct):
    """A result of Cohere, Jina, Infinity, vLLM, Voyage and others."""

    index: int
    relevance_score: float


class ScoreResult(msgspec.Struct):
    """A result of text-embeddings-inference, Mixedbread and vLLM's score route."""

    index: int
    score: float


class Usage(msgspec.Struct):
    """The token count that most bodies carry; `cost_usd` is this project's own."""

    total_tokens: int | None = None
    cost_usd: float | None = None


class ResultsResponse(msgspec.Struct):
    """The most common body: `results` by relevance, and optionally `usage`."""

    results: list[RelevanceResult]
    usage: Usage | None = None


def decode(body: bytes, shape: type[Shape]) -> Shape:
    """Decode the body as `shape`; AnswerError if it does not match. NaN, infinity and null are not valid scores."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise AnswerError(f"the answer is not a rerank result: {error}") from error


def encode(fields: dict[str, Any]) -> bytes:
    """Encode the fields that are not None as a JSON body."""
    return msgspec.json.encode({name: value for name, value in fields.items() if value is not None})


def by_relevance(results: Iterable[RelevanceResult]) -> list[IndexedScore]:
    """Convert results with `relevance_score`."""
    return [IndexedScore(result.index, result.relevance_score) for result in results]


def by_score(results: Iterable[ScoreResult]) -> list[IndexedScore]:
    """Convert results with `score`."""
    return [IndexedScore(result.index, result.score) for result in results]


def parse_results(body: bytes) -> ParsedAnswer:
    """Parse the most common body."""
    answer = decode(body, ResultsResponse)
    usage = answer.usage or Usage()
    return ParsedAnswer(by_relevance(answer.results), tokens=usage.total_tokens, usd=usage.cost_usd)
