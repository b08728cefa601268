"""Cohere's `/v2/rerank`: documents are strings and are not returned; invalid requests get 400 with a `message`.

Cohere's v1 is one of the dialects in `unified.py`.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from service.dialects.dialect import Dialect
from service.dialects.fields import Document, at_least, check_count, document_texts, query_text, top_n
from service.dialects.result import RerankResponse, result_object
from service.dialects.statuses import bad_request
from service.errors import RerankError
from service.job import Job, Ranking


class CohereRerankRequest(msgspec.Struct, kw_only=True):
    """A query and the documents to order by their relevance to it."""

    query: Annotated[str, Meta(description="The query; must not be empty.")]
    documents: Annotated[
        list[Document], Meta(description="The documents: strings, or objects with `text`; at least one.")
    ]
    model: Annotated[str | None, Meta(description="Model name; echoed, as on `/v1/rerank`.")] = None
    top_n: Annotated[int | None, Meta(description="Number of results to return; all when absent, null or 0.")] = None
    priority: Annotated[
        int | None,
        Meta(description="Priority in the queue; lower numbers are served first. 0, the highest, when absent."),
    ] = None
    max_tokens_per_doc: Annotated[
        int | None, Meta(description="Maximum number of tokens to use per document; as many as fit when absent.")
    ] = None


class CohereError(msgspec.Struct, kw_only=True):
    """Cohere's error body."""

    message: str


def to_jobs(request: CohereRerankRequest, max_documents: int) -> list[Job]:
    """Validate a request and convert it to a job; raise InvalidRequest."""
    check_count(request.documents, max_documents)
    job = Job(
        query=query_text(request.query),
        documents=document_texts(request.documents, None),
        top_n=top_n(request.top_n),
        max_tokens_per_doc=at_least(0, "max_tokens_per_doc", request.max_tokens_per_doc, means="for all") or None,
        priority=request.priority or 0,
        model=request.model,
    )
    return [job]


def to_response(request: CohereRerankRequest, ranking: Ranking, model: str) -> RerankResponse:
    """Format a ranking as the result object, without documents."""
    return result_object(ranking, request.model or model)


def error_body(error: RerankError) -> CohereError:
    """Format an error as Cohere does."""
    return CohereError(message=f"invalid request: {error.message}" if bad_request(error) == 400 else error.message)


COHERE = Dialect(
    name="cohere_rerank",
    summary="Rerank: Cohere v2",
    description="Order documents by their relevance to a query, best first.",
    paths=("/v2/rerank",),
    request=CohereRerankRequest,
    response=RerankResponse,
    to_jobs=to_jobs,
    to_response=to_response,
    status=bad_request,
    error_body=error_body,
    example=CohereRerankRequest(
        model="rerank-v3.5",
        query="what do giant pandas eat?",
        documents=["A panda car was built in Italy.", "The giant panda eats almost nothing but bamboo."],
        top_n=1,
    ),
)
