"""Several processes behind one port: all of them answer, all of them are counted, and all of them go together."""

import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.server import Server

WORKERS = 2


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server("--workers", str(WORKERS), wait_ready=False) as server:
        _until_ready(server)
        yield server


def _until_ready(server: Server) -> None:
    """Wait for all workers: /ready is only that of one."""
    deadline = time.perf_counter() + 60
    while _samples(server, "rerank_ready") != dict.fromkeys(("0", "1"), 1.0):
        assert time.perf_counter() < deadline
        assert server.process.poll() is None
        time.sleep(0.1)


def _samples(server: Server, name: str) -> dict[str, float]:
    """A metric's value by worker."""
    try:
        text = httpx.get(f"{server.url}/metrics", trust_env=False).text
    except httpx.TransportError:
        return {}
    found = re.findall(rf'^{name}{{[^}}]*worker="(\d)"[^}}]*}} (\S+)$', text, re.MULTILINE)
    return {worker: float(value) for worker, value in found}


def _until_refused(server: Server) -> None:
    """Wait until nobody listens any more."""
    deadline = time.perf_counter() + 10
    while time.perf_counter() < deadline:
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.02)
    raise AssertionError("connections are still taken")


def _children(server: Server) -> list[int]:
    """The workers' processes."""
    pids = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    return [int(pid) for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def _ask(server: Server) -> int:
    """On a connection of its own, which any worker may take."""
    body = {"query": "panda", "documents": ["A bear.", "A bicycle."]}
    return httpx.post(f"{server.url}/v1/rerank", json=body, trust_env=False, timeout=60).status_code


def test_every_worker_answers_and_any_of_them_tells_the_metrics_of_all(server: Server) -> None:
    """Told apart by a label, and none counted twice."""
    before = _samples(server, "rerank_request_documents_count")
    with ThreadPoolExecutor(8) as clients:
        assert set(clients.map(lambda _: _ask(server), range(80))) == {200}
    after = _samples(server, "rerank_request_documents_count")
    assert sum(after.values()) - sum(before.values()) == 80
    assert all(after[worker] > before.get(worker, 0) for worker in ("0", "1"))
    assert _samples(server, "rerank_request_documents_count") == after


def test_a_worker_that_dies_is_replaced(server: Server) -> None:
    """While the other goes on answering."""
    dead = _children(server)[0]
    os.kill(dead, signal.SIGKILL)
    while dead in _children(server):
        time.sleep(0.02)
    assert {_ask(server) for _ in range(5)} == {200}
    _until_ready(server)
    assert len(_children(server)) == WORKERS
    assert dead not in _children(server)


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT]], ids=["SIGTERM", "Ctrl-C"])
def test_a_request_in_flight_is_finished_when_all_are_told_to_stop(signals: list[signal.Signals]) -> None:
    """And the exit code is 0."""
    with Server("--workers", str(WORKERS), wait_ready=False) as server, ThreadPoolExecutor() as clients:
        _until_ready(server)
        body = {"query": "panda", "documents": ["A bear that eats bamboo all day. " * 20] * 150}
        documents = [f"{number} {text}" for number, text in enumerate(body["documents"])]
        asked = clients.submit(httpx.post, f"{server.url}/v1/rerank", json=body | {"documents": documents}, timeout=60)
        while not sum(_samples(server, "rerank_requests_in_flight").values()):
            time.sleep(0.02)
        for each in signals:
            server.process.send_signal(each)
        _until_refused(server)
        assert not asked.done(), "nobody new is let in to wait for an end"
        assert asked.result().status_code == 200
        assert server.process.wait(30) == 0


def test_workers_stop_when_the_process_that_started_them_is_killed() -> None:
    """Nobody is left behind with the port."""
    with Server("--workers", str(WORKERS), wait_ready=False) as server:
        _until_ready(server)
        workers = _children(server)
        server.process.kill()
        server.process.wait()
        deadline = time.perf_counter() + 20
        while any(Path(f"/proc/{worker}/cmdline").exists() for worker in workers):
            assert time.perf_counter() < deadline
            time.sleep(0.1)


def test_a_model_that_cannot_be_served_ends_all_with_one_sentence(tmp_path: Path) -> None:
    """Before any worker is started."""
    with Server("--workers", "2", "--model", str(tmp_path), wait_ready=False) as server:
        assert server.process.wait(60) == 2
        assert server.log().count("Error: ") == 1
