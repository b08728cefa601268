"""The request object of the handlers: the bytes of a JSON body, and work that is cancelled if a client disconnects.

The dialects decode the body and not Litestar, to word the errors (docs/decisions/0001). Neither Litestar nor uvicorn
cancels a handler whose client is gone; `while_connected` does, so that no request waits behind abandoned work.
"""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

from litestar import Request
from litestar.exceptions import InternalServerException

from service.dialects.body import check_headers
from service.dialects.dialect import Dialect
from service.errors import ClientDisconnected, InvalidRequest, ShuttingDown

T = TypeVar("T")
DIALECT = "dialect"
"""Key of a route's `opt`, and of a request's state once its body has been seen: the dialect of its errors."""

TIMEOUT_HEADERS = ("x-request-timeout-ms", "x-envoy-expected-rq-timeout-ms")
"""Headers that say how long the client, or a gateway in front of this server, waits for the response."""


class JsonRequest(Request[Any, Any, Any]):
    """A request with a JSON body."""

    @property
    def timeout_ms(self) -> int:
        """Milliseconds that the client waits, according to a header; 0 without such a header.

        Raises:
            InvalidRequest: the header is not a whole number of milliseconds.
        """
        for name in TIMEOUT_HEADERS:
            value = self.headers.get(name)
            if value is not None:
                if not (value.isascii() and value.isdigit() and 0 < int(value) < 10**9):
                    raise InvalidRequest(
                        f"the header {name} must be a whole number of milliseconds, not {value[:40]!r}"
                    )
                return int(value)
        return 0

    async def json_body(self) -> bytes:
        """Read the whole body, undecoded.

        Raises:
            UnsupportedMediaType: the headers declare something other than plain JSON.
            ClientDisconnected: the client disconnected before the end of the body.
        """
        body = await self.body()
        if body:  # an empty body has its own error, whatever the headers say
            check_headers(self.headers.get("content-type", ""), self.headers.get("content-encoding", ""))
        return body

    def tell_errors_in(self, dialect: Dialect[Any]) -> None:
        """Use the error body of this dialect for later errors of the request."""
        self.scope["state"][DIALECT] = dialect

    async def body(self) -> bytes:
        """Read the whole body; raise ClientDisconnected if it is incomplete."""
        with _cut_off_at_the_end_of_grace():
            try:
                return await super().body()
            except InternalServerException:  # what Litestar raises when the client disconnects
                raise ClientDisconnected("the client disconnected before the end of its request body") from None

    async def while_connected(self, work: Coroutine[Any, Any, T]) -> T:
        """Await the work; cancel it and raise ClientDisconnected if the client disconnects first."""
        working = asyncio.ensure_future(work)
        watching = asyncio.ensure_future(self._hung_up())
        try:
            with _cut_off_at_the_end_of_grace():
                await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
                if not working.done():
                    raise ClientDisconnected("the client disconnected before the response")
                return working.result()
        finally:
            working.cancel()
            watching.cancel()

    async def _hung_up(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass


@contextlib.contextmanager
def _cut_off_at_the_end_of_grace() -> Iterator[None]:
    """Turn a cancelled handler into a 503; only uvicorn cancels handlers, when the grace period is over."""
    try:
        yield
    except asyncio.CancelledError:
        raise ShuttingDown from None
