"""The composition of the app: besides `commands/`, the only place that knows the concrete classes.

The server listens before the model is warmed up, so that /health answers at once and /ready answers 503 until then. A
failed warm-up is passed to the caller, which stops the server with an error.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from litestar import Litestar, Router
from litestar.config.cors import CORSConfig
from litestar.di import Provide
from litestar.static_files import create_static_files_router
from litestar.types import ASGIApp

from models.artefact import ArtefactError
from models.loaded_model import LoadedModel
from service.api.auth import ApiKeys
from service.api.error_handler import on_error
from service.api.guard import key_guard
from service.api.info import ServedModel, describe, own_version
from service.api.metrics import Engine, Metrics
from service.api.middleware import MetricsMiddleware
from service.api.openapi import BodyChoiceSchema, openapi
from service.api.pages.playground import playground
from service.api.pages.report import report
from service.api.request import JsonRequest
from service.api.request_handler import RequestHandler
from service.api.routes.ranking import ranking_routes
from service.api.routes.state import STATE_ROUTES
from service.api.worker_metrics import Worker, WorkerMetrics
from service.engine.batcher import Batcher
from service.engine.reranker import Reranker
from service.engine.score_cache import ScoreCache
from service.settings import Settings

log = logging.getLogger(__name__)

SWAGGER_UI = Path(__file__).parent / "pages" / "static" / "swagger-ui"
DOCS = "/docs"
EXPOSED = (
    *("Server-Timing", "Retry-After", "X-Compute-Type", "X-Compute-Time", "X-Compute-Characters", "X-Compute-Tokens"),
    *("X-Total-Time", "X-Tokenization-Time", "X-Queue-Time", "X-Inference-Time"),
)
"""Response headers that pages of other origins may read."""


def create_app(
    model: LoadedModel,
    settings: Settings,
    keys: ApiKeys,
    on_failure: Callable[[ArtefactError], None],
    worker: Worker | None = None,
) -> ASGIApp:
    """Build the ASGI app around a loaded model.

    Args:
        model: the loaded model, not yet warmed up.
        settings: the settings of the service.
        keys: the API keys.
        on_failure: called on the event loop if the warm-up fails; should stop the server.
        worker: this worker process, if there are several.
    """
    served = describe(model, settings)
    batcher = Batcher(
        model.session.run,
        inference_threads=model.session.inference_threads,
        max_batch_tokens=model.session.max_batch_tokens,
        max_queue_tokens=settings.max_queue_tokens,
        run_single=model.session.run_single,
        length_multiple=model.session.device.length_multiple,
    )
    reranker = Reranker(
        model.tokeniser.chunked_pairs,
        batcher,
        max_documents=settings.max_documents,
        max_concurrent_requests=settings.max_concurrent_requests,
        max_tokens=model.tokeniser.max_tokens,
        models=served.names if settings.strict_model else None,
        usd_per_million_tokens=served.usd_per_million_tokens,
        scores=ScoreCache(settings.score_cache_mb * 2**20) if settings.score_cache_mb else None,
    )
    metrics = Metrics(own_version())
    model_metrics = metrics.of_model(served.name, Engine(reranker, batcher, model.tokeniser.cache))
    worker_metrics = WorkerMetrics(worker, metrics.text)
    handler = RequestHandler(
        reranker, model_metrics, served, max_documents=settings.max_documents, deadline_ms=settings.deadline_ms
    )
    guard = key_guard(
        keys,
        open_health=settings.open_health,
        open_metrics=settings.open_metrics,
        open_models=settings.open_models,
    )
    litestar = Litestar(
        route_handlers=[
            Router("/", route_handlers=[*ranking_routes(handler), *STATE_ROUTES], guards=[guard]),
            create_static_files_router(f"{DOCS}/assets", [SWAGGER_UI], include_in_schema=False),
            playground(),
            *([report(settings.bench_dir)] if settings.bench_dir else []),
        ],
        dependencies=_provide(reranker, served, worker_metrics),
        cors_config=_cors(settings.cors_origins),
        exception_handlers={Exception: on_error},
        lifespan=[_lifespan(model, batcher, reranker, on_failure), lambda _: worker_metrics.listening()],
        request_class=JsonRequest,
        request_max_body_size=settings.max_body_bytes,
        openapi_config=openapi(DOCS),
        plugins=[BodyChoiceSchema()],
        logging_config=None,
    )
    return MetricsMiddleware(litestar, metrics)


def _provide(reranker: Reranker, served: ServedModel, worker_metrics: WorkerMetrics) -> dict[str, Provide]:
    """Inject the app's objects into the handlers by parameter name."""
    return {
        "reranker": Provide(lambda: reranker, sync_to_thread=False),
        "worker_metrics": Provide(lambda: worker_metrics, sync_to_thread=False),
        "served": Provide(lambda: served, sync_to_thread=False),
    }


def _cors(origins: Sequence[str]) -> CORSConfig | None:
    """Allow pages of these origins to send requests and to read the response headers."""
    if not origins:
        return None
    return CORSConfig(allow_origins=list(origins), allow_methods=["GET", "POST"], expose_headers=list(EXPOSED))


def _lifespan(
    model: LoadedModel, batcher: Batcher, reranker: Reranker, on_failure: Callable[[ArtefactError], None]
) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    """Warm up while already listening; on shutdown, admit no more requests and finish those queued."""

    async def warm_up() -> None:
        start = time.perf_counter()
        try:
            await asyncio.to_thread(model.warm_up)
        except ArtefactError as error:
            on_failure(error)
        except Exception as error:  # noqa: BLE001 - otherwise the server would silently never be ready
            on_failure(ArtefactError(f"the warm-up of the model failed: {error}"))
        else:
            batcher.retune(model.session.max_batch_tokens, model.session.run_cost_tokens)
            reranker.open()
            log.info("ready after a warm-up of %.0f ms", 1000 * (time.perf_counter() - start))

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        warming = asyncio.create_task(warm_up())
        yield
        await warming
        await asyncio.to_thread(reranker.close)

    return lifespan
