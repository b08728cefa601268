"""What operators see: Prometheus metrics, `Server-Timing`, and the log's shape.

The registry is an object of its own, made per app, so that tests and several apps in one process do not share counts.
Names follow Prometheus' conventions: base units (seconds, tokens), `_total` for counters.
"""

import logging
from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from service.job import Stages, Usage

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
DOCUMENTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class Metrics:
    """Every metric of the service, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)
        self.requests = Counter(
            "rerank_requests_total", "HTTP requests by route and status.", ["route", "status"], registry=self._registry
        )
        self.request_seconds = Histogram(
            "rerank_request_seconds",
            "Seconds from the end of a request's headers to the end of its answer.",
            ["route"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self.stage_seconds = Histogram(
            "rerank_stage_seconds",
            "Seconds that a rerank request spent in a stage: tokenise (its wait for a thread too), queue, inference.",
            ["stage"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self.documents = Histogram(
            "rerank_documents", "Documents of a rerank request.", buckets=DOCUMENTS, registry=self._registry
        )
        self.tokens = Counter(
            "rerank_tokens_total", "Tokens given to the model, special tokens included.", registry=self._registry
        )
        self.search_units = Counter(
            "rerank_search_units_total",
            "Queries with up to 100 documents each, as Cohere bills them.",
            registry=self._registry,
        )
        self.cost_usd = Counter(
            "rerank_cost_usd_total",
            "The tokens at the price of the model's card; 0 where it has none.",
            registry=self._registry,
        )

    def watch(self, name: str, title: str, read: Callable[[], float]) -> None:
        """Read a gauge off the object that it describes whenever somebody scrapes."""
        Gauge(name, title, registry=self._registry).set_function(read)

    def count(self, route: str, status: int, seconds: float) -> None:
        """Count one HTTP answer."""
        self.requests.labels(route, str(status)).inc()
        self.request_seconds.labels(route).observe(seconds)

    def observe(self, documents: int, usage: Usage, stages: Stages) -> None:
        """Count one answered rerank request."""
        self.documents.observe(documents)
        self.tokens.inc(usage.tokens)
        self.search_units.inc(usage.search_units)
        self.cost_usd.inc(usage.usd or 0)
        self.stage_seconds.labels("tokenise").observe(stages.tokenise_s)
        self.stage_seconds.labels("queue").observe(stages.queue_s)
        self.stage_seconds.labels("inference").observe(stages.inference_s)

    def text(self) -> bytes:
        """Every metric in Prometheus' text format."""
        return generate_latest(self._registry)


def server_timing(stages: Stages) -> str:
    """The `Server-Timing` header: milliseconds by stage (W3C Server Timing, `dur`)."""
    parts = {
        "tokenise": stages.tokenise_s,
        "queue": stages.queue_s,
        "inference": stages.inference_s,
        "total": stages.total_s,
    }
    return ", ".join(f"{name};dur={seconds * 1000:.3f}" for name, seconds in parts.items())


def configure_logging(level: str) -> None:
    """Log to stderr, one line an event, from `level` up."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=level.upper(), force=True)
