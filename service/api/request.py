"""A request as the handlers see it: the bytes of a JSON body, and work that ends when the client hangs up.

Litestar would decode the body in its own words; the dialects do it (docs/decisions/0001). Neither Litestar nor uvicorn
cancels a handler whose client is gone: `while_connected` does, so that nobody waits behind work that nobody will read.
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
"""Key of a route's `opt`, and of a request's state once its body has chosen: the dialect that errors are told in."""

TIMEOUT_HEADERS = ("x-request-timeout-ms", "x-envoy-expected-rq-timeout-ms")
"""How long the client, or the gateway before us, waits for the answer."""


class JsonRequest(Request[Any, Any, Any]):
    """A request with a JSON body."""

    @property
    def timeout_ms(self) -> int:
        """Milliseconds for which the client waits, as a header says; 0 where none does.

        Raises:
            InvalidRequest: the header is no whole number of milliseconds.
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
            UnsupportedMediaType: the headers say that it is not plain JSON.
            ClientDisconnected: the client hung up in the middle of it.
        """
        body = await self.body()
        if body:  # what is empty is refused as such, whatever the headers say of it
            check_headers(self.headers.get("content-type", ""), self.headers.get("content-encoding", ""))
        return body

    def tell_errors_in(self, dialect: Dialect[Any]) -> None:
        """From now on, tell an error of this request in the words of the dialect that its body chose."""
        self.scope["state"][DIALECT] = dialect

    async def body(self) -> bytes:
        """Read the whole body; raise ClientDisconnected if it does not come whole."""
        with _cut_off_at_the_end_of_grace():
            try:
                return await super().body()
            except InternalServerException:  # which is all that Litestar raises where the client leaves
                raise ClientDisconnected("the client hung up in the middle of its body") from None

    async def while_connected(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work of an answer; cancel it and raise ClientDisconnected when the client hangs up first."""
        working = asyncio.ensure_future(work)
        watching = asyncio.ensure_future(self._hung_up())
        try:
            with _cut_off_at_the_end_of_grace():
                await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
                if not working.done():
                    raise ClientDisconnected("the client hung up before its answer")
                return working.result()
        finally:
            working.cancel()
            watching.cancel()

    async def _hung_up(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass


@contextlib.contextmanager
def _cut_off_at_the_end_of_grace() -> Iterator[None]:
    """Turn the cancelling of a handler, which only uvicorn does and only when the grace period is over, into a 503."""
    try:
        yield
    except asyncio.CancelledError:
        raise ShuttingDown from None
