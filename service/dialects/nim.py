"""`/v1/ranking` of NVIDIA's NeMo Retriever NIM: passages in, logits out, best first."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from service.dialects.dialect import Dialect
from service.dialects.fields import check_count, query_text
from service.errors import RerankError
from service.job import Job, Ranking


class NimText(msgspec.Struct, kw_only=True):
    """A text, wrapped in an object."""

    text: str


class RankingRequest(msgspec.Struct, kw_only=True):
    """A query and the passages to order by their relevance to it."""

    query: Annotated[NimText, Meta(description="The query; must not be empty.")]
    passages: Annotated[list[NimText], Meta(description="The passages; at least one.")]
    model: Annotated[str | None, Meta(description="Model name, as on `/v1/rerank`, but not echoed.")] = None
    truncate: Annotated[
        Literal["NONE", "END", "START"] | None,
        Meta(description="Long passages: NONE rejects them, START cuts off the start, END (the default) the end."),
    ] = None


class NimRanking(msgspec.Struct, kw_only=True):
    """One passage in the ranking."""

    index: int
    logit: float


class NimUsage(msgspec.Struct, kw_only=True):
    """Input tokens of the model."""

    prompt_tokens: int
    total_tokens: int


class RankingResponse(msgspec.Struct, kw_only=True):
    """The passages, best first."""

    rankings: list[NimRanking]
    usage: NimUsage


class NimError(msgspec.Struct, kw_only=True):
    """NIM's error body."""

    object: str
    message: str
    detail: str
    type: str


def to_jobs(request: RankingRequest, max_documents: int) -> list[Job]:
    """Validate a request and convert it to a job; raise InvalidRequest."""
    check_count(request.passages, max_documents, "passages")
    job = Job(
        query=query_text(request.query.text, "query.text"),
        documents=[passage.text for passage in request.passages],
        raw_scores=True,
        truncate=request.truncate != "NONE",
        truncation_side="left" if request.truncate == "START" else "right",
        model=request.model,
    )
    return [job]


def to_response(_request: RankingRequest, ranking: Ranking, _model: str) -> RankingResponse:
    """Format a ranking as NIM does."""
    return RankingResponse(
        rankings=[NimRanking(index=ranked.index, logit=ranked.score) for ranked in ranking.results],
        usage=NimUsage(prompt_tokens=ranking.usage.tokens, total_tokens=ranking.usage.tokens),
    )


def error_body(error: RerankError) -> NimError:
    """Format an error as NIM does."""
    return NimError(object="error", message=error.message, detail=error.message, type=error.type)


NIM = Dialect(
    name="nim_ranking",
    summary="Rerank: NVIDIA NIM",
    description="Order passages by their relevance to a query, best first; scores are logits.",
    paths=("/v1/ranking",),
    request=RankingRequest,
    response=RankingResponse,
    to_jobs=to_jobs,
    to_response=to_response,
    error_body=error_body,
    example=RankingRequest(
        model="nvidia/llama-nemotron-rerank-1b-v2",
        query=NimText(text="what do giant pandas eat?"),
        passages=[
            NimText(text="A panda car was built in Italy."),
            NimText(text="The giant panda eats almost nothing but bamboo."),
        ],
        truncate="END",
    ),
)
