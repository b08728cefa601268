"""How the OpenAPI document describes the ranking routes: bodies and answers with examples, every error with its body.

All of it is made of a dialect's value, the examples by its own functions, so they cannot drift from what is answered.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Union

import msgspec
from litestar.di import Provide
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import Body

from service.dialects.dialect import AnyDialect, Dialect
from service.errors import (
    DeadlineExceeded,
    EmptyInput,
    InternalError,
    InvalidRequest,
    MalformedBody,
    ModelFailed,
    Overloaded,
    PayloadTooLarge,
    RerankError,
    Unauthorized,
    UnknownModel,
    UnsupportedMediaType,
    WarmingUp,
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
    (DeadlineExceeded(), "Its deadline passed."),
    (WarmingUp(), "Warming up, or shutting down; `Retry-After` tells."),
)
"""What a ranking route may answer besides a ranking, by an example of each, for the OpenAPI document."""

MODEL = "embedded"
"""What the examples are answered by."""
STAGES = Stages(tokenise_s=0.001, queue_s=0, inference_s=0.011, total_s=0.013)
USAGE = Usage(tokens=34, search_units=1, usd=None)
SCORES = (Ranked(0, 0.0107), Ranked(1, 0.9868))
"""What the two documents of every dialect's example are given."""


def responses(dialect: AnyDialect) -> dict[int, ResponseSpec]:
    """Describe what a dialect's routes answer, by status: the ranking, and every error."""
    answer = ResponseSpec(
        dialect.response,
        generate_examples=False,
        description="The ranking, or the scores. `Server-Timing` gives the milliseconds of each stage.",
        examples=[Example(value=msgspec.to_builtins(_answer(choice))) for choice in dialect.choices],
    )
    return {200: answer, **error_responses(dialect)}


def _answer(dialect: Dialect[Any]) -> Any:
    """Answer a dialect's example."""
    results = list(SCORES)
    if dialect.ranks:
        (job,) = dialect.to_jobs(dialect.example, len(SCORES))
        results = results[::-1][: job.top_n]
    return dialect.to_response(dialect.example, Ranking(results=results, usage=USAGE, stages=STAGES), MODEL)


def error_responses(dialect: AnyDialect) -> dict[int, ResponseSpec]:
    """Describe the errors of a dialect's routes by status: the samples, in each error body that is met there."""
    choices = [choice for choice in dialect.choices if choice is not dialect]
    body = _union(type(spoken.error_body(InternalError(""))) for spoken in (*choices, dialect))
    specs: dict[int, ResponseSpec] = {}
    for spoken in (dialect, *choices):
        for error, description in SAMPLES:
            if isinstance(error, UnknownModel) and not dialect.names_model:
                continue
            spec = specs.setdefault(
                spoken.status(error),
                ResponseSpec(body, generate_examples=False, description=description, examples=[]),
            )
            value = msgspec.to_builtins(spoken.error_body(error))
            spec.examples = [*(spec.examples or []), Example(summary=description, value=value)]
            if description not in spec.description:
                spec.description += f" {description}"
    return specs


def body_description(dialect: AnyDialect) -> dict[str, Provide]:
    """Describe the body of a dialect's requests, by its types and their examples.

    Litestar reads a body's description off the `data` parameter of a handler or of one of its dependencies, and would
    decode the body for the former. So this is a dependency, which no handler names and nobody calls.
    """

    async def described(data: Any) -> None: ...

    examples = [Example(value=_set_fields(choice.example)) for choice in dialect.choices]
    request = _union(choice.request for choice in dialect.choices)
    described.__annotations__["data"] = Annotated[request, Body(examples=examples)]
    return {"body_description": Provide(described)}


def _set_fields(example: msgspec.Struct) -> Mapping[str, Any]:
    """Leave out what an example does not set."""
    set_fields = {name: value for name, value in msgspec.structs.asdict(example).items() if value is not None}
    builtins: dict[str, Any] = msgspec.to_builtins(set_fields)
    return builtins


def _union(types: Iterable[type]) -> Any:
    return Union[tuple(types)]  # noqa: UP007 - of types that are not known before
