"""Under load, on the real server: small before large, deadlines, and what the metrics tell of it."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.support.server import Server
from tests.support.texts import PASSAGES, QUERY

LARGE = [f"{number} " + "bamboo " * 300 for number in range(120)]
"""Seconds of work, some two on a fast machine."""
PATIENT = {"X-Request-Timeout-Ms": "600000"}


@contextmanager
def large_request(server: Server) -> Iterator[threading.Thread]:
    """A server, whose pace is measured, at work on a large request."""

    def ask(documents: list[str]) -> httpx.Response:
        body = {"query": QUERY, "documents": documents}
        return server.client.post("/v1/rerank", json=body, headers=PATIENT, timeout=600)

    ask(PASSAGES)
    answers: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: answers.append(ask(LARGE)))
    thread.start()
    while 'rerank_queue_pairs{model="embedded"} 0.0' in server.client.get("/metrics").text:
        time.sleep(0.005)
    yield thread
    thread.join()
    assert answers[0].status_code == 200


def test_a_small_request_does_not_wait_for_a_large_one(server: Server) -> None:
    """It comes later and is answered earlier, with the scores that it has alone."""
    alone = server.scores(QUERY, PASSAGES)
    with large_request(server) as large:
        for _ in range(5):
            assert server.scores(QUERY, PASSAGES) == alone
        assert large.is_alive()


def test_what_cannot_be_in_time_is_refused_at_once(server: Server) -> None:
    """By the client's own word for how long it waits: with a time to come back, long before the large one is done."""
    headers = {"X-Request-Timeout-Ms": "200"}
    with large_request(server) as large:
        for path, body in (("/v1/rerank", {"documents": LARGE}), ("/rerank", {"texts": LARGE})):
            refused = server.client.post(path, json={"query": QUERY} | body, headers=headers)
            assert refused.status_code == 429, path
            assert int(refused.headers["retry-after"]) >= 1
            assert "cannot be processed by its deadline" in refused.text
        assert large.is_alive()


def test_a_deadline_for_all_is_a_setting() -> None:
    """A header may still give more."""
    with Server("--deadline-ms", "200") as hurried, large_request(hurried):
        assert hurried.rerank(QUERY, LARGE).status_code == 429
        body = {"query": QUERY, "documents": PASSAGES}
        assert hurried.client.post("/v1/rerank", json=body, headers=PATIENT).status_code == 200


def test_the_caches_and_the_pace_are_told() -> None:
    """After the same documents twice: the second look-ups found them, the first and the warm-up's did not."""
    with Server("--score-cache-mb", "1") as fresh:
        first, second = (fresh.scores(QUERY, PASSAGES) for _ in range(2))
        metrics = fresh.client.get("/metrics").text
    assert first == second
    values = dict(re.findall(r'^(\w+){model="embedded"} (\S+)$', metrics, re.MULTILINE))
    assert float(values["rerank_token_cache_hits_total"]) == len(PASSAGES)
    assert float(values["rerank_token_cache_lookups_total"]) == 2 * len(PASSAGES) + 1
    assert float(values["rerank_token_cache_bytes"]) > 0
    assert float(values["rerank_throughput_tokens_per_second"]) > 0
    assert float(values["rerank_inference_tokens_total"]) > 0
    assert float(values["rerank_inference_padding_tokens_total"]) == 0
