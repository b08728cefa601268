"""The one result object that Cohere, Jina, Infinity, vLLM and their frameworks' clients all understand.

The union of what they read: `id`, `object`, `created`, `model`, `results[index, relevance_score, document?]`, `usage`,
`meta`. `document` is left out unless asked for, never null. Its error body is a union too.
"""

import time
import uuid
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from service.errors import RerankError
from service.job import Ranking, Usage


class RerankResult(msgspec.Struct, kw_only=True):
    """One document's place in the ranking."""

    index: Annotated[int, Meta(ge=0, description="The document's place in the request.")]
    relevance_score: Annotated[float, Meta(description="Relevance between 0 and 1, or the logit with `raw_scores`.")]
    document: Annotated[
        dict[str, Any] | msgspec.UnsetType,
        Meta(description="The document, if it was asked for: `text`, and what else the request had in it."),
    ] = msgspec.UNSET


class TokenUsage(msgspec.Struct, kw_only=True):
    """Tokens that the model was given, special tokens included, summed over all pairs; what they cost, if priced."""

    prompt_tokens: int
    total_tokens: int
    cost_usd: Annotated[
        float | msgspec.UnsetType,
        Meta(description="At the hosted price that the model's card names; left out where it names none."),
    ] = msgspec.UNSET


class ApiVersion(msgspec.Struct, kw_only=True):
    """Cohere's name for this interface."""

    version: str = "2"
    is_experimental: bool = False


class BilledUnits(msgspec.Struct, kw_only=True):
    """What Cohere would have counted: a query with up to 100 documents is one search unit."""

    search_units: int


class InputTokens(msgspec.Struct, kw_only=True):
    """Cohere's place for tokens."""

    input_tokens: int


class ResultMeta(msgspec.Struct, kw_only=True):
    """Cohere's frame around the counts."""

    api_version: ApiVersion
    billed_units: BilledUnits
    tokens: InputTokens


class RerankResponse(msgspec.Struct, kw_only=True):
    """The documents, best first."""

    id: str
    object: str
    created: Annotated[int, Meta(description="Seconds since 1970-01-01 UTC.")]
    model: str
    results: list[RerankResult]
    usage: TokenUsage
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


def result_object(
    ranking: Ranking, model: str, document: Callable[[int], dict[str, Any]] | None = None
) -> RerankResponse:
    """Frame a ranking; `document` gives a document by its index, None leaves documents out."""
    return RerankResponse(
        id=str(uuid.uuid4()),
        object="rerank",
        created=int(time.time()),
        model=model,
        results=[
            RerankResult(
                index=ranked.index,
                relevance_score=ranked.score,
                document=msgspec.UNSET if document is None else document(ranked.index),
            )
            for ranked in ranking.results
        ],
        usage=token_usage(ranking.usage),
        meta=ResultMeta(
            api_version=ApiVersion(),
            billed_units=BilledUnits(search_units=ranking.usage.search_units),
            tokens=InputTokens(input_tokens=ranking.usage.tokens),
        ),
    )


def token_usage(usage: Usage) -> TokenUsage:
    """Frame what a request cost."""
    return TokenUsage(
        prompt_tokens=usage.tokens,
        total_tokens=usage.tokens,
        cost_usd=msgspec.UNSET if usage.usd is None else usage.usd,
    )


def error_detail(error: RerankError, status: int) -> ErrorDetail:
    """Frame an error as OpenAI does."""
    return ErrorDetail(message=error.message, type=error.type, param=error.param, code=status)
