"""All errors that a client can get, in one tree; each class carries its HTTP status and its machine-readable type.

    RerankError
    ├── MalformedBody           400  the body is not JSON
    ├── Unauthorized            401  no API key, or an unknown one
    ├── NotFound                404  no such path (raised by the framework, reworded here)
    ├── UnknownModel            404  not the served model, and the server checks names strictly
    ├── MethodNotAllowed        405
    ├── PayloadTooLarge         413
    ├── UnsupportedMediaType    415
    ├── InvalidRequest          422  JSON, but not a valid request; carries the field's name
    │   ├── EmptyInput               no documents, or an empty query
    │   └── TooManyDocuments         more than the limit per request
    ├── Overloaded              429  no capacity, or a deadline that cannot be met; carries Retry-After
    ├── ClientDisconnected      499  the client disconnected; counted in the metrics only
    ├── ModelFailed             500  the model failed on one of this request's pairs
    ├── DeadlineExceeded        504  the request's deadline passed in the queue
    ├── InternalError           500  a bug in the server; the traceback is only in the log
    └── NotReady                503  carries Retry-After
        ├── WarmingUp                the model is not warmed up yet
        └── ShuttingDown             the server is shutting down

Where they are raised: `api/auth.py` checks keys, `dialects/` checks bodies, `engine/reranker.py` checks the size of a
request, and `engine/admission.py` whether the queue has room and time for it. Input is checked before it is queued, so
one request's invalid input never fails another's batch. One handler, in `api/error_handler.py`, turns errors into
responses; the dialect chooses the body and may choose another status.
"""

from collections.abc import Collection

from models.wording import are, counted


class RerankError(Exception):
    """The root of the tree: the message for the client, with the status of the response."""

    status = 500
    type = "internal_error"

    def __init__(self, message: str, *, param: str | None = None, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s


class MalformedBody(RerankError):
    """The body is not JSON."""

    status = 400
    type = "malformed_body"


class Unauthorized(RerankError):
    """The request has no API key, or an unknown one."""

    status = 401
    type = "unauthorized"


class NotFound(RerankError):
    """The path does not exist."""

    status = 404
    type = "not_found"


class UnknownModel(RerankError):
    """The request names a model that this server does not serve, and the server checks names strictly."""

    status = 404
    type = "model_not_found"

    def __init__(self, model: str, names: Collection[str]) -> None:
        super().__init__(f"model {model!r} is not served here; available: {', '.join(names)}", param="model")


class MethodNotAllowed(RerankError):
    """The path exists, but does not support this method."""

    status = 405
    type = "method_not_allowed"


class PayloadTooLarge(RerankError):
    """The body is larger than the limit."""

    status = 413
    type = "payload_too_large"


class UnsupportedMediaType(RerankError):
    """The body is not declared as JSON."""

    status = 415
    type = "unsupported_media_type"


class InvalidRequest(RerankError):
    """The body is JSON, but not a valid request."""

    status = 422
    type = "invalid_request"


class EmptyInput(InvalidRequest):
    """There are no documents, or the query is empty."""


class TooManyDocuments(InvalidRequest):
    """A request has more documents than the server accepts per request."""

    def __init__(self, count: int, most: int, *, param: str = "documents") -> None:
        super().__init__(
            f"the request has {counted(count, 'document')}, but at most {most} {are(most)} allowed: split them into "
            f"several requests",
            param=param,
        )


class Overloaded(RerankError):
    """The server has no capacity for this request now."""

    status = 429
    type = "overloaded"


class ClientDisconnected(RerankError):
    """The client disconnected; the response goes nowhere but is counted, with the status that nginx uses for it."""

    status = 499
    type = "client_disconnected"


class ModelFailed(RerankError):
    """The model failed on a pair of this request; `pair` is its index among the request's pairs."""

    status = 500
    type = "model_failed"

    def __init__(self, message: str, *, pair: int) -> None:
        super().__init__(message)
        self.pair = pair


class DeadlineExceeded(RerankError):
    """The request's deadline passed before it was answered."""

    status = 504
    type = "deadline_exceeded"

    def __init__(self) -> None:
        super().__init__("the request cannot be answered by its deadline")


class InternalError(RerankError):
    """A bug in the server; details are in the log only."""


class NotReady(RerankError):
    """The server does not answer rerank requests yet, or no longer."""

    status = 503
    type = "not_ready"

    def __init__(self, message: str) -> None:
        super().__init__(message, retry_after_s=1)


class WarmingUp(NotReady):
    """The model is not warmed up yet; `hint` says how to find out when it is."""

    def __init__(self, hint: str | None = None) -> None:
        message = "the model is still warming up"
        super().__init__(f"{message}: {hint}" if hint else message)


class ShuttingDown(NotReady):
    """The server is shutting down."""

    def __init__(self) -> None:
        super().__init__("the server is shutting down: send the request to another server")
