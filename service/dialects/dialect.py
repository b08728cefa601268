"""The type of a dialect: a value that defines how requests of one API are decoded, answered and rejected.

`service/api/routes/ranking.py` makes a route for every value in `catalogue.py`; a dialect knows neither HTTP routes nor
the engine. A `Dialect` has a request type of its own. A `Choice` is a URL that several dialects share: it inspects the
body and picks the dialect that handles it. `docs/extending.md` shows how to add a dialect.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from service.dialects import body
from service.dialects.statuses import own
from service.errors import RerankError
from service.job import Job, Ranking

Request = TypeVar("Request", bound=msgspec.Struct)


def no_headers(_jobs: Sequence[Job], _ranking: Ranking, _device: str) -> dict[str, str]:
    """Return no headers besides those of every dialect."""
    return {}


@dataclass(frozen=True, kw_only=True)
class _Route:
    """What the HTTP routes need to know before a body is read."""

    name: str
    """Name in snake case; with the path it forms the operation id in the OpenAPI document."""
    summary: str = ""
    """The operation's title in the OpenAPI document."""
    description: str = ""
    """One sentence on what the operation does, for the OpenAPI document."""
    paths: tuple[str, ...] = ()
    """The paths of its POST routes; empty if it is reachable only through a `Choice`."""
    response: Any
    """Type of the response body, or a union of types."""
    error_body: Callable[[RerankError], msgspec.Struct]
    """Make the body of an error; all error bodies have one type."""
    status: Callable[[RerankError], int] = own
    """Return the HTTP status of an error."""


@dataclass(frozen=True, kw_only=True)
class Dialect(_Route, Generic[Request]):
    """How requests of one type are decoded, answered and rejected."""

    request: type[Request]
    """Type of the request body."""
    example: Request
    """A request that this server can answer, for the OpenAPI document."""
    to_jobs: Callable[[Request, int], list[Job]]
    """Validate a request, given the maximum number of documents, and convert it to jobs; raise InvalidRequest.

    If `ranks` is true, there is exactly one job.
    """
    to_response: Callable[[Request, Ranking, str], Any]
    """Make the response body of a ranking; the last argument is the served model's name."""
    ranks: bool = True
    """True if the results are documents, best first; False if they are scores, in the request's order."""
    headers: Callable[[Sequence[Job], Ranking, str], Mapping[str, str]] = no_headers
    """Return the response headers for the jobs, their ranking and the device (`cpu` or `cuda`)."""
    names_model: bool = True
    """Whether a request can name a model; if not, the OpenAPI document has no 404 for an unknown model."""

    @property
    def choices(self) -> "tuple[Dialect[Request]]":
        """The dialects of requests to its routes: only this one."""
        return (self,)

    def choose(self, _raw: bytes) -> "Dialect[Request]":
        """Return the dialect of a body: this one."""
        return self

    def decode(self, raw: bytes) -> Request:
        """Decode a body; raise MalformedBody or InvalidRequest."""
        request: Request = body.decode(raw, self.request)
        return request


@dataclass(frozen=True, kw_only=True)
class Choice(_Route):
    """A URL that several dialects share. Errors before the dialect is known use the error body of the choice."""

    choices: tuple[Dialect[Any], ...]
    """The dialects that share the URL."""
    choose: Callable[[bytes], Dialect[Any]]
    """Return the dialect of a body; raise MalformedBody or InvalidRequest."""

    @property
    def names_model(self) -> bool:
        """Whether a request can name a model."""
        return any(dialect.names_model for dialect in self.choices)


AnyDialect = Dialect[Any] | Choice
