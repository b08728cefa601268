"""The one request and result object that Cohere, Jina, Infinity, vLLM and their frameworks' clients all understand.

Read as the union of what they send, answered with the union of what they read: `id`, `object`, `created`, `model`,
`results[index, relevance_score, document?]`, `usage`, `meta`. `document` is left out unless asked for, never null.
"""

import time
import uuid
from typing import Annotated

import msgspec
from msgspec import Meta

from service.errors import InvalidRequest, RerankError
from service.job import Job, Ranking

DOCUMENTS_PER_SEARCH_UNIT = 100
"""Cohere bills one search unit for a query with up to 100 documents."""


class TextDocument(msgspec.Struct):
    """A document given, or given back, as an object."""

    text: Annotated[str, Meta(description="The document's text.")]


class RerankRequest(msgspec.Struct, kw_only=True):
    """A query and the documents to order by their relevance to it."""

    query: Annotated[str, Meta(description="What is searched for; not empty.", examples=["what is a panda?"])]
    documents: Annotated[
        list[str | TextDocument],
        Meta(
            description="The documents, as strings or as objects with `text`; at least one.",
            examples=[["The giant panda is a bear of China.", {"text": "Panda bread is baked in Peru."}]],
        ),
    ]
    top_n: Annotated[int | None, Meta(description="How many results to return; all when absent, null or 0.")] = None
    return_documents: Annotated[bool | None, Meta(description="Give each result its document's text.")] = None
    raw_scores: Annotated[
        bool | None, Meta(description="Give logits rather than relevance scores between 0 and 1.")
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
    model: Annotated[str | None, Meta(description="Echoed; this server has one model.")] = None


class RerankResult(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One document's place in the ranking."""

    index: Annotated[int, Meta(ge=0, description="The document's place in the request.")]
    relevance_score: Annotated[float, Meta(description="Relevance between 0 and 1, or the logit with `raw_scores`.")]
    document: TextDocument | msgspec.UnsetType = msgspec.UNSET


class Usage(msgspec.Struct, kw_only=True):
    """Tokens that the model was given, special tokens included, summed over all pairs."""

    prompt_tokens: int
    total_tokens: int


class ApiVersion(msgspec.Struct, kw_only=True):
    """Cohere's name for this interface."""

    version: str = "2"
    is_experimental: bool = False


class BilledUnits(msgspec.Struct, kw_only=True):
    """What Cohere would have counted: a query with up to 100 documents is one search unit."""

    search_units: int


class ResultMeta(msgspec.Struct, kw_only=True):
    """Cohere's frame around the counts."""

    api_version: ApiVersion
    billed_units: BilledUnits


class RerankResponse(msgspec.Struct, kw_only=True):
    """The documents, best first."""

    id: str
    object: str
    created: Annotated[int, Meta(description="Seconds since 1970-01-01 UTC.")]
    model: str
    results: list[RerankResult]
    usage: Usage
    meta: ResultMeta


class ErrorDetail(msgspec.Struct, kw_only=True):
    """What went wrong, for programs."""

    message: str
    type: str
    param: str | None
    code: int


class ErrorBody(msgspec.Struct, kw_only=True):
    """One body in which every client finds its own field: OpenAI's `error`, Cohere's `message`, Jina's `detail`."""

    error: ErrorDetail
    message: str
    detail: str


def job(request: RerankRequest) -> Job:
    """Check a request and free it of its dialect; raise InvalidRequest."""
    if not request.query.strip():
        raise InvalidRequest("query: must not be empty", param="query")
    if not request.documents:
        raise InvalidRequest("documents: list of documents must not be empty", param="documents")
    return Job(
        query=request.query,
        documents=[entry if isinstance(entry, str) else entry.text for entry in request.documents],
        top_n=_at_least(0, "top_n", request.top_n, means="for all") or None,
        return_documents=bool(request.return_documents),
        raw_scores=bool(request.raw_scores),
        max_chunks_per_doc=_at_least(1, "max_chunks_per_doc", request.max_chunks_per_doc, means="to cut the end off"),
        overlap_tokens=_at_least(0, "overlap_tokens", request.overlap_tokens, means="for none"),
        model=request.model,
    )


def _at_least(least: int, field: str, value: int | None, *, means: str) -> int:
    """Check a number; null and absent are the least, which `means` puts in words."""
    if value is not None and value < least:
        raise InvalidRequest(f"{field}: must be {least} ({means}) or more, not {value}", param=field)
    return least if value is None else value


def answer(job: Job, ranking: Ranking, served_model: str) -> RerankResponse:
    """Frame a ranking as the result object."""

    def document(index: int) -> TextDocument | msgspec.UnsetType:
        return TextDocument(job.documents[index]) if job.return_documents else msgspec.UNSET

    units = -(-len(job.documents) // DOCUMENTS_PER_SEARCH_UNIT)
    return RerankResponse(
        id=str(uuid.uuid4()),
        object="rerank",
        created=int(time.time()),
        model=job.model or served_model,
        results=[
            RerankResult(index=place.index, relevance_score=place.score, document=document(place.index))
            for place in ranking.results
        ],
        usage=Usage(prompt_tokens=ranking.tokens, total_tokens=ranking.tokens),
        meta=ResultMeta(api_version=ApiVersion(), billed_units=BilledUnits(search_units=units)),
    )


def error_body(error: RerankError) -> ErrorBody:
    """Frame an error so that every client of the object routes finds the message where it looks."""
    return ErrorBody(
        error=ErrorDetail(message=error.message, type=error.type, param=error.param, code=error.status),
        message=error.message,
        detail=error.message,
    )
