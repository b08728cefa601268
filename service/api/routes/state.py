"""The routes that report the server's state: liveness, readiness, the model, and metrics."""

import msgspec
from litestar import MediaType, Response, get, head
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath

from service.api.guard import ALWAYS, HEALTH, METRICS, MODELS, OPEN
from service.api.info import ModelInfo, ServedModel
from service.api.routes.described import error_responses
from service.api.worker_metrics import WorkerMetrics
from service.dialects.unified import UNIFIED
from service.dialects.xinference import ListedModel, ModelList, NeedsKey
from service.engine.reranker import Reranker
from service.errors import WarmingUp

ERRORS = error_responses(UNIFIED)
NOT_READY: dict[int, ResponseSpec] = {status: ERRORS[status] for status in (401, 503)}
NOT_KNOWN: dict[int, ResponseSpec] = {status: ERRORS[status] for status in (400, 401, 404)}
NO_KEY: dict[int, ResponseSpec] = {401: ERRORS[401]}


class Alive(msgspec.Struct, kw_only=True):
    """The state of the server."""

    status: str


@get(["/health", "/ping", "/v1/health/live"], summary="Is the server alive?", responses=NO_KEY, opt={OPEN: HEALTH})
async def health() -> Alive:
    """Answer 200 as long as the process is running."""
    return Alive(status="ok")


@get(["/ready", "/v1/health/ready"], summary="Is the model warmed up?", responses=NOT_READY, opt={OPEN: HEALTH})
async def ready(reranker: NamedDependency[Reranker]) -> Alive:
    """Answer 200 once the model is warmed up, 503 before. A server that is shutting down accepts no connections."""
    _check_ready(reranker)
    return Alive(status="ready")


@head(["/health", "/ping", "/v1/health/live"], include_in_schema=False, opt={OPEN: HEALTH})
async def health_without_body() -> None:
    """Answer load balancers that probe with HEAD."""


@head(["/ready", "/v1/health/ready"], include_in_schema=False, opt={OPEN: HEALTH})
async def ready_without_body(reranker: NamedDependency[Reranker]) -> None:
    """Answer load balancers that probe with HEAD."""
    _check_ready(reranker)


def _check_ready(reranker: Reranker) -> None:
    if not reranker.ready:
        raise WarmingUp


@get("/info", summary="The served model and the limits", responses=NO_KEY)
async def info(served: NamedDependency[ServedModel]) -> ModelInfo:
    """Describe the served model and the limits, with the field names of text-embeddings-inference where it has them."""
    return served.info


@get(
    ["/v1/models", "/models"], summary="The served model, in OpenAI's list format", responses=NO_KEY, opt={OPEN: MODELS}
)
async def models(served: NamedDependency[ServedModel]) -> ModelList:
    """List the served model under its name and its aliases."""
    return served.listing


@get("/v1/models/{model:path}", summary="One model, in Xinference's format", responses=NOT_KNOWN)
async def model_by_name(model: FromPath[str], served: NamedDependency[ServedModel]) -> ListedModel:
    """Describe the served model under the requested name."""
    return served.listed(model.removeprefix("/"))


@get("/v1/cluster/auth", summary="Are API keys required? (for Xinference's clients)", opt={OPEN: ALWAYS})
async def needs_key(served: NamedDependency[ServedModel]) -> NeedsKey:
    """Report whether the other routes require an API key."""
    return NeedsKey(auth=served.keys_required)


@get("/metrics", media_type=MediaType.TEXT, summary="Prometheus metrics", responses=NO_KEY, opt={OPEN: METRICS})
async def prometheus(worker_metrics: NamedDependency[WorkerMetrics]) -> Response[bytes]:
    """Return all metrics in Prometheus' text format."""
    return Response(await worker_metrics.metrics(), media_type="text/plain; version=0.0.4")


STATE_ROUTES = [
    *(health, health_without_body, ready, ready_without_body),
    *(info, models, model_by_name, needs_key),
    prometheus,
]
