"""What the OpenAPI document is told of the routes: examples of bodies and answers, and every error with its body.

The examples are made by the dialects' own functions, so they cannot drift from what is answered.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import Body

from service.api.error_handler import Dialect, Spoken
from service.api.request import DIALECT
from service.errors import (
    DeadlineExceeded,
    EmptyInput,
    InternalError,
    InvalidRequest,
    MalformedBody,
    ModelFailed,
    NotReady,
    Overloaded,
    PayloadTooLarge,
    RerankError,
    Unauthorized,
    UnknownModel,
    UnsupportedMediaType,
)
from service.job import Ranked, Ranking, Stages, Usage

SAMPLES: tuple[tuple[RerankError, str], ...] = (
    (MalformedBody("the body is not JSON: it ends too early"), "The body is not JSON."),
    (Unauthorized("an API key is needed: send it as Authorization: Bearer KEY"), "No API key, or an unknown one."),
    (UnknownModel("x", ["embedded"]), "Another model, where strict."),
    (PayloadTooLarge("the body is larger than 33554432 bytes (max_body_bytes)"), "The body is over the limit."),
    (UnsupportedMediaType("the body is declared as text/plain"), "The body is not declared as JSON."),
    (EmptyInput("documents: list of documents must not be empty", param="documents"), "Nothing to rank."),
    (InvalidRequest("query: must not be empty", param="query"), "JSON, but not a request that can be answered."),
    (Overloaded("100000 tokens wait for the model", retry_after_s=3), "No room now; come back after `Retry-After`."),
    (ModelFailed("the model failed on the document with index 3", pair=3), "The model failed on this request."),
    (InternalError("the server failed on this request; its log tells why"), "A bug of the server."),
    (
        DeadlineExceeded("the deadline of this request passes before the model can answer it"),
        "Its deadline passed.",
    ),
    (NotReady("the model is still warming up", retry_after_s=1), "Warming up, or shutting down; `Retry-After` tells."),
)
"""What a ranking route may answer besides a ranking, by an example of each, for the OpenAPI document."""


STAGES = Stages(tokenise_s=0.001, queue_s=0, inference_s=0.011, total_s=0.013)
USAGE = Usage(tokens=34, search_units=1, usd=None)
BEST = Ranking(results=[Ranked(1, 0.9868)], usage=USAGE, stages=STAGES)
RANKED = Ranking(results=[Ranked(1, 0.9868), Ranked(0, 0.0107)], usage=USAGE, stages=STAGES)
SCORED = Ranking(results=[Ranked(0, 0.0107), Ranked(1, 0.9868)], usage=USAGE, stages=STAGES)
"""What the example requests might be answered with."""


def ranking_route(
    dialect: Dialect, returns: Any, *examples: Any, errors: Mapping[int, ResponseSpec] | None = None
) -> dict[str, Any]:
    """Make the arguments that every ranking route has.

    Args:
        dialect: how it tells errors.
        returns: the type of its answer.
        examples: of its answer.
        errors: what it may answer besides, where that is not the dialect's alone.
    """
    answer = ResponseSpec(
        returns,
        generate_examples=False,
        description="The ranking, or the scores. `Server-Timing` gives the milliseconds of each stage.",
        examples=[Example(value=msgspec.to_builtins(example)) for example in examples],
    )
    return {
        "status_code": 200,
        "tags": ["ranking"],
        "opt": {DIALECT: Spoken(dialect.status, dialect.error_body)},
        "responses": {200: answer, **(errors or documented(dialect))},
    }


def body_like(*examples: msgspec.Struct) -> Any:
    """Annotate a handler's body with examples of it; what they do not set is left out."""
    return Body(examples=[Example(value=_given(example)) for example in examples])


def _given(example: msgspec.Struct) -> Mapping[str, Any]:
    set_fields = {name: value for name, value in msgspec.structs.asdict(example).items() if value is not None}
    builtins: dict[str, Any] = msgspec.to_builtins(set_fields)
    return builtins


def documented(
    dialect: Dialect, *others: Dialect, body: type | None = None, names_model: bool = True
) -> dict[int, ResponseSpec]:
    """Describe a ranking route's errors for the OpenAPI document: the samples, as the dialects of the route tell them.

    Args:
        dialect: of the route.
        others: those that the route speaks besides.
        body: the type of the error bodies, where they are not all of one.
        names_model: can its requests name a model?
    """
    samples = [sample for sample in SAMPLES if names_model or not isinstance(sample[0], UnknownModel)]
    specs: dict[int, ResponseSpec] = {}
    for spoken in (dialect, *others):
        for error, description in samples:
            told = spoken.error_body(error)
            spec = specs.setdefault(
                spoken.status(error),
                ResponseSpec(body or type(told), generate_examples=False, description=description, examples=[]),
            )
            spec.examples = [*(spec.examples or []), Example(summary=description, value=msgspec.to_builtins(told))]
            if description not in spec.description:
                spec.description += f" {description}"
    return specs
