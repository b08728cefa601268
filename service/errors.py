"""Everything that can go wrong for a client, in one tree; each class carries its status and its machine-readable type.

    RerankError
    ├── MalformedBody           400  the body is not JSON
    ├── Unauthorized            401  no API key, or one that is not known
    ├── NotFound                404  no such path (raised by the framework, told in our words)
    ├── UnknownModel            404  a model that is not served here, where that is strict
    ├── MethodNotAllowed        405
    ├── PayloadTooLarge         413
    ├── UnsupportedMediaType    415
    ├── InvalidRequest          422  JSON, but not a rerank request; carries the field's name
    │   ├── EmptyInput               nothing to rank, or nothing to rank by
    │   └── TooManyDocuments         more than a request may have
    ├── Overloaded              429  the queue is full; carries Retry-After
    ├── ClientDisconnected      499  the client hung up; for the metrics, as nobody reads the answer
    ├── ModelFailed             500  the model failed on one of this request's pairs
    ├── DeadlineExceeded        504  its deadline passed in the queue
    ├── InternalError           500  a bug of ours; the trace is in the log, never in the answer
    └── NotReady                503  carries Retry-After
        ├── WarmingUp                the model has not run yet
        └── ShuttingDown             the server is going down

Where they live: keys are checked by `api/auth.py`, bodies by `dialects/`, the size of a request by
`engine/reranker.py`; whether there is room and time for it, by `engine/admission.py`.
Input is checked before the queue, so a batch never fails for a neighbour's input. One handler, in
`api/error_handler.py`, turns them into answers; a dialect frames them in its own body, some with another status.
"""

from collections.abc import Collection


class RerankError(Exception):
    """The root: what the user is told, with the status of the answer."""

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
    """No API key came, or one that is not known."""

    status = 401
    type = "unauthorized"


class NotFound(RerankError):
    """No such path."""

    status = 404
    type = "not_found"


class UnknownModel(RerankError):
    """The request names a model that this server does not serve, and the server is strict about that."""

    status = 404
    type = "model_not_found"

    def __init__(self, model: str, names: Collection[str]) -> None:
        super().__init__(f"model {model!r} is not served here: ask for {', '.join(names)}", param="model")


class MethodNotAllowed(RerankError):
    """The path exists, but not with this method."""

    status = 405
    type = "method_not_allowed"


class PayloadTooLarge(RerankError):
    """The body is over the limit."""

    status = 413
    type = "payload_too_large"


class UnsupportedMediaType(RerankError):
    """The body is not declared as JSON."""

    status = 415
    type = "unsupported_media_type"


class InvalidRequest(RerankError):
    """The body is JSON but not a request that can be answered."""

    status = 422
    type = "invalid_request"


class EmptyInput(InvalidRequest):
    """There is nothing to rank, or nothing to rank by."""


class TooManyDocuments(InvalidRequest):
    """A request has more documents than this server takes at a time."""

    def __init__(self, count: int, most: int, *, param: str = "documents") -> None:
        super().__init__(
            f"the request has {count} documents, more than the {most} that this server takes at a time: send them in "
            "several requests",
            param=param,
        )


class Overloaded(RerankError):
    """There is no room for this request now."""

    status = 429
    type = "overloaded"


class ClientDisconnected(RerankError):
    """The client hung up; nobody reads this answer, but it is counted (nginx's status for it)."""

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
        super().__init__("the deadline of this request passes before the model can answer it")


class InternalError(RerankError):
    """A bug: the message tells nothing of it, the log does."""


class NotReady(RerankError):
    """The server does not answer rerank requests now: not yet, or not any more."""

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
    """The server is going down."""

    def __init__(self) -> None:
        super().__init__("the server is shutting down: send the request to another one")
