"""`/infinity/rerank`: Infinity's exact format, in which a returned document is a plain string.

`/rerank` and `/v1/rerank` serve the clients of four servers, most of which expect an object with `text`; clients that
need Infinity's string use the base URL `http://HOST/infinity`.
"""

import time
import uuid
from typing import Annotated

import msgspec
from msgspec import Meta

from service.dialects.dialect import Dialect
from service.dialects.fields import check_count, document_texts, query_text, top_n
from service.dialects.result import ErrorDetail, TokenUsage, error_detail, token_usage
from service.errors import RerankError
from service.job import Job, Ranking


class InfinityRerankRequest(msgspec.Struct, kw_only=True):
    """A query and the documents to order by their relevance to it."""

    query: Annotated[str, Meta(description="The query; must not be empty.")]
    documents: Annotated[list[str], Meta(description="The documents; at least one.")]
    return_documents: Annotated[bool | None, Meta(description="Return the document with each result.")] = None
    raw_scores: Annotated[bool | None, Meta(description="Return logits instead of scores between 0 and 1.")] = None
    top_n: Annotated[int | None, Meta(description="Number of results to return; all when absent, null or 0.")] = None
    model: Annotated[str | None, Meta(description="Model name; echoed, as on `/v1/rerank`.")] = None


class InfinityResult(msgspec.Struct, kw_only=True):
    """One document in the ranking."""

    relevance_score: float
    index: int
    document: str | None


class InfinityRerankResponse(msgspec.Struct, kw_only=True):
    """The documents, best first."""

    object: str
    results: list[InfinityResult]
    model: str
    usage: TokenUsage
    id: str
    created: int


class InfinityError(msgspec.Struct, kw_only=True):
    """Infinity's error body."""

    error: ErrorDetail


def to_jobs(request: InfinityRerankRequest, max_documents: int) -> list[Job]:
    """Validate a request and convert it to a job; raise InvalidRequest."""
    check_count(request.documents, max_documents)
    job = Job(
        query=query_text(request.query),
        documents=document_texts(request.documents, None),
        top_n=top_n(request.top_n),
        raw_scores=bool(request.raw_scores),
        model=request.model,
    )
    return [job]


def to_response(request: InfinityRerankRequest, ranking: Ranking, model: str) -> InfinityRerankResponse:
    """Format a ranking as Infinity does."""
    return InfinityRerankResponse(
        object="rerank",
        results=[
            InfinityResult(
                relevance_score=ranked.score,
                index=ranked.index,
                document=request.documents[ranked.index] if request.return_documents else None,
            )
            for ranked in ranking.results
        ],
        model=request.model or model,
        usage=token_usage(ranking.usage),
        id=f"infinity-{uuid.uuid4()}",
        created=int(time.time()),
    )


def error_body(error: RerankError) -> InfinityError:
    """Format an error as Infinity does."""
    return InfinityError(error=error_detail(error, error.status))


INFINITY = Dialect(
    name="infinity_rerank",
    summary="Rerank: Infinity's exact format",
    description="Order documents by their relevance to a query, best first; a returned document is a plain string.",
    paths=("/infinity/rerank",),
    request=InfinityRerankRequest,
    response=InfinityRerankResponse,
    to_jobs=to_jobs,
    to_response=to_response,
    error_body=error_body,
    example=InfinityRerankRequest(
        query="what do giant pandas eat?",
        documents=["A panda car was built in Italy.", "The giant panda eats almost nothing but bamboo."],
        return_documents=True,
    ),
)
