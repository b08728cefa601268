"""What a dialect is: a value that says how requests of one kind are read, answered and refused.

The HTTP side (`service/api/routes/ranking.py`) makes a route of every value in `catalogue.py`; a dialect knows neither
it nor the engine. A `Dialect` has a request type of its own. A `Choice` has a URL that several dialects share: it looks
into a body and chooses one of them, which does the rest. `docs/extending.md` adds a dialect from beginning to end.
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
    """Give an answer no headers beyond those that every dialect has."""
    return {}


@dataclass(frozen=True, kw_only=True)
class _Route:
    """What the HTTP side needs to know of a dialect before it has seen a body."""

    name: str
    """In snake case; with the path it makes the operation's id in the OpenAPI document."""
    summary: str = ""
    """The operation's title in the OpenAPI document."""
    description: str = ""
    """What the operation does, in a sentence, for the OpenAPI document."""
    paths: tuple[str, ...] = ()
    """The routes, all by POST; none for a dialect that is only ever chosen."""
    response: Any
    """The type of an answer's body, or a union of types."""
    error_body: Callable[[RerankError], msgspec.Struct]
    """Frame an error; all its bodies are of one type."""
    status: Callable[[RerankError], int] = own
    """The HTTP status of an error."""


@dataclass(frozen=True, kw_only=True)
class Dialect(_Route, Generic[Request]):
    """How requests of one type are read, answered and refused."""

    request: type[Request]
    """The type of a request's body."""
    example: Request
    """A request that this server can answer, for the OpenAPI document."""
    to_jobs: Callable[[Request, int], list[Job]]
    """Check a request against the most documents it may have, and turn it into jobs; raise InvalidRequest.

    A dialect that ranks returns exactly one job.
    """
    to_response: Callable[[Request, Ranking, str], Any]
    """Frame a ranking as an answer's body; the name is the served model's."""
    ranks: bool = True
    """Results are the documents, best first; False: scores, in the order of the request."""
    headers: Callable[[Sequence[Job], Ranking, str], Mapping[str, str]] = no_headers
    """The answer's headers, of the jobs, their ranking and the kind of device (`cpu`, `cuda`)."""
    names_model: bool = True
    """Can a request name a model? If not, the OpenAPI document describes no 404 for an unknown one."""

    @property
    def choices(self) -> "tuple[Dialect[Request]]":
        """The dialects in which a request on its routes may be: this one."""
        return (self,)

    def choose(self, _raw: bytes) -> "Dialect[Request]":
        """Tell in which of its choices a body is."""
        return self

    def decode(self, raw: bytes) -> Request:
        """Read a body; raise MalformedBody or InvalidRequest."""
        request: Request = body.decode(raw, self.request)
        return request


@dataclass(frozen=True, kw_only=True)
class Choice(_Route):
    """A URL that several dialects share. What goes wrong before the body could tell is told in its own error body."""

    choices: tuple[Dialect[Any], ...]
    """The dialects in which a request may be."""
    choose: Callable[[bytes], Dialect[Any]]
    """Tell in which of its choices a body is; raise MalformedBody or InvalidRequest."""

    @property
    def names_model(self) -> bool:
        """Can a request name a model?"""
        return any(dialect.names_model for dialect in self.choices)


AnyDialect = Dialect[Any] | Choice
