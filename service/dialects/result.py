"""The result object that the clients of Cohere, Jina, Infinity and vLLM all understand.

The union of what they read: `id`, `object`, `created`, `model`, `results[index, relevance_score, document?]`, `usage`,
`meta`. `document` is omitted unless requested, never null. The error body is a union too.
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
    """One document in the ranking."""

    index: Annotated[int, Meta(ge=0, description="Index of the document in the request.")]
    relevance_score: Annotated[float, Meta(description="Relevance between 0 and 1, or the logit with `raw_scores`.")]
    document: Annotated[
        dict[str, Any] | msgspec.UnsetType,
        Meta(description="The document, if requested: `text`, and the other fields that it has in the request."),
    ] = msgspec.UNSET


class TokenUsage(msgspec.Struct, kw_only=True):
    """Input tokens of the model, special tokens included, summed over all pairs, and their cost."""

    prompt_tokens: int
    total_tokens: int
    cost_usd: Annotated[
        float | msgspec.UnsetType,
        Meta(description="Cost in US dollars at the model's hosted price; omitted if it has none."),
    ] = msgspec.UNSET


class ApiVersion(msgspec.Struct, kw_only=True):
    """The API version that Cohere reports."""

    version: str = "2"
    is_experimental: bool = False


class BilledUnits(msgspec.Struct, kw_only=True):
    """The units that Cohere would bill: one search unit per query with up to 100 documents."""

    search_units: int


class InputTokens(msgspec.Struct, kw_only=True):
    """The token count, as Cohere reports it."""

    input_tokens: int


class ResultMeta(msgspec.Struct, kw_only=True):
    """The counts, as Cohere reports them."""

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
    """An error in a form that programs can read."""

    message: str
    type: str
    param: str | None
    code: int


class ErrorBody(msgspec.Struct, kw_only=True):
    """An error body with the fields of several APIs: OpenAI's `error`, Cohere's `message`, Jina's `detail`."""

    error: ErrorDetail
    message: str
    detail: str


def result_object(
    ranking: Ranking, model: str, document: Callable[[int], dict[str, Any]] | None = None
) -> RerankResponse:
    """Make the response of a ranking; `document` returns a document by its index, None omits documents."""
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
    """Format the cost of a request."""
    return TokenUsage(
        prompt_tokens=usage.tokens,
        total_tokens=usage.tokens,
        cost_usd=msgspec.UNSET if usage.usd is None else usage.usd,
    )


def error_detail(error: RerankError, status: int) -> ErrorDetail:
    """Format an error as OpenAI does."""
    return ErrorDetail(message=error.message, type=error.type, param=error.param, code=status)
