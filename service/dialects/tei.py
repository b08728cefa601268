"""text-embeddings-inference's `/rerank`, with `texts`, and what its `/predict` (`tei_predict.py`) shares with it.

Its answers are bare lists and its stage times stand in headers. Its error body has a string in `error` and a kind in
`error_type`; a failed model is a 424. A request that says `truncate: false` is refused if it does not fit the window.
On `/rerank` other clients send `documents`, so that it has no route of its own here: `either.py` chooses.
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

    query: Annotated[str, Meta(description="What is searched for; not empty.")]
    texts: Annotated[list[str], Meta(description="At least one.")]
    top_n: Annotated[
        int | None, Meta(description="How many results to return; all when absent, null or 0. LiteLLM sends it.")
    ] = None
    truncate: Annotated[bool | None, Meta(description="false refuses what does not fit the window.")] = None
    truncation_direction: Annotated[
        Direction | None, Meta(description="Which side of a text is cut off; its end when absent.")
    ] = None
    raw_scores: Annotated[bool | None, Meta(description="Give logits rather than scores between 0 and 1.")] = None
    return_text: Annotated[bool | None, Meta(description="Give each result its text.")] = None


class Rank(msgspec.Struct, kw_only=True):
    """One text's place in the ranking."""

    index: int
    score: float
    text: str | msgspec.UnsetType = msgspec.UNSET


class TeiError(msgspec.Struct, kw_only=True):
    """text-embeddings-inference's error body."""

    error: str
    error_type: str


def to_jobs(request: TeiRerankRequest, max_documents: int) -> list[Job]:
    """Check a request and free it of its dialect; raise InvalidRequest."""
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
    """Frame a ranking as a bare list."""

    def text(index: int) -> str | msgspec.UnsetType:
        return request.texts[index] if request.return_text else msgspec.UNSET

    return [Rank(index=ranked.index, score=ranked.score, text=text(ranked.index)) for ranked in ranking.results]


def truncation_side(direction: Direction | None) -> Literal["left", "right"]:
    """Read which end of a text is cut off; its end (`right`) where the request does not say."""
    return "left" if (direction or "").lower() == "left" else "right"


def headers(jobs: Sequence[Job], ranking: Ranking, device: str) -> dict[str, str]:
    """Give the headers of an answer: milliseconds of each stage, tokens, characters, the kind of device."""
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
    """Nothing to rank is a 400 here, a failed model a 424."""
    if isinstance(error, ModelFailed):
        return 424
    return 400 if isinstance(error, EmptyInput) else error.status


def error_body(error: RerankError) -> TeiError:
    """Frame an error as text-embeddings-inference does."""
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
