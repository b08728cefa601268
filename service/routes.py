"""The HTTP routes, and the one place where an error becomes an answer.

A handler names the shape of its body (`data`) and of its answer, from which the OpenAPI document is made.
"""

import logging
from typing import Any

import msgspec
from litestar import MediaType, Request, Response, get, head, post
from litestar.exceptions import HTTPException
from litestar.openapi.datastructures import ResponseSpec
from litestar.status_codes import HTTP_413_REQUEST_ENTITY_TOO_LARGE

from service.dialects import unified
from service.errors import (
    BodyTooLarge,
    InternalError,
    InvalidRequest,
    MalformedBody,
    NotFound,
    NotReady,
    RerankError,
    WrongMethod,
)
from service.info import ModelInfo, ModelList, ServedModel
from service.request import JsonRequest
from service.rerank import Reranker
from service.telemetry import Metrics, server_timing

log = logging.getLogger(__name__)


class Alive(msgspec.Struct, kw_only=True):
    """The state of the server."""

    status: str


def _error(description: str) -> ResponseSpec:
    return ResponseSpec(unified.ErrorBody, description=description, generate_examples=False)


ERRORS = {
    400: _error("The body is not JSON."),
    413: _error("The body is over the limit."),
    415: _error("The body is not declared as JSON."),
    422: _error("JSON, but not a request that can be answered; `error.param` names the field."),
    429: _error("No room now; `Retry-After` tells when to come back."),
    500: _error("The model failed on this request, or the server has a bug."),
    503: _error("Warming up, or shutting down; `Retry-After` tells when to come back."),
}


@post(["/v1/rerank", "/rerank"], status_code=200, summary="Order documents by relevance", responses=ERRORS)
async def rerank(
    data: unified.RerankRequest, request: JsonRequest, reranker: Reranker, metrics: Metrics, served: ServedModel
) -> Response[unified.RerankResponse]:
    """Order documents by their relevance to a query, best first.

    The layout is what Cohere v1, Jina, Infinity and vLLM clients send and read. `Server-Timing` gives the stages'
    milliseconds.
    """
    job = unified.job(data)
    ranking = await request.while_connected(reranker.rerank(job))
    metrics.observe(len(job.documents), ranking.tokens, ranking.stages)
    return Response(unified.answer(job, ranking, served.name), headers={"Server-Timing": server_timing(ranking.stages)})


@get("/health", summary="Is the server alive?")
async def health() -> Alive:
    """Answer 200 as long as the process can answer at all."""
    return Alive(status="ok")


@get("/ready", summary="Is the model warmed up?", responses={503: ERRORS[503]})
async def ready(reranker: Reranker) -> Alive:
    """Answer 200 once the model is warmed up, 503 before; a server that shuts down takes no connections."""
    _check_ready(reranker)
    return Alive(status="ready")


@head("/health", include_in_schema=False)
async def health_without_body() -> None:
    """Answer load balancers that probe with HEAD."""


@head("/ready", include_in_schema=False)
async def ready_without_body(reranker: Reranker) -> None:
    """Answer load balancers that probe with HEAD."""
    _check_ready(reranker)


def _check_ready(reranker: Reranker) -> None:
    if not reranker.ready:
        raise NotReady("the model is still warming up", retry_after_s=1)


@get("/info", summary="The served model and the limits")
async def info(served: ServedModel) -> ModelInfo:
    """Describe the served model and the limits, in the words of text-embeddings-inference where it has them."""
    return served.info


@get("/v1/models", summary="The served model, as OpenAI lists models")
async def models(served: ServedModel) -> ModelList:
    """List the served model."""
    return served.listing


@get("/metrics", media_type=MediaType.TEXT, summary="Prometheus metrics")
async def prometheus(metrics: Metrics) -> Response[bytes]:
    """Give every metric in Prometheus' text format."""
    return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


ROUTES = [rerank, health, health_without_body, ready, ready_without_body, info, models, prometheus]


def on_error(request: Request[Any, Any, Any], error: Exception) -> Response[unified.ErrorBody]:
    """Answer any exception in the dialect's error body; a bug is logged with its trace and told without."""
    told = _told(request, error)
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if told.retry_after_s is not None:
        headers["Retry-After"] = str(told.retry_after_s)
    return Response(unified.error_body(told), status_code=told.status, headers=headers, media_type=MediaType.JSON)


def _told(request: Request[Any, Any, Any], error: Exception) -> RerankError:
    """Say in our words what the framework, or a bug, raised."""
    if isinstance(error, RerankError):
        return error
    status = error.status_code if isinstance(error, HTTPException) else 500
    path = request.url.path
    if status == 404:
        return NotFound(f"there is nothing at {path}: GET /docs lists what there is")
    if status == 405:
        return WrongMethod(f"{path} does not take {request.method}: GET /docs tells which method it takes")
    if status == HTTP_413_REQUEST_ENTITY_TOO_LARGE:
        limit = request.app.request_max_body_size
        return BodyTooLarge(f"the body is larger than {limit} bytes (max_body_bytes): send fewer or shorter documents")
    if status == 400 and isinstance(error, HTTPException):
        return MalformedBody("the body is empty: send a JSON object")
    if status < 500 and isinstance(error, HTTPException):
        return InvalidRequest(error.detail)
    log.error("%s %s failed", request.method, path, exc_info=error)
    return InternalError("the server failed on this request; its log tells why")
