"""`/v1/rerank`, and `/rerank` with `documents`: what Jina, Cohere v1, Infinity, vLLM and Xinference clients send.

Accepts the union of their requests and answers with the union of their responses (`result.py`), so that one URL serves
all of them.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from service.dialects.dialect import Dialect
from service.dialects.fields import Document, at_least, check_count, document_object, document_texts, query_text, top_n
from service.dialects.result import ErrorBody, RerankResponse, error_detail, result_object
from service.errors import RerankError
from service.job import Job, Ranking


class RerankRequest(msgspec.Struct, kw_only=True):
    """A query and the documents to order by their relevance to it."""

    query: Annotated[str, Meta(description="The query; must not be empty.", examples=["what is a panda?"])]
    documents: Annotated[
        list[Document],
        Meta(
            description="The documents: strings, or objects with `text` or with the fields named in `rank_fields`; at "
            "least one.",
            examples=[["The giant panda is a bear of China.", {"text": "Panda bread is baked in Peru."}]],
        ),
    ]
    top_n: Annotated[int | None, Meta(description="Number of results to return; all when absent, null or 0.")] = None
    return_documents: Annotated[bool | None, Meta(description="Return the document with each result.")] = None
    raw_scores: Annotated[
        bool | None, Meta(description="Return logits instead of relevance scores between 0 and 1.")
    ] = None
    rank_fields: Annotated[
        list[str] | None,
        Meta(
            description="Fields of object documents to rank by, joined by newlines in this order; `text` when absent."
        ),
    ] = None
    max_tokens_per_doc: Annotated[
        int | None, Meta(description="Maximum number of tokens to use per document; as many as fit when absent.")
    ] = None
    max_chunks_per_doc: Annotated[
        int | None,
        Meta(
            description=(
                "Maximum number of chunks per document. A document that does not fit the model's context window beside "
                "the query is split into chunks, and its score is that of the best chunk. 1, the default, truncates "
                "the document (Cohere's default is 10). A chunk costs as much as a document of its length, in `usage` "
                "and towards the limit on documents."
            )
        ),
    ] = None
    overlap_tokens: Annotated[
        int | None,
        Meta(
            description=(
                "Number of tokens shared by neighbouring chunks; 0 by default. More than half a chunk counts as half."
            )
        ),
    ] = None
    priority: Annotated[
        int | None,
        Meta(description="Priority in the queue; lower numbers are served first. 0, the highest, when absent."),
    ] = None
    model: Annotated[
        str | None,
        Meta(description="Model name. It is echoed; with `strict_model`, the server rejects other models' names."),
    ] = None


def to_jobs(request: RerankRequest, max_documents: int) -> list[Job]:
    """Validate a request and convert it to a job; raise InvalidRequest."""
    check_count(request.documents, max_documents)
    job = Job(
        query=query_text(request.query),
        documents=document_texts(request.documents, request.rank_fields),
        top_n=top_n(request.top_n),
        raw_scores=bool(request.raw_scores),
        max_chunks_per_doc=at_least(1, "max_chunks_per_doc", request.max_chunks_per_doc, means="to truncate"),
        overlap_tokens=at_least(0, "overlap_tokens", request.overlap_tokens, means="for none"),
        max_tokens_per_doc=at_least(0, "max_tokens_per_doc", request.max_tokens_per_doc, means="for all") or None,
        priority=request.priority or 0,
        model=request.model,
    )
    return [job]


def to_response(request: RerankRequest, ranking: Ranking, model: str) -> RerankResponse:
    """Format a ranking as the result object."""

    def document(index: int) -> dict[str, object]:
        return document_object(request.documents[index], request.rank_fields)

    return result_object(ranking, request.model or model, document if request.return_documents else None)


def error_body(error: RerankError) -> ErrorBody:
    """Format an error so that each client finds the message in its own field."""
    return ErrorBody(error=error_detail(error, error.status), message=error.message, detail=error.message)


UNIFIED = Dialect(
    name="rerank",
    summary="Rerank: Jina, Cohere v1, Infinity, vLLM, Xinference",
    description="Order documents by their relevance to a query, best first.",
    paths=("/v1/rerank",),
    request=RerankRequest,
    response=RerankResponse,
    to_jobs=to_jobs,
    to_response=to_response,
    error_body=error_body,
    example=RerankRequest(
        query="what do giant pandas eat?",
        documents=["A panda car was built in Italy.", {"text": "The giant panda eats almost nothing but bamboo."}],
        top_n=1,
        return_documents=True,
    ),
)
