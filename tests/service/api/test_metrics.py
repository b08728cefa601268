"""What operators see of a request, and who checks its key."""

import threading

from litestar.testing import TestClient

from models.scorer import Scorer
from service.api import auth
from service.api.app import create_app
from service.api.auth import ANYBODY, ApiKeys, Caller
from service.api.metrics import Metrics, server_timing
from service.job import Stages, Usage
from service.settings import Settings

STAGES = Stages(tokenise_s=1, queue_s=2, inference_s=4, total_s=8)


def test_metrics_count_what_a_request_cost_and_each_stage() -> None:
    """Under their own names."""
    metrics = Metrics()
    metrics.observe(3, Usage(tokens=5, search_units=2, usd=0.25), STAGES)
    text = metrics.text().decode()
    for line in (
        *("rerank_search_units_total 2.0", "rerank_cost_usd_total 0.25", "rerank_tokens_total 5.0"),
        *("rerank_documents_sum 3.0", 'rerank_stage_seconds_sum{stage="tokenise"} 1.0'),
        *('rerank_stage_seconds_sum{stage="queue"} 2.0', 'rerank_stage_seconds_sum{stage="inference"} 4.0'),
    ):
        assert f"{line}\n" in text


def test_stage_times_are_milliseconds() -> None:
    """As W3C's Server Timing has them."""
    assert server_timing(STAGES) == (
        "tokenise;dur=1000.000, queue;dur=2000.000, inference;dur=4000.000, total;dur=8000.000"
    )


def test_keys_are_checked_on_the_event_loop(scorer: Scorer) -> None:
    """A thread for each request would cost four times as much, and two threads would race for the file."""
    threads: list[str] = []

    class Watched(ApiKeys):
        def check(self, _: str | None) -> Caller:
            threads.append(threading.current_thread().name)
            return ANYBODY

    app = create_app(scorer, Settings(), Watched(["k"]), lambda _: None)
    with TestClient(app) as client:
        client.get("/health")
        client.get("/info")
        client.get("/v1/models")
    assert len(set(threads)) == 1
    assert len(threads) == 2, "health is open"
    assert auth.LOOK_EVERY_S == 1.0
