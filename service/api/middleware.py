"""The outermost layer, which counts and times every response by route and status.

It is a plain ASGI wrapper, since the framework's own middleware sees neither a 404 nor a body over the limit.
"""

import time

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from service.api.metrics import Metrics

OTHER = "other"
"""Route label of all paths that do not exist, so that a scanner cannot fill the registry."""


class MetricsMiddleware:
    """Counts and times an app's responses by route; the framework puts the route into the scope."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and record the status of the response."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        status = 500

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noting_status)
        finally:
            route = scope.get("path_template") or OTHER
            self._metrics.count(route, status, time.perf_counter() - start)
