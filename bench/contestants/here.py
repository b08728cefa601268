"""This project's own dialect: POST /v1/rerank with query and documents, results by index.

The union of Jina's, Cohere's and vLLM's shapes, so that other servers which speak it can be measured too. Every
document must come back exactly once: a ranking with a gap would be measured as if the reranker had chosen it.
"""

import math

import msgspec

from bench.errors import AnswerError

ROUTE = "/v1/rerank"


class _Result(msgspec.Struct):
    index: int
    relevance_score: float


class _Usage(msgspec.Struct):
    total_tokens: int | None = None


class _Answer(msgspec.Struct):
    results: list[_Result]
    usage: _Usage | None = None


def request_body(query: str, documents: list[str], model: str | None = None) -> bytes:
    """The JSON body; `model` is left out where None."""
    body = {"query": query, "documents": documents}
    return msgspec.json.encode(body if model is None else {"model": model, **body})


def read_answer(body: bytes, documents: int) -> tuple[list[float], int | None]:
    """Scores in input order, and the tokens counted where the server tells; AnswerError where it is not whole."""
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise AnswerError(f"the answer is no rerank result: {error}") from error
    scores = [math.nan] * documents
    for result in answer.results:
        if not 0 <= result.index < documents:
            raise AnswerError(f"the answer holds the index {result.index}, where {documents} documents were sent")
        if not math.isnan(scores[result.index]):
            raise AnswerError(f"the answer holds the index {result.index} twice")
        scores[result.index] = result.relevance_score
    absent = [index for index, score in enumerate(scores) if math.isnan(score)]
    if absent:
        raise AnswerError(f"the answer lacks {len(absent)} of {documents} documents, the first is index {absent[0]}")
    return scores, answer.usage.total_tokens if answer.usage else None
