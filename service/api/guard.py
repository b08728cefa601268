"""The API key check in front of the routes; it runs before the body is read, so a rejected request costs little."""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from service.api.auth import ApiKeys

OPEN = "open"
"""Key of a route's `opt`: the setting that may open the route when keys are required."""
HEALTH, METRICS, MODELS, ALWAYS = "health", "metrics", "models", "always"

CALLER = "caller"
"""Key of a request's state: its caller."""
Connection = ASGIConnection[Any, Any, Any, Any]
Guard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]


def key_guard(keys: ApiKeys, *, open_health: bool, open_metrics: bool, open_models: bool) -> Guard:
    """Make a Litestar guard that checks the keys and raises Unauthorized.

    It is a coroutine, since Litestar runs a plain function in a thread for each request, at four times the cost.
    """
    chosen = ((HEALTH, open_health), (METRICS, open_metrics), (MODELS, open_models), (ALWAYS, True))
    left_open = {kind for kind, is_open in chosen if is_open}

    async def guard(connection: Connection, handler: BaseRouteHandler) -> None:
        if handler.opt.get(OPEN) not in left_open:
            connection.state[CALLER] = keys.check(connection.headers.get("authorization"))

    return guard
