"""The OpenAPI description of the ranking routes: requests and responses with examples, and errors with their bodies.

Everything is derived from the dialect, and its own functions make the examples, so their form matches the real
responses; the sentences in the error examples (`SAMPLES`) are shortened.
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
    (Unauthorized("an API key is required: send it as Authorization: Bearer KEY"), "No API key, or an unknown one."),
    (UnknownModel("x", ["embedded"]), "The model is not served here (only with `strict_model`)."),
    (PayloadTooLarge("the body is larger than 33554432 bytes (max_body_bytes)"), "The body is larger than the limit."),
    (UnsupportedMediaType("the body is declared as text/plain"), "The body is not declared as JSON."),
    (
        EmptyInput("documents: list of documents must not be empty", param="documents"),
        "No documents, or an empty query.",
    ),
    (InvalidRequest("query: must not be empty", param="query"), "The body is JSON, but not a valid request."),
    (
        Overloaded("100000 tokens are queued", retry_after_s=3),
        "The server is overloaded; retry after `Retry-After` seconds.",
    ),
    (ModelFailed("the model failed on the document with index 3", pair=3), "The model failed on this request."),
    (InternalError("the server failed on this request; see its log for the cause"), "Internal server error."),
    (DeadlineExceeded(), "The request's deadline passed."),
    (WarmingUp(), "The server is warming up or shutting down; retry after `Retry-After` seconds."),
)
"""An example of each error that a ranking route may answer, for the OpenAPI document."""

MODEL = "embedded"
"""The model name in the example responses."""
STAGES = Stages(tokenise_s=0.001, queue_s=0, inference_s=0.011, total_s=0.013)
USAGE = Usage(tokens=34, search_units=1, usd=None)
SCORES = (Ranked(0, 0.0107), Ranked(1, 0.9868))
"""The example scores of the two documents that every dialect's example has."""


def responses(dialect: AnyDialect) -> dict[int, ResponseSpec]:
    """Describe the responses of a dialect's routes by status: the ranking, and every error."""
    answer = ResponseSpec(
        dialect.response,
        generate_examples=False,
        description="The ranking, or the scores. `Server-Timing` gives the milliseconds of each stage.",
        examples=[Example(value=msgspec.to_builtins(_answer(choice))) for choice in dialect.choices],
    )
    return {200: answer, **error_responses(dialect)}


def _answer(dialect: Dialect[Any]) -> Any:
    """Make the response to a dialect's example."""
    results = list(SCORES)
    if dialect.ranks:
        (job,) = dialect.to_jobs(dialect.example, len(SCORES))
        results = results[::-1][: job.top_n]
    return dialect.to_response(dialect.example, Ranking(results=results, usage=USAGE, stages=STAGES), MODEL)


def error_responses(dialect: AnyDialect) -> dict[int, ResponseSpec]:
    """Describe the errors of a dialect's routes by status: the samples, in each error body that the routes use."""
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
    """Describe the request body of a dialect by its types and examples.

    Litestar takes the description from the `data` parameter of a handler, or of one of its dependencies. For a
    handler's it would decode the body, so this uses a dependency, which no handler names and which is never called.
    """

    async def described(data: Any) -> None: ...

    examples = [Example(value=_set_fields(choice.example)) for choice in dialect.choices]
    request = _union(choice.request for choice in dialect.choices)
    described.__annotations__["data"] = Annotated[request, Body(examples=examples)]
    return {"body_description": Provide(described)}


def _set_fields(example: msgspec.Struct) -> Mapping[str, Any]:
    """Return the fields that an example sets."""
    set_fields = {name: value for name, value in msgspec.structs.asdict(example).items() if value is not None}
    builtins: dict[str, Any] = msgspec.to_builtins(set_fields)
    return builtins


def _union(types: Iterable[type]) -> Any:
    return Union[tuple(types)]  # noqa: UP007 - the types are known only at runtime
