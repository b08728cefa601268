"""locust with this locustfile, as a user starts it: with workers, against the real server, and against a wrong one."""

import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bench.load.samples import read
from tests.support.fake_reranker import FakeReranker, Reply
from tests.support.server import Server, free_port
from tests.support.swarm import start, swarm
from tests.support.two_at_once import until

pytestmark = pytest.mark.slow
ROUTES = ("rerank", "cohere", "tei", "infinity", "vllm-score", "nim")
"""Dialects with a request or an answer of their own, which the server speaks at their route."""
LIKE_RERANK = ("vllm", "jina", "contextual")
"""Those that share /v1/rerank with `rerank`. Voyage's base URL is another, below."""


@pytest.fixture(scope="module")
def alone() -> Iterator[Server]:
    """A server that nobody else asks, so that its counters can be compared, and that wants a key."""
    with Server("--api-keys", "right", headers={"Authorization": "Bearer right"}) as running:
        yield running


def reranked(server: Server, route: str) -> int:
    """Requests that the server itself has counted on a route."""
    metrics = server.client.get("/metrics").text
    counts = re.findall(rf'^rerank_http_requests_total{{route="{route}",status="\d+"}} (\S+)$', metrics, re.MULTILINE)
    return int(sum(map(float, counts)))


def test_two_workers_against_the_real_server(alone: Server, tmp_path: Path) -> None:
    """The master has a sample of every request that the server and locust count, from both workers, all good."""
    before = reranked(alone, "/v1/rerank")
    flags = ["-u", "4", "-r", "4", "-t", "3", "--documents", "2,2,5", "--top-n", "4"]
    found = swarm(tmp_path, alone.url, *flags, workers=2)
    assert found.code == 0, found.log
    assert len(found.samples) == found.locust_requests == reranked(alone, "/v1/rerank") - before > 20
    assert {at.worker for at in found.samples} == {0, 1}
    assert {(at.sample.status, at.sample.error, at.dialect) for at in found.samples} == {(200, None, "rerank")}
    assert {at.sample.documents for at in found.samples} == {2, 5}
    # Our rate runs from the first request sent to the last answer; locust's begins and ends when its reports say so.
    sent_s = min(at.sample.sent_s for at in found.samples)
    done_s = max(at.sample.done_s for at in found.samples)
    header = read(tmp_path / "samples.jsonl")[0]
    assert (header.queries, header.passages) == (14, 304)
    pairs = sum(at.sample.documents for at in found.samples)
    repeated = sum(at.repeated_pairs or 0 for at in found.samples)
    assert pairs - 14 * 304 <= repeated < pairs
    assert re.search(rf"^repeated pairs: {repeated} of {pairs} pairs of query and passage", found.out, re.MULTILINE)
    own_per_s = float(re.findall(r"^all +\d+ +0 +(\S+)", found.out, re.MULTILINE)[0])
    assert own_per_s == pytest.approx(len(found.samples) / (done_s - sent_s), rel=0.01)


def test_what_is_in_flight_at_the_end_is_counted(reranker: FakeReranker, tmp_path: Path) -> None:
    """A worker's last answers come well after its last report was due: the slowest requests must not be lost."""
    reranker.delay_s = 2.0
    found = swarm(tmp_path, reranker.url, "-u", "2", "-r", "2", "-t", "1", "--documents", "2", workers=1)
    assert len(found.samples) == found.locust_requests == len(reranker.seen) == 2


def test_every_dialect_in_a_rising_load(alone: Server, tmp_path: Path) -> None:
    """Each tag speaks to its route and gets what it asked for, while the shape raises the users in four steps."""
    flags = ["--tags", *ROUTES, "--shape", "step", "-u", "4", "-t", "4", "--documents", "3", "--top-n", "2"]
    found = swarm(tmp_path, alone.url, *flags)
    assert found.code == 0, found.log
    assert {at.dialect for at in found.samples} == set(ROUTES)
    assert {at.sample.error for at in found.samples} == {None}
    assert re.findall(r"Shape test updating to (\d+) users", found.log) == ["1", "2", "3", "4"]


def test_the_dialects_that_share_a_route(alone: Server, tmp_path: Path) -> None:
    """Each under its own name, though all of them ask /v1/rerank."""
    flags = ["--tags", *LIKE_RERANK, "-u", "4", "-r", "4", "-t", "2", "--documents", "3", "--top-n", "2"]
    found = swarm(tmp_path, alone.url, *flags)
    assert found.code == 0, found.log
    assert {(at.dialect, at.sample.error) for at in found.samples} == {(name, None) for name in LIKE_RERANK}


def test_a_host_with_a_path_leads_to_the_dialect_below_it(alone: Server, tmp_path: Path) -> None:
    """Voyage's routes are at /voyage here."""
    before = reranked(alone, "/voyage/v1/rerank")
    flags = ["--tags", "voyage", "-u", "1", "-t", "1", "--documents", "3", "--top-n", "2"]
    found = swarm(tmp_path, alone.url + "/voyage", *flags)
    assert found.code == 0, found.log
    assert {(at.dialect, at.sample.error) for at in found.samples} == {("voyage", None)}
    assert reranked(alone, "/voyage/v1/rerank") - before == len(found.samples)


def test_a_wrong_answer_is_a_failure_with_a_sentence(reranker: FakeReranker, tmp_path: Path) -> None:
    """Status 200 is not enough: what is wrong stands in locust's table and in the sample, and the exit code is 1."""

    def results(*pairs: tuple[int, float]) -> Reply:
        return Reply(200, {"results": [{"index": index, "relevance_score": score} for index, score in pairs]})

    reranker.delay_s = 0.1
    reranker.replies = [
        results((0, 0.9), (1, 0.8)),
        results((0, 0.1), (1, 0.2), (2, 0.3)),
        results((0, 0.9), (1, 0.8), (3, 0.1)),
        Reply(500, {"message": "broken"}),
    ]
    found = swarm(tmp_path, reranker.url, "-u", "1", "-t", "2", "--documents", "3")
    assert [at.sample.error for at in found.samples[:5]] == [
        "the answer has 2 results, but 3 were requested",
        "the results are not sorted by score",
        "the answer contains the index 3, but 3 documents were sent",
        "status 500: broken",
        None,
    ]
    assert found.code == 1
    assert "the results are not sorted by score" in found.log
    assert re.search(r"^all +\d+ +4 ", found.out, re.MULTILINE)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--pause", "sometimes"), "invalid --pause 'sometimes': give none, constant:SECONDS"),
        (("--top-n", "-1"), "invalid --top-n -1: give a whole number of at least 1, or 0 for all results"),
        (("--documents", "4,305"), "the number of distinct documents in sample is 304; lower --documents to 304, or"),
    ],
)
def test_a_flag_that_cannot_be_is_one_sentence(tmp_path: Path, flags: tuple[str, str], sentence: str) -> None:
    """Before anything is sent, without a trace."""
    found = swarm(tmp_path, "http://127.0.0.1:9", "-t", "1", *flags)
    assert found.code == 1
    assert sentence in found.log
    assert "Traceback" not in found.log


def test_two_load_tests_do_not_share_a_file_of_samples(reranker: FakeReranker, tmp_path: Path) -> None:
    """The second ends before its first request, with the process that has the file; the first one's samples stay."""
    file = tmp_path / "samples.jsonl"
    flags = ["--host", reranker.url, "--headless", "-u", "1", "-r", "1", "--documents", "2", "--samples", str(file)]
    first = start(*flags)
    try:
        until(lambda: file.exists() and file.read_bytes().count(b"\n") > 3)
        second = start(*flags, "-t", "2")
        told = second.communicate(timeout=60)[0].decode()
        assert f"another load test is writing to {file}: give --samples another file name (process {first.pid})" in told
        assert second.returncode == 1
    finally:
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=60)
    assert [path.name for path in tmp_path.iterdir()] == ["samples.jsonl"]
    assert {at.sample.error for at in read(file)[1]} == {None}


def test_the_web_page_shows_the_exact_figures(reranker: FakeReranker) -> None:
    """At /exact, beside locust's own, while the test runs; SIGTERM ends all."""
    reranker.delay_s = 0.05
    port = free_port()
    process = start(
        *("--host", reranker.url, "--autostart", "-u", "1", "--documents", "2"),
        *("--web-host", "127.0.0.1", "--web-port", str(port)),
    )
    try:
        text = ""
        deadline = time.monotonic() + 20
        while "rerank, 2 documents" not in text and time.monotonic() < deadline:
            time.sleep(0.1)
            try:
                text = httpx.get(f"http://127.0.0.1:{port}/exact", trust_env=False).text
            except httpx.TransportError:
                continue
        assert re.search(r"rerank, 2 documents +\d+ +0 .*\d\.\d \[\d", text), text
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert b"rerank, 2 documents" in out
