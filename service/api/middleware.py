"""The outermost layer: every answer counted by route and status, with its time, whoever made it.

A plain ASGI wrapper, since the framework's own middleware does not see a 404 or a body over the limit.
"""

import time

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from service.api.metrics import Metrics

OTHER = "other"
"""The route label of every path that does not exist, so that a scanner cannot fill the registry."""


class MetricsMiddleware:
    """Count and time the answers of an app by the route that took them, which the framework notes in the scope."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on; note the status on the way back."""
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
