"""Voyage's rerank API at `/voyage/v1/rerank` (base URL `http://HOST/voyage/v1`): `top_k`, `data`, string documents.

It has a route of its own, since Voyage's clients also use the path `/v1/rerank` but expect another response there.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from service.dialects.dialect import Dialect
from service.dialects.fields import check_count, document_texts, query_text, top_n
from service.dialects.statuses import bad_request
from service.errors import RerankError
from service.job import Job, Ranking


class VoyageRerankRequest(msgspec.Struct, kw_only=True):
    """A query and the documents to order by their relevance to it."""

    query: Annotated[str, Meta(description="The query; must not be empty.")]
    documents: Annotated[list[str], Meta(description="The documents; at least one.")]
    model: Annotated[str | None, Meta(description="Model name; echoed, as on `/v1/rerank`.")] = None
    top_k: Annotated[int | None, Meta(description="Number of results to return; all when absent, null or 0.")] = None
    return_documents: Annotated[bool | None, Meta(description="Return the document with each result.")] = None
    truncation: Annotated[
        bool | None, Meta(description="false rejects texts that exceed the model's context window.")
    ] = None


class VoyageResult(msgspec.Struct, kw_only=True):
    """One document in the ranking."""

    index: int
    relevance_score: float
    document: str | msgspec.UnsetType = msgspec.UNSET


class VoyageUsage(msgspec.Struct, kw_only=True):
    """Input tokens of the model."""

    total_tokens: int


class VoyageRerankResponse(msgspec.Struct, kw_only=True):
    """The documents, best first."""

    object: str
    data: list[VoyageResult]
    model: str
    usage: VoyageUsage


class VoyageError(msgspec.Struct, kw_only=True):
    """Voyage's error body."""

    detail: str


def to_jobs(request: VoyageRerankRequest, max_documents: int) -> list[Job]:
    """Validate a request and convert it to a job; raise InvalidRequest."""
    check_count(request.documents, max_documents)
    job = Job(
        query=query_text(request.query),
        documents=document_texts(request.documents, None),
        top_n=top_n(request.top_k, "top_k"),
        truncate=request.truncation is not False,
        model=request.model,
    )
    return [job]


def to_response(request: VoyageRerankRequest, ranking: Ranking, model: str) -> VoyageRerankResponse:
    """Format a ranking as Voyage does."""
    return VoyageRerankResponse(
        object="list",
        data=[
            VoyageResult(
                index=ranked.index,
                relevance_score=ranked.score,
                document=request.documents[ranked.index] if request.return_documents else msgspec.UNSET,
            )
            for ranked in ranking.results
        ],
        model=request.model or model,
        usage=VoyageUsage(total_tokens=ranking.usage.tokens),
    )


def error_body(error: RerankError) -> VoyageError:
    """Format an error as Voyage does."""
    return VoyageError(detail=error.message)


VOYAGE = Dialect(
    name="voyage_rerank",
    summary="Rerank: Voyage",
    description="Order documents by their relevance to a query, best first.",
    paths=("/voyage/v1/rerank",),
    request=VoyageRerankRequest,
    response=VoyageRerankResponse,
    to_jobs=to_jobs,
    to_response=to_response,
    status=bad_request,
    error_body=error_body,
    example=VoyageRerankRequest(
        model="rerank-2.5",
        query="what do giant pandas eat?",
        documents=["A panda car was built in Italy.", "The giant panda eats almost nothing but bamboo."],
        top_k=1,
        return_documents=True,
    ),
)
