"""text-embeddings-inference's `/rerank` with `texts`, and its `/predict` for pairs.

Its answers are bare lists and its stage times stand in headers. Its error body has a string in `error` and a kind in
`error_type`; a failed model is a 424. A request that says `truncate: false` is refused if it does not fit the window.
"""

import itertools
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from service.dialects.fields import check_count, query_text, top_n
from service.errors import EmptyInput, InvalidRequest, ModelFailed, RerankError
from service.job import Job, Ranking

LABEL = "LABEL_0"
"""The one label of a reranker whose config names none."""
ERROR_TYPES = {
    401: "Unauthorized",
    404: "NotFound",
    424: "Backend",
    429: "Overloaded",
    503: "Unhealthy",
    504: "Overloaded",
}

Inputs = str | list[str | list[str]]
"""A pair, or a list of pairs; a lone text is read so that it can be refused in words."""
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


class PredictRequest(msgspec.Struct, kw_only=True):
    """A pair, or a list of pairs."""

    inputs: Annotated[Inputs, Meta(description="`[query, text]`, or a list of such pairs; at least one.")]
    truncate: Annotated[bool | None, Meta(description="false refuses what does not fit the window.")] = None
    truncation_direction: Annotated[
        Direction | None, Meta(description="Which side of a text is cut off; its end when absent.")
    ] = None
    raw_scores: Annotated[bool | None, Meta(description="Give logits rather than scores between 0 and 1.")] = None


class Prediction(msgspec.Struct, kw_only=True):
    """A pair's score under the model's one label."""

    score: float
    label: str


class TeiError(msgspec.Struct, kw_only=True):
    """text-embeddings-inference's error body."""

    error: str
    error_type: str


EXAMPLE = TeiRerankRequest(
    query="what do giant pandas eat?",
    texts=["A panda car was built in Italy.", "The giant panda eats almost nothing but bamboo."],
    return_text=True,
)
PREDICT_EXAMPLE = PredictRequest(
    inputs=[
        ["what do giant pandas eat?", "A panda car was built in Italy."],
        ["what do giant pandas eat?", "The giant panda eats almost nothing but bamboo."],
    ]
)


def job(request: TeiRerankRequest, max_documents: int) -> Job:
    """Check a request and free it of its dialect; raise InvalidRequest."""
    check_count(request.texts, max_documents, "texts")
    return msgspec.structs.replace(_job(request.query, request.texts, request), top_n=top_n(request.top_n))


def answer(request: TeiRerankRequest, ranking: Ranking) -> list[Rank]:
    """Frame a ranking as a bare list."""

    def text(index: int) -> str | msgspec.UnsetType:
        return request.texts[index] if request.return_text else msgspec.UNSET

    return [Rank(index=place.index, score=place.score, text=text(place.index)) for place in ranking.results]


def predict_jobs(request: PredictRequest, max_pairs: int) -> list[Job]:
    """Check a request and make a job of each run of pairs with one query; raise InvalidRequest.

    The pairs are counted before anything is made of them: each may be a job of its own.
    """
    check_count(request.inputs if _is_batch(request.inputs) else request.inputs[:1], max_pairs, "inputs")
    pairs = _pairs(request.inputs)
    return [
        _job(query, [text for _, text in same], request)
        for query, same in itertools.groupby(pairs, lambda pair: pair[0])
    ]


def prediction(request: PredictRequest, ranking: Ranking) -> list[Prediction] | list[list[Prediction]]:
    """Frame the scores: a list for a lone pair, a list of lists for several."""
    each = [[Prediction(score=place.score, label=LABEL)] for place in ranking.results]
    return each if _is_batch(request.inputs) else each[0]


def _job(query: str, texts: list[str], request: TeiRerankRequest | PredictRequest) -> Job:
    return Job(
        query=query_text(query),
        documents=texts,
        raw_scores=bool(request.raw_scores),
        truncate=request.truncate is not False,
        truncation_side="left" if (request.truncation_direction or "").lower() == "left" else "right",
    )


def _is_batch(inputs: Inputs) -> bool:
    return isinstance(inputs, list) and any(isinstance(entry, list) for entry in inputs)


def _pairs(inputs: Inputs) -> list[tuple[str, str]]:
    if isinstance(inputs, list) and _is_batch(inputs):
        return [_pair(entry, f"inputs[{index}]") for index, entry in enumerate(inputs)]
    return [_pair(inputs, "inputs")]


def _pair(entry: str | Sequence[str | list[str]], where: str) -> tuple[str, str]:
    if not isinstance(entry, str) and len(entry) == 2:
        query, text = entry
        if isinstance(query, str) and isinstance(text, str):
            return query, text
    raise InvalidRequest(f"{where}: a reranker scores pairs: send [query, text]", param=where)


def headers(requests: Sequence[Job], ranking: Ranking, device: str) -> dict[str, str]:
    """What it tells of a request: milliseconds of each stage, tokens, characters, the kind of device."""
    characters = sum(len(job.query) * len(job.documents) + sum(map(len, job.documents)) for job in requests)
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
