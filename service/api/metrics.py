"""The Prometheus metrics: every name, unit, label and help text.

Names follow Prometheus' conventions (https://prometheus.io/docs/practices/naming): base units, `_total` for counters,
and two counters in place of a ratio, since their rates can be divided over any period and summed over workers. Metrics
of a model have the label `model`, the served model's name and never one that a client sent; several models can share a
registry. The registry is not the global one, so tests and several apps in a process do not share counts.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from models.cache import ByteCache
from service.engine.batcher import Batcher
from service.engine.reranker import Reranker
from service.job import Stages, Usage

MODEL = "model"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
DOCUMENTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class Engine(NamedTuple):
    """The objects of one model whose state is read on every scrape."""

    reranker: Reranker
    batcher: Batcher
    token_cache: ByteCache[Any, Any]


class Reading(NamedTuple):
    """A metric whose value is read from the engine on every scrape."""

    name: str
    help: str
    read: Callable[[Engine], float]

    def family(self) -> GaugeMetricFamily | CounterMetricFamily:
        """Make the metric without samples: a counter if its name ends in `_total`, else a gauge."""
        kind = CounterMetricFamily if self.name.endswith("_total") else GaugeMetricFamily
        return kind(self.name, self.help, labels=[MODEL])


READINGS = (
    Reading("rerank_ready", "1 once the model is warmed up, otherwise 0.", lambda engine: engine.reranker.ready),
    Reading(
        "rerank_requests_in_flight",
        "Number of rerank requests in flight.",
        lambda engine: engine.reranker.in_flight,
    ),
    Reading("rerank_queue_tokens", "Number of tokens in the queue.", lambda engine: engine.batcher.queued_tokens),
    Reading(
        "rerank_queue_pairs", "Number of query-document pairs in the queue.", lambda engine: engine.batcher.queued_pairs
    ),
    Reading(
        "rerank_throughput_tokens_per_second",
        "Measured throughput in tokens per second.",
        lambda engine: engine.batcher.tokens_per_s,
    ),
    Reading(
        "rerank_inference_tokens_total",
        "Total tokens processed by the model, padding included.",
        lambda engine: engine.batcher.run_tokens,
    ),
    Reading(
        "rerank_inference_padding_tokens_total",
        "Total padding tokens processed by the model.",
        lambda engine: engine.batcher.padding_tokens,
    ),
    Reading(
        "rerank_token_cache_bytes", "Memory used by the token cache in bytes.", lambda engine: engine.token_cache.bytes
    ),
    Reading(
        "rerank_token_cache_lookups_total",
        "Total token cache lookups, one per document.",
        lambda engine: engine.token_cache.hits + engine.token_cache.misses,
    ),
    Reading("rerank_token_cache_hits_total", "Total token cache hits.", lambda engine: engine.token_cache.hits),
)


class ModelMetrics(NamedTuple):
    """The metrics of one model's answered requests."""

    documents: Histogram
    tokens: Counter
    search_units: Counter
    cost_usd: Counter
    tokenise_seconds: Histogram
    queue_seconds: Histogram
    inference_seconds: Histogram

    def observe(self, documents: int, usage: Usage, stages: Stages) -> None:
        """Count one answered rerank request."""
        self.documents.observe(documents)
        self.tokens.inc(usage.tokens)
        self.search_units.inc(usage.search_units)
        self.cost_usd.inc(usage.usd or 0)
        self.tokenise_seconds.observe(stages.tokenise_s)
        self.queue_seconds.observe(stages.queue_s)
        self.inference_seconds.observe(stages.inference_s)


class _Engines(Collector):
    """The readings of every model's engine."""

    def __init__(self) -> None:
        self.by_model: dict[str, Engine] = {}

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        for reading in READINGS:
            family = reading.family()
            for model, engine in self.by_model.items():
                family.add_metric([model], reading.read(engine))
            yield family


class Metrics:
    """Every metric of a process, in a registry of its own."""

    def __init__(self, version: str) -> None:
        """Make the metrics; `version` is the server's."""
        self._registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)
        Info("rerank_build", "Version of the server.", registry=self._registry).info({"version": version})
        self._engines = _Engines()
        self._registry.register(self._engines)
        self._http_requests = self._counter("rerank_http_requests_total", "Total HTTP requests.", "route", "status")
        self._http_seconds = self._histogram(
            "rerank_http_request_duration_seconds",
            "Duration of HTTP requests in seconds, from the end of the request headers to the end of the response.",
            SECONDS,
            "route",
        )
        self._documents = self._histogram(
            "rerank_request_documents", "Number of documents per rerank request.", DOCUMENTS, MODEL
        )
        self._stage_seconds = self._histogram(
            "rerank_stage_duration_seconds",
            "Time that rerank requests spent in each stage, in seconds: tokenise, queue, inference.",
            SECONDS,
            MODEL,
            "stage",
        )
        self._tokens = self._counter(
            "rerank_tokens_total", "Total tokens of answered rerank requests, special tokens included.", MODEL
        )
        self._search_units = self._counter(
            "rerank_search_units_total",
            "Total search units of answered rerank requests: one per query with up to 100 documents, as Cohere bills.",
            MODEL,
        )
        self._cost_usd = self._counter(
            "rerank_cost_usd_total",
            "Total cost of answered rerank requests in US dollars, at the model's hosted price; 0 if it has none.",
            MODEL,
        )

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(name, help_text, labels, registry=self._registry)

    def _histogram(self, name: str, help_text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, help_text, labels, buckets=buckets, registry=self._registry)

    def of_model(self, model: str, engine: Engine) -> ModelMetrics:
        """Add a model: its counters start at 0, and its engine's state is read on every scrape."""
        self._engines.by_model[model] = engine
        return ModelMetrics(
            documents=self._documents.labels(model),
            tokens=self._tokens.labels(model),
            search_units=self._search_units.labels(model),
            cost_usd=self._cost_usd.labels(model),
            tokenise_seconds=self._stage_seconds.labels(model, "tokenise"),
            queue_seconds=self._stage_seconds.labels(model, "queue"),
            inference_seconds=self._stage_seconds.labels(model, "inference"),
        )

    def count(self, route: str, status: int, seconds: float) -> None:
        """Count one HTTP response."""
        self._http_requests.labels(route, str(status)).inc()
        self._http_seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)
