"""The running server: started as a user starts it, and asked over HTTP; `test_shutdown.py` stops it."""

import random
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import httpx
import numpy as np
import pytest

from models.scorer import Scorer
from tests.support.server import Server, run_rerank
from tests.support.texts import BEST, ODD, PASSAGES, QUERY
from tests.support.tiny import make_artefact


def test_five_passages_come_back_in_the_right_order(server: Server) -> None:
    """What the README's first curl does."""
    body = server.rerank(QUERY, PASSAGES).json()
    assert body["results"][0]["index"] == BEST
    scores = [result["relevance_score"] for result in body["results"]]
    assert scores == sorted(scores, reverse=True)
    assert {result["index"] for result in body["results"]} == set(range(len(PASSAGES)))
    assert body["usage"]["prompt_tokens"] == body["usage"]["total_tokens"] > 0


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank"])
def test_both_paths_answer_alike(server: Server, path: str) -> None:
    """Infinity's clients use the one, Cohere's and Jina's the other."""
    answer = server.client.post(
        path, json={"query": QUERY, "documents": PASSAGES, "top_n": 2, "return_documents": True}
    )
    results = answer.json()["results"]
    assert len(results) == 2
    assert results[0]["document"] == {"text": PASSAGES[BEST]}
    assert "server-timing" in answer.headers


def test_server_timing_names_every_stage(server: Server) -> None:
    """Stages in milliseconds, and their sum is within the total."""
    header = server.rerank(QUERY, PASSAGES).headers["server-timing"]
    stages = {part.split(";dur=")[0].strip(): float(part.split(";dur=")[1]) for part in header.split(",")}
    assert set(stages) == {"tokenise", "queue", "inference", "total"}
    assert stages["tokenise"] + stages["queue"] + stages["inference"] <= stages["total"] + 0.01


def test_scores_equal_the_in_process_scorers(server: Server, scorer: Scorer) -> None:
    """Over HTTP and in this process: the same to 1e-5, raw and as relevance."""
    texts = [*PASSAGES, *ODD]
    assert np.abs(np.array(server.scores(QUERY, texts)) - scorer.scores(QUERY, texts)).max() <= 1e-5
    raw = np.array(server.scores(QUERY, texts, raw_scores=True))
    assert np.abs(raw - scorer.logits(QUERY, texts)).max() <= 1e-5


def mixed_requests(rounds: int) -> list[tuple[str, list[str]]]:
    """In each round every query is sent with 1, 2, … 6 documents, and with every text at least once."""
    chance = random.Random(7)
    texts = [*PASSAGES, *ODD, "bamboo " * 300, "panda"]
    requests = []
    for query in [QUERY, "bread", "🐼"] * rounds:
        documents = iter([*chance.sample(texts, len(texts)), chance.choice(texts)])
        requests += [(query, list(islice(documents, size))) for size in range(1, 7)]
        assert next(documents, None) is None
    chance.shuffle(requests)
    return requests


@pytest.mark.parametrize("rounds", [1, pytest.param(11, marks=pytest.mark.long)])
def test_mixed_requests_at_once_score_as_one_by_one(server: Server, scorer: Scorer, rounds: int) -> None:
    """Company changes no score: 18 requests at once in a round, of 1 to 6 documents, short, long and odd."""
    requests = mixed_requests(rounds)
    with ThreadPoolExecutor(len(requests)) as threads:
        together = list(threads.map(lambda request: server.scores(*request, raw_scores=True), requests))
    for (query, documents), scores in zip(requests, together, strict=True):
        assert np.abs(np.array(scores) - scorer.logits(query, documents)).max() <= 1e-5
    one_by_one = [server.scores(*request, raw_scores=True) for request in requests[:40]]
    for alone, crowded in zip(one_by_one, together[:40], strict=True):
        assert np.abs(np.array(alone) - np.array(crowded)).max() <= 1e-5


def test_the_small_routes_tell_what_is_served(server: Server) -> None:
    """/health, /ready, /info, /v1/models."""
    get = server.client.get
    assert get("/health").json() == {"status": "ok"}
    assert get("/ready").json() == {"status": "ready"}
    info = get("/info").json()
    assert info["served_model_name"] == "embedded"
    assert info["max_input_length"] == 512
    assert info["max_batch_requests"] == 1
    assert "reranker" in info["model_type"]
    assert [model["id"] for model in get("/v1/models").json()["data"]] == ["embedded"]


def has_ipv6() -> bool:
    """Whether this machine has the IPv6 loopback address."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback address")
@pytest.mark.parametrize("host", ["::1", "::"])
def test_ipv6_addresses_are_listened_on_and_written_as_urls(host: str) -> None:
    """`::` takes IPv4 too; the line at the start can be clicked."""
    with Server("--host", host, wait_ready=False) as server:
        asking = httpx.Client(base_url=f"http://[::1]:{server.port}", trust_env=False)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                if asking.get("/ready").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.02)
        assert asking.get("/health").status_code == 200
        asking.close()
        if host == "::":
            assert server.client.get("/health").status_code == 200
        assert f"http://[{host}]:{server.port}" in server.log()


def test_load_balancers_may_probe_with_head(server: Server) -> None:
    """The answer of GET without its body."""
    for path in ("/health", "/ready"):
        answer = server.client.head(path)
        assert (answer.status_code, answer.content) == (200, b"")


def test_metrics_count_what_was_asked(server: Server) -> None:
    """Requests by route and status, documents, tokens and stages, in Prometheus' format."""
    from prometheus_client.parser import text_string_to_metric_families

    def read() -> dict[tuple[str, str], float]:
        text = server.client.get("/metrics").text
        return {
            (sample.name, sample.labels.get("route", "") + sample.labels.get("status", "")): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    before = read()
    tokens = server.rerank(QUERY, PASSAGES).json()["usage"]["total_tokens"]
    server.client.post("/v1/rerank", json={})
    server.client.get("/nowhere")
    after = read()

    def grown(name: str, label: str = "") -> float:
        return after[name, label] - before.get((name, label), 0)

    assert grown("rerank_tokens_total") == tokens
    assert grown("rerank_request_documents_sum") == len(PASSAGES)
    assert grown("rerank_http_requests_total", "/v1/rerank200") == 1
    assert grown("rerank_http_requests_total", "/v1/rerank422") == 1
    assert grown("rerank_http_requests_total", "other404") == 1
    assert after["rerank_ready", ""] == 1
    assert after["rerank_queue_tokens", ""] == 0


@pytest.mark.parametrize("family", ["bert", "xlm-roberta"])
def test_any_artefact_folder_is_served(tmp_path: Path, family: str) -> None:
    """By path, and by name from the models folder; with a batch budget too."""
    make_artefact(tmp_path / "mine", family)  # type: ignore[arg-type]
    documents = ["a bear of china", "bread", "the oven"]
    with Server("--model", str(tmp_path / "mine")) as by_path:
        expected = by_path.scores("what is a panda", documents)
    environ = {"RERANK_MODEL": "mine", "RERANK_MODELS_DIR": str(tmp_path), "RERANK_MAX_BATCH_TOKENS": "64"}
    with Server(environ=environ) as by_name:
        assert by_name.client.get("/info").json()["served_model_name"] == f"tiny-{family}"
        assert np.allclose(by_name.scores("what is a panda", documents), expected, atol=1e-6)


def test_an_overfull_queue_answers_429_with_retry_after() -> None:
    """What does not fit is sent away at once; what was admitted is answered."""
    with Server("--max-queue-tokens", "100", "--max-concurrent-requests", "8") as server:
        with ThreadPoolExecutor(16) as threads:
            answers = list(threads.map(lambda _: server.rerank(QUERY, ["bamboo " * 300] * 8), range(16)))
        statuses = sorted({answer.status_code for answer in answers})
        assert statuses == [200, 429]
        for answer in answers:
            if answer.status_code == 429:
                assert int(answer.headers["retry-after"]) >= 1
                assert answer.json()["error"]["type"] == "overloaded"
        assert server.rerank(QUERY, PASSAGES).status_code == 200


def test_the_server_leaves_no_trace_of_reports_to_others(tmp_path: Path) -> None:
    """ONNX Runtime's telemetry writes a device id and a queue of events into the home folder, where it is on."""
    with Server(environ={"HOME": str(tmp_path)}) as server:
        assert server.rerank(QUERY, PASSAGES).status_code == 200
        time.sleep(0.5)
    assert list(tmp_path.rglob("*")) == []


def test_two_servers_cannot_share_a_port(server: Server) -> None:
    """The second says so in one line and gives up."""
    done = run_rerank("serve", "--port", str(server.port))
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1 port {server.port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_unready_until_warm(tmp_path: Path) -> None:
    """/health answers from the first moment; /ready says 503 until it says 200."""
    with Server(wait_ready=False) as server:
        seen: list[int] = []
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and (not seen or seen[-1] != 200):
            try:
                seen.append(server.client.get("/ready").status_code)
                assert server.client.get("/health").status_code == 200
            except httpx.TransportError:
                time.sleep(0.005)
        assert seen[-1] == 200
        assert set(seen) <= {200, 503}
