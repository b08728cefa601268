"""text-embeddings-inference's `/predict`: pairs of texts in, a score for each out, in the order of the request."""

import itertools
from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from service.dialects.dialect import Dialect
from service.dialects.fields import check_count, query_text
from service.dialects.tei import Direction, error_body, headers, status, truncation_side
from service.errors import InvalidRequest
from service.job import Job, Ranking

LABEL = "LABEL_0"
"""The label of a reranker whose config names none."""

Inputs = str | list[str | list[str]]
"""A pair, or a list of pairs; a single text is accepted by the type so that its error message is clear."""


class PredictRequest(msgspec.Struct, kw_only=True):
    """A pair, or a list of pairs."""

    inputs: Annotated[Inputs, Meta(description="`[query, text]`, or a list of such pairs; at least one.")]
    truncate: Annotated[
        bool | None, Meta(description="false rejects texts that exceed the model's context window.")
    ] = None
    truncation_direction: Annotated[
        Direction | None, Meta(description="Side of a text that is cut off; right, its end, when absent.")
    ] = None
    raw_scores: Annotated[bool | None, Meta(description="Return logits instead of scores between 0 and 1.")] = None


class Prediction(msgspec.Struct, kw_only=True):
    """A pair's score, under the model's only label."""

    score: float
    label: str


Predictions = list[Prediction] | list[list[Prediction]]
"""A list for a single pair; a list of lists for a list of pairs."""


def to_jobs(request: PredictRequest, max_pairs: int) -> list[Job]:
    """Validate a request and make one job of consecutive pairs with the same query; raise InvalidRequest.

    The pairs are counted first, since each may become a job of its own.
    """
    check_count(request.inputs if _is_batch(request.inputs) else request.inputs[:1], max_pairs, "inputs")
    pairs = _pairs(request.inputs)
    return [
        Job(
            query=query_text(query),
            documents=[text for _, text in run],
            raw_scores=bool(request.raw_scores),
            truncate=request.truncate is not False,
            truncation_side=truncation_side(request.truncation_direction),
        )
        for query, run in itertools.groupby(pairs, lambda pair: pair[0])
    ]


def to_response(request: PredictRequest, ranking: Ranking, _model: str) -> Predictions:
    """Format the scores: a list for a single pair, a list of lists for a list of pairs."""
    each = [[Prediction(score=ranked.score, label=LABEL)] for ranked in ranking.results]
    return each if _is_batch(request.inputs) else each[0]


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


TEI_PREDICT = Dialect(
    name="predict",
    summary="Score pairs: text-embeddings-inference",
    description="Score one pair, or several pairs in their order.",
    paths=("/predict",),
    request=PredictRequest,
    response=Predictions,
    to_jobs=to_jobs,
    to_response=to_response,
    ranks=False,
    headers=headers,
    status=status,
    error_body=error_body,
    names_model=False,
    example=PredictRequest(
        inputs=[
            ["what do giant pandas eat?", "A panda car was built in Italy."],
            ["what do giant pandas eat?", "The giant panda eats almost nothing but bamboo."],
        ]
    ),
)
