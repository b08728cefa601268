"""`/score` and `/v1/score` as vLLM has them: pairs of texts in, a score for each out, in the order of the request.

One text against many, or as many against as many. `queries` and `documents` are other names for `text_1` and `text_2`.
vLLM's own rerank routes are among those that `unified.py` speaks.
"""

import itertools
import time
import uuid
from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from service.dialects.dialect import Dialect
from service.dialects.fields import check_count, query_text
from service.dialects.result import ErrorDetail, TokenUsage, error_detail, token_usage
from service.dialects.statuses import bad_request
from service.errors import InvalidRequest, RerankError
from service.job import Job, Ranking

Texts = str | list[str] | None


class ScoreRequest(msgspec.Struct, kw_only=True):
    """Two texts to score as a pair, or a text and a list, or two lists of one length."""

    text_1: Annotated[Texts, Meta(description="A query, or one for each text of `text_2`.")] = None
    text_2: Annotated[Texts, Meta(description="A document, or several.")] = None
    queries: Annotated[Texts, Meta(description="Another name for `text_1`.")] = None
    documents: Annotated[Texts, Meta(description="Another name for `text_2`.")] = None
    model: Annotated[str | None, Meta(description="Echoed, as on `/v1/rerank`.")] = None
    priority: Annotated[
        int | None, Meta(description="Lower numbers go first where requests wait; 0, the highest, when absent.")
    ] = None
    use_activation: Annotated[bool | None, Meta(description="false gives logits rather than scores.")] = None


class Score(msgspec.Struct, kw_only=True):
    """One pair's score."""

    index: int
    object: str
    score: float


class ScoreResponse(msgspec.Struct, kw_only=True):
    """A score for each pair, in the request's order."""

    id: str
    object: str
    created: int
    model: str
    data: list[Score]
    usage: TokenUsage


class VllmError(msgspec.Struct, kw_only=True):
    """vLLM's error body."""

    error: ErrorDetail


def to_jobs(request: ScoreRequest, max_pairs: int) -> list[Job]:
    """Check a request and make a job of each run of pairs with one query; raise InvalidRequest.

    The pairs are counted before anything is made of them: each may be a job of its own.
    """
    query_field, queries = _texts(("text_1", request.text_1), ("queries", request.queries))
    document_field, documents = _texts(("text_2", request.text_2), ("documents", request.documents))
    check_count(documents, max_pairs, document_field)
    check_count(queries, max_pairs, query_field)
    if len(queries) not in {1, len(documents)}:
        raise InvalidRequest(
            f"{query_field}: {len(queries)} texts cannot be paired with the {len(documents)} of {document_field}: "
            "send one, or as many",
            param=query_field,
        )
    if len(queries) == 1:
        queries = [*queries] * len(documents)
    return [
        Job(
            query=query_text(query, query_field),
            documents=[document for _, document in pairs],
            raw_scores=request.use_activation is False,
            priority=request.priority or 0,
            model=request.model,
        )
        for query, pairs in itertools.groupby(zip(queries, documents, strict=True), key=lambda pair: pair[0])
    ]


def _texts(*fields: tuple[str, Texts]) -> tuple[str, Sequence[str]]:
    """Take the first field that the request has: its name, and its texts as a list."""
    for name, texts in fields:
        if texts is not None:
            return name, [texts] if isinstance(texts, str) else texts
    name = fields[0][0]
    raise InvalidRequest(f"{name}: is missing: send a text or a list of texts", param=name)


def to_response(request: ScoreRequest, ranking: Ranking, model: str) -> ScoreResponse:
    """Frame the scores as vLLM does."""
    return ScoreResponse(
        id=f"score-{uuid.uuid4().hex}",
        object="list",
        created=int(time.time()),
        model=request.model or model,
        data=[Score(index=ranked.index, object="score", score=ranked.score) for ranked in ranking.results],
        usage=token_usage(ranking.usage),
    )


def error_body(error: RerankError) -> VllmError:
    """Frame an error as vLLM does."""
    return VllmError(error=error_detail(error, bad_request(error)))


VLLM = Dialect(
    name="score",
    summary="Score pairs: vLLM",
    description="Score one text against many, or as many against as many, in their order.",
    paths=("/v1/score", "/score"),
    request=ScoreRequest,
    response=ScoreResponse,
    to_jobs=to_jobs,
    to_response=to_response,
    ranks=False,
    status=bad_request,
    error_body=error_body,
    example=ScoreRequest(
        text_1="what do giant pandas eat?",
        text_2=["A panda car was built in Italy.", "The giant panda eats almost nothing but bamboo."],
    ),
)
