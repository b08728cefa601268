"""What operators see: the metrics by their names, of each model its own, and who checks the key of a request."""

import asyncio
import re
import threading
from collections.abc import Iterator

import pytest
from litestar.testing import TestClient
from prometheus_client.parser import text_string_to_metric_families

from models.cache import ByteCache
from models.scorer import Scorer
from service.api import auth
from service.api.app import create_app
from service.api.auth import ANYBODY, ApiKeys, Caller
from service.api.metrics import Engine, Metrics
from service.engine.batcher import Batcher
from service.engine.reranker import Reranker
from service.job import Job, Stages, Usage
from service.settings import Settings
from tests.support.engine import FixedThroughput, WordTokeniser, count_words

STAGES = Stages(tokenise_s=1, queue_s=2, inference_s=4, total_s=8)
USAGE = Usage(tokens=5, search_units=2, usd=0.25)
HTTP = {
    "rerank_http_requests_total": "counter",
    "rerank_http_request_duration_seconds": "histogram",
}
OF_MODEL = {
    "rerank_ready": "gauge",
    "rerank_requests_in_flight": "gauge",
    "rerank_queue_tokens": "gauge",
    "rerank_queue_pairs": "gauge",
    "rerank_throughput_tokens_per_second": "gauge",
    "rerank_inference_tokens_total": "counter",
    "rerank_inference_padding_tokens_total": "counter",
    "rerank_token_cache_bytes": "gauge",
    "rerank_token_cache_lookups_total": "counter",
    "rerank_token_cache_hits_total": "counter",
    "rerank_request_documents": "histogram",
    "rerank_stage_duration_seconds": "histogram",
    "rerank_tokens_total": "counter",
    "rerank_search_units_total": "counter",
    "rerank_cost_usd_total": "counter",
}
"""Operators' dashboards and alerts are written against these names: changing one breaks them."""


@pytest.fixture
def engine() -> Iterator[Engine]:
    """A model of the test's own, as the app puts it together: two pairs a batch, 100 tokens a second."""
    batcher = Batcher(
        count_words,
        inference_threads=1,
        max_batch_tokens=100,
        max_queue_tokens=1000,
        throughput=FixedThroughput(100),
    )
    reranker = Reranker(WordTokeniser(), batcher, max_documents=9, max_concurrent_requests=9)
    yield Engine(reranker, batcher, ByteCache(1000))
    reranker.close()


def samples(metrics: Metrics) -> set[str]:
    """Every line with a value."""
    return {line for line in metrics.text().decode().splitlines() if not line.startswith("#")}


def test_every_metric_by_its_name_and_type(engine: Engine) -> None:
    """Those of a model have its label and those of HTTP have not; every help text is a sentence."""
    metrics = Metrics("1.2.3")
    metrics.of_model("m", engine)
    metrics.count("/v1/rerank", 200, 0.1)
    text = metrics.text().decode()
    types = dict(re.findall(r"^# TYPE (rerank_\w+) (\w+)$", text, re.MULTILINE))
    created = {name for name in types if name.endswith("_created")}
    assert {name: kind for name, kind in types.items() if name not in created} == (
        HTTP | OF_MODEL | {"rerank_build_info": "gauge"}
    )
    assert 'rerank_build_info{version="1.2.3"} 1.0' in samples(metrics)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if family.name.startswith("rerank_"):
                is_of_model = family.name in OF_MODEL or f"{family.name}_total" in OF_MODEL
                assert (sample.labels.get("model") == "m") == is_of_model or sample.name.endswith("_created")
                assert family.documentation.endswith("."), family.name


def test_what_a_request_cost_is_counted_of_its_model(engine: Engine) -> None:
    """With each stage's seconds; another model in the same process has its own counts, from 0."""
    metrics = Metrics("1")
    one = metrics.of_model("one", engine)
    metrics.of_model("two", engine)
    one.observe(3, USAGE, STAGES)
    assert samples(metrics) >= {
        'rerank_search_units_total{model="one"} 2.0',
        'rerank_cost_usd_total{model="one"} 0.25',
        'rerank_tokens_total{model="one"} 5.0',
        'rerank_request_documents_sum{model="one"} 3.0',
        'rerank_stage_duration_seconds_sum{model="one",stage="tokenise"} 1.0',
        'rerank_stage_duration_seconds_sum{model="one",stage="queue"} 2.0',
        'rerank_stage_duration_seconds_sum{model="one",stage="inference"} 4.0',
        'rerank_tokens_total{model="two"} 0.0',
        'rerank_request_documents_sum{model="two"} 0.0',
    }


def test_the_engine_is_read_at_every_scrape(engine: Engine) -> None:
    """What waits, what was run with how much padding, and what the cache did."""
    metrics = Metrics("1")
    metrics.of_model("m", engine)
    assert samples(metrics) >= {'rerank_ready{model="m"} 0.0', 'rerank_inference_tokens_total{model="m"} 0.0'}

    async def ask() -> None:
        asking = asyncio.create_task(engine.reranker.rerank(Job(query="q", documents=["a b", "a"])))
        engine.reranker.ready = True
        while engine.batcher.queued_pairs < 2:
            await asyncio.sleep(0.001)
        assert samples(metrics) >= {
            'rerank_ready{model="m"} 1.0',
            'rerank_requests_in_flight{model="m"} 1.0',
            'rerank_queue_tokens{model="m"} 5.0',
            'rerank_queue_pairs{model="m"} 2.0',
            'rerank_throughput_tokens_per_second{model="m"} 100.0',
        }
        engine.reranker.open()
        await asking

    asyncio.run(asyncio.wait_for(ask(), 10))
    engine.token_cache.put("a", "x", 50)
    for key in ("a", "a", "b"):
        engine.token_cache.get(key)
    assert samples(metrics) >= {
        'rerank_requests_in_flight{model="m"} 0.0',
        'rerank_queue_pairs{model="m"} 0.0',
        'rerank_inference_tokens_total{model="m"} 6.0',
        'rerank_inference_padding_tokens_total{model="m"} 1.0',
        'rerank_token_cache_bytes{model="m"} 300.0',
        'rerank_token_cache_lookups_total{model="m"} 3.0',
        'rerank_token_cache_hits_total{model="m"} 2.0',
    }


def test_answers_are_counted_by_route_and_status() -> None:
    """Without a model: most routes have none."""
    metrics = Metrics("1")
    for status in (200, 200, 429):
        metrics.count("/v1/rerank", status, 0.5)
    assert samples(metrics) >= {
        'rerank_http_requests_total{route="/v1/rerank",status="200"} 2.0',
        'rerank_http_requests_total{route="/v1/rerank",status="429"} 1.0',
        'rerank_http_request_duration_seconds_sum{route="/v1/rerank"} 1.5',
    }


def test_keys_are_checked_on_the_event_loop(scorer: Scorer) -> None:
    """A thread for each request would cost four times as much, and two threads would race for the file."""
    threads: list[str] = []

    class Watched(ApiKeys):
        def check(self, _: str | None) -> Caller:
            threads.append(threading.current_thread().name)
            return ANYBODY

    app = create_app(scorer.model, Settings(), Watched(["k"]), lambda _: None)
    with TestClient(app) as client:
        client.get("/health")
        client.get("/info")
        client.get("/v1/models")
    assert len(set(threads)) == 1
    assert len(threads) == 2, "health is open"
    assert auth.LOOK_EVERY_S == 1.0
