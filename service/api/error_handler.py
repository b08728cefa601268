"""The one place where an error becomes a response, with the error body and the status of the request's dialect.

The dialect is named in the route's `opt`, or chosen by the body if the route serves several; for a path that does not
exist it is the unified one. A bug is logged with its traceback, which the response leaves out.
"""

import logging
from typing import Any

import msgspec
from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException
from litestar.status_codes import HTTP_413_REQUEST_ENTITY_TOO_LARGE

from service.api.request import DIALECT
from service.dialects.dialect import AnyDialect
from service.dialects.unified import UNIFIED
from service.errors import (
    InternalError,
    InvalidRequest,
    MalformedBody,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    RerankError,
    Unauthorized,
)

log = logging.getLogger(__name__)


def on_error(request: Request[Any, Any, Any], error: Exception) -> Response[msgspec.Struct]:
    """Turn any exception into a response."""
    rerank_error = to_rerank_error(request, error)
    dialect = _dialect(request)
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if rerank_error.retry_after_s is not None:
        headers["Retry-After"] = str(rerank_error.retry_after_s)
    if isinstance(rerank_error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    body, status = dialect.error_body(rerank_error), dialect.status(rerank_error)
    return Response(body, status_code=status, headers=headers, media_type=MediaType.JSON)


def _dialect(request: Request[Any, Any, Any]) -> AnyDialect:
    """Find the dialect of the body, else that of the route, else the unified one."""
    handler = request.scope.get("route_handler")
    route_dialect = handler.opt.get(DIALECT, UNIFIED) if handler is not None else UNIFIED
    dialect: AnyDialect = request.scope.get("state", {}).get(DIALECT, route_dialect)
    return dialect


def to_rerank_error(request: Request[Any, Any, Any], error: Exception) -> RerankError:
    """Convert an exception of the framework, or a bug, into a RerankError."""
    if isinstance(error, RerankError):
        return error
    status = error.status_code if isinstance(error, HTTPException) else 500
    path = request.url.path
    if status == 404:
        return NotFound(f"{path} does not exist: see GET /docs for the API")
    if status == 405:
        return MethodNotAllowed(f"{path} does not support {request.method}: see GET /docs for the API")
    if status == HTTP_413_REQUEST_ENTITY_TOO_LARGE:
        limit = request.app.request_max_body_size
        return PayloadTooLarge(
            f"the body is larger than {limit} bytes (max_body_bytes): send fewer or shorter documents"
        )
    if status == 400 and isinstance(error, HTTPException):
        return MalformedBody(error.detail)
    if status < 500 and isinstance(error, HTTPException):
        return InvalidRequest(error.detail)
    log.error("%s %s failed", request.method, path, exc_info=error)
    return InternalError("the server failed on this request; see its log for the cause")
