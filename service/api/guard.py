"""The key check in front of the routes: before a body is read, so that a stranger costs a header's reading only."""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from service.api.auth import ApiKeys

OPEN = "open"
"""Key of a route's `opt`: which setting may leave it open where keys are needed."""
HEALTH, METRICS, MODELS, ALWAYS = "health", "metrics", "models", "always"

CALLER = "caller"
"""Key of a request's state: whose it is."""
Connection = ASGIConnection[Any, Any, Any, Any]
Guard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]


def key_guard(keys: ApiKeys, *, open_health: bool, open_metrics: bool, open_models: bool) -> Guard:
    """Make Litestar's guard of the keys; it raises Unauthorized.

    A coroutine: Litestar would run a plain function in a thread for each request, at four times the cost.
    """
    chosen = ((HEALTH, open_health), (METRICS, open_metrics), (MODELS, open_models), (ALWAYS, True))
    left_open = {kind for kind, is_open in chosen if is_open}

    async def guard(connection: Connection, handler: BaseRouteHandler) -> None:
        if handler.opt.get(OPEN) not in left_open:
            connection.state[CALLER] = keys.check(connection.headers.get("authorization"))

    return guard
