"""vLLM's `/score` and `/v1/score`: pairs of texts in, a score for each pair out, in the order of the request.

One text is paired with many, or two lists of the same length pairwise. `queries` and `documents` are other names for
`text_1` and `text_2`. vLLM's rerank routes are among the dialects in `unified.py`.
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
    """Two texts to score as a pair, a text and a list, or two lists of the same length."""

    text_1: Annotated[Texts, Meta(description="A query, or a list with one query per text of `text_2`.")] = None
    text_2: Annotated[Texts, Meta(description="A document, or a list of documents.")] = None
    queries: Annotated[Texts, Meta(description="Another name for `text_1`.")] = None
    documents: Annotated[Texts, Meta(description="Another name for `text_2`.")] = None
    model: Annotated[str | None, Meta(description="Model name; echoed, as on `/v1/rerank`.")] = None
    priority: Annotated[
        int | None,
        Meta(description="Priority in the queue; lower numbers are served first. 0, the highest, when absent."),
    ] = None
    use_activation: Annotated[
        bool | None, Meta(description="false returns logits instead of scores between 0 and 1.")
    ] = None


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
    """Validate a request and make one job of consecutive pairs with the same query; raise InvalidRequest.

    The pairs are counted first, since each may become a job of its own.
    """
    query_field, queries = _texts(("text_1", request.text_1), ("queries", request.queries))
    document_field, documents = _texts(("text_2", request.text_2), ("documents", request.documents))
    check_count(documents, max_pairs, document_field)
    check_count(queries, max_pairs, query_field)
    if len(queries) not in {1, len(documents)}:
        raise InvalidRequest(
            f"{query_field}: {len(queries)} texts cannot be paired with the {len(documents)} of {document_field}: "
            "send one text, or the same number",
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
    """Return the name of the first field that the request has, and its texts as a list."""
    for name, texts in fields:
        if texts is not None:
            return name, [texts] if isinstance(texts, str) else texts
    name = fields[0][0]
    raise InvalidRequest(f"{name}: is missing: send a text or a list of texts", param=name)


def to_response(request: ScoreRequest, ranking: Ranking, model: str) -> ScoreResponse:
    """Format the scores as vLLM does."""
    return ScoreResponse(
        id=f"score-{uuid.uuid4().hex}",
        object="list",
        created=int(time.time()),
        model=request.model or model,
        data=[Score(index=ranked.index, object="score", score=ranked.score) for ranked in ranking.results],
        usage=token_usage(ranking.usage),
    )


def error_body(error: RerankError) -> VllmError:
    """Format an error as vLLM does."""
    return VllmError(error=error_detail(error, bad_request(error)))


VLLM = Dialect(
    name="score",
    summary="Score pairs: vLLM",
    description="Score one text against many, or two lists of texts pairwise, in the order of the request.",
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
