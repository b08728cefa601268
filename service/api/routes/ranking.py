"""The routes that rank and score; one handler serves every dialect."""

from typing import Any

from litestar import Response, post
from litestar.handlers import HTTPRouteHandler

from service.api.request import DIALECT, JsonRequest
from service.api.request_handler import RequestHandler
from service.api.routes.described import body_description, responses
from service.dialects.catalogue import DIALECTS
from service.dialects.dialect import AnyDialect


def ranking_routes(handler: RequestHandler) -> list[HTTPRouteHandler]:
    """Make the routes of all dialects in the catalogue."""
    return [make_route(dialect, handler) for dialect in DIALECTS]


def make_route(dialect: AnyDialect, handler: RequestHandler) -> HTTPRouteHandler:
    """Make the route for all paths of a dialect, described in the OpenAPI document by its types and examples."""

    async def answer(request: JsonRequest) -> Response[Any]:
        return await handler.answer(request, dialect)

    answer.__name__ = dialect.name  # with the path, the operation's id in the OpenAPI document
    return post(
        list(dialect.paths),
        summary=dialect.summary,
        description=dialect.description,
        status_code=200,
        tags=["ranking"],
        responses=responses(dialect),
        dependencies=body_description(dialect),
        opt={DIALECT: dialect},
    )(answer)
