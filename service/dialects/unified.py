"""`/v1/rerank`, and `/rerank` with `documents`: what Jina, Cohere v1, Infinity, vLLM and Xinference clients send.

Read as the union of their requests and answered with the union of their answers (`result.py`), so that one URL serves
them all.
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

    query: Annotated[str, Meta(description="What is searched for; not empty.", examples=["what is a panda?"])]
    documents: Annotated[
        list[Document],
        Meta(
            description="The documents, as strings or as objects with `text`, or with what `rank_fields` names; at "
            "least one.",
            examples=[["The giant panda is a bear of China.", {"text": "Panda bread is baked in Peru."}]],
        ),
    ]
    top_n: Annotated[int | None, Meta(description="How many results to return; all when absent, null or 0.")] = None
    return_documents: Annotated[bool | None, Meta(description="Give each result its document.")] = None
    raw_scores: Annotated[
        bool | None, Meta(description="Give logits rather than relevance scores between 0 and 1.")
    ] = None
    rank_fields: Annotated[
        list[str] | None,
        Meta(description="Fields of object documents to rank by, in this order, a line each; `text` when absent."),
    ] = None
    max_tokens_per_doc: Annotated[
        int | None, Meta(description="Tokens of a document that are read at most; as many as fit when absent.")
    ] = None
    max_chunks_per_doc: Annotated[
        int | None,
        Meta(
            description=(
                "A document that is longer than what the query leaves of the model's window is read in up to this many "
                "windows, and its score is that of the best one. 1, the default, cuts the document's end off (Cohere's "
                "own default is 10). Each window costs as much, and counts as much in `usage` and in the limit on "
                "documents, as a document of its length."
            )
        ),
    ] = None
    overlap_tokens: Annotated[
        int | None,
        Meta(
            description=(
                "Tokens that a window shares with the one before it; 0, the default, for none. More than half of what "
                "the query leaves of the model's window counts as that half."
            )
        ),
    ] = None
    priority: Annotated[
        int | None, Meta(description="Lower numbers go first where requests wait; 0, the highest, when absent.")
    ] = None
    model: Annotated[
        str | None, Meta(description="Echoed; this server has one model and refuses others if it is strict.")
    ] = None


def to_jobs(request: RerankRequest, max_documents: int) -> list[Job]:
    """Check a request and free it of its dialect; raise InvalidRequest."""
    check_count(request.documents, max_documents)
    job = Job(
        query=query_text(request.query),
        documents=document_texts(request.documents, request.rank_fields),
        top_n=top_n(request.top_n),
        raw_scores=bool(request.raw_scores),
        max_chunks_per_doc=at_least(1, "max_chunks_per_doc", request.max_chunks_per_doc, means="to cut the end off"),
        overlap_tokens=at_least(0, "overlap_tokens", request.overlap_tokens, means="for none"),
        max_tokens_per_doc=at_least(0, "max_tokens_per_doc", request.max_tokens_per_doc, means="for all") or None,
        priority=request.priority or 0,
        model=request.model,
    )
    return [job]


def to_response(request: RerankRequest, ranking: Ranking, model: str) -> RerankResponse:
    """Frame a ranking as the result object."""

    def document(index: int) -> dict[str, object]:
        return document_object(request.documents[index], request.rank_fields)

    return result_object(ranking, request.model or model, document if request.return_documents else None)


def error_body(error: RerankError) -> ErrorBody:
    """Frame an error so that every client of the object routes finds the message where it looks."""
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
