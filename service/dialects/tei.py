"""text-embeddings-inference's `/rerank`, with `texts`, and what it shares with `/predict` (`tei_predict.py`).

Responses are bare lists, with stage times in headers. The error body has a string in `error` and a kind in
`error_type`; a model failure is a 424. A request with `truncate: false` is rejected if it exceeds the context window.
It has no route of its own, since other clients send `documents` to `/rerank`: `either.py` picks the dialect.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from service.dialects.dialect import Dialect
from service.dialects.fields import check_count, query_text, top_n
from service.errors import EmptyInput, ModelFailed, RerankError
from service.job import Job, Ranking

ERROR_TYPES = {
    401: "Unauthorized",
    404: "NotFound",
    424: "Backend",
    429: "Overloaded",
    503: "Unhealthy",
    504: "Overloaded",
}

Direction = Literal["left", "Left", "right", "Right"]


class TeiRerankRequest(msgspec.Struct, kw_only=True):
    """A query and the texts to order by their relevance to it."""

    query: Annotated[str, Meta(description="The query; must not be empty.")]
    texts: Annotated[list[str], Meta(description="The texts; at least one.")]
    top_n: Annotated[
        int | None, Meta(description="Number of results to return; all when absent, null or 0. LiteLLM sends it.")
    ] = None
    truncate: Annotated[
        bool | None, Meta(description="false rejects texts that exceed the model's context window.")
    ] = None
    truncation_direction: Annotated[
        Direction | None, Meta(description="Side of a text that is cut off; right, its end, when absent.")
    ] = None
    raw_scores: Annotated[bool | None, Meta(description="Return logits instead of scores between 0 and 1.")] = None
    return_text: Annotated[bool | None, Meta(description="Return the text with each result.")] = None


class Rank(msgspec.Struct, kw_only=True):
    """One text in the ranking."""

    index: int
    score: float
    text: str | msgspec.UnsetType = msgspec.UNSET


class TeiError(msgspec.Struct, kw_only=True):
    """text-embeddings-inference's error body."""

    error: str
    error_type: str


def to_jobs(request: TeiRerankRequest, max_documents: int) -> list[Job]:
    """Validate a request and convert it to a job; raise InvalidRequest."""
    check_count(request.texts, max_documents, "texts")
    return [
        Job(
            query=query_text(request.query),
            documents=request.texts,
            top_n=top_n(request.top_n),
            raw_scores=bool(request.raw_scores),
            truncate=request.truncate is not False,
            truncation_side=truncation_side(request.truncation_direction),
        )
    ]


def to_response(request: TeiRerankRequest, ranking: Ranking, _model: str) -> list[Rank]:
    """Format a ranking as a bare list."""

    def text(index: int) -> str | msgspec.UnsetType:
        return request.texts[index] if request.return_text else msgspec.UNSET

    return [Rank(index=ranked.index, score=ranked.score, text=text(ranked.index)) for ranked in ranking.results]


def truncation_side(direction: Direction | None) -> Literal["left", "right"]:
    """Return the side of a text that is cut off; `right`, its end, by default."""
    return "left" if (direction or "").lower() == "left" else "right"


def headers(jobs: Sequence[Job], ranking: Ranking, device: str) -> dict[str, str]:
    """Return the response headers: milliseconds of each stage, tokens, characters, and the device."""
    characters = sum(len(job.query) * len(job.documents) + sum(map(len, job.documents)) for job in jobs)
    stages = ranking.stages
    total = _milliseconds(stages.total_s)
    return {
        "x-compute-type": "gpu" if device == "cuda" else device,
        "x-compute-time": total,
        "x-compute-characters": str(characters),
        "x-compute-tokens": str(ranking.usage.tokens),
        "x-total-time": total,
        "x-tokenization-time": _milliseconds(stages.tokenise_s),
        "x-queue-time": _milliseconds(stages.queue_s),
        "x-inference-time": _milliseconds(stages.inference_s),
    }


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))


def status(error: RerankError) -> int:
    """Return 400 for empty input, 424 for a model failure, else the error's own status."""
    if isinstance(error, ModelFailed):
        return 424
    return 400 if isinstance(error, EmptyInput) else error.status


def error_body(error: RerankError) -> TeiError:
    """Format an error as text-embeddings-inference does."""
    kind = "Empty" if isinstance(error, EmptyInput) else ERROR_TYPES.get(status(error))
    return TeiError(error=error.message, error_type=kind or ("Backend" if error.status >= 500 else "Validation"))


TEI = Dialect(
    name="tei_rerank",
    request=TeiRerankRequest,
    response=list[Rank],
    to_jobs=to_jobs,
    to_response=to_response,
    headers=headers,
    status=status,
    error_body=error_body,
    names_model=False,
    example=TeiRerankRequest(
        query="what do giant pandas eat?",
        texts=["A panda car was built in Italy.", "The giant panda eats almost nothing but bamboo."],
        return_text=True,
    ),
)
