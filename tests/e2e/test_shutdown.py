"""How the running server stops: by SIGTERM or Ctrl-C, with requests in flight, and while the model loads."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.support.server import Server
from tests.support.texts import QUERY

DIFFERENT = [f"{number} " + "bamboo " * 600 for number in range(700)]
"""Seconds of work: a document that occurs twice would be computed once."""


def test_sigterm_lets_requests_in_flight_finish_and_exits_with_0() -> None:
    """Every request that was accepted is answered whole; then the process ends as asked."""
    with Server() as server:
        answers: list[httpx.Response] = []

        def ask() -> None:
            answers.append(server.rerank(QUERY, DIFFERENT[:10]))

        clients = [threading.Thread(target=ask) for _ in range(4)]
        for client in clients:
            client.start()
        while 'rerank_requests_in_flight{model="embedded"} 4' not in server.client.get("/metrics").text:
            time.sleep(0.005)
        code = server.stop()
        for client in clients:
            client.join()
        assert code == 0, server.log()
        assert [answer.status_code for answer in answers] == [200] * 4
        assert all(len(answer.json()["results"]) == 10 for answer in answers)
        assert "Traceback" not in server.log()


def test_requests_beyond_the_grace_period_get_503_in_json() -> None:
    """Clients that retry on 503 go to another server; nobody reads a bare text or finds a trace in the log."""
    with Server("--shutdown-grace-s", "1") as server:
        with ThreadPoolExecutor(3) as threads:
            asked = [threads.submit(server.rerank, QUERY, DIFFERENT[:200]) for _ in range(3)]
            while 'rerank_requests_in_flight{model="embedded"} 3' not in server.client.get("/metrics").text:
                time.sleep(0.005)
            assert server.stop() == 0
            for answer in (future.result() for future in asked):
                assert answer.status_code == 503
                assert answer.headers["retry-after"] == "1"
                assert answer.json()["error"]["type"] == "not_ready"
        assert "Traceback" not in server.log()


def test_sigterm_while_the_model_loads_ends_it_at_once(tmp_path: Path) -> None:
    """A container that is stopped while it reads gigabytes need not be killed; a pipe stands in for the slow file."""
    manifest = tmp_path / "manifest.json"
    os.mkfifo(manifest)
    with Server("--model", str(tmp_path), wait_ready=False) as server:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                writer = os.open(manifest, os.O_WRONLY | os.O_NONBLOCK)
                break
            except OSError:  # nobody reads it yet
                time.sleep(0.01)
        time.sleep(0.3)  # now it waits for bytes that never come
        assert server.stop() == 0
        os.close(writer)


def test_ctrl_c_ends_it_with_0_too() -> None:
    """SIGINT is how a user at a terminal stops it."""
    with Server() as server:
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(timeout=30) == 0


def test_a_second_ctrl_c_ends_it_while_the_model_runs() -> None:
    """An impatient user gets the shell's usual exit code, not an abort of the process."""
    with Server() as server, ThreadPoolExecutor(1) as threads:
        asked = threads.submit(server.rerank, QUERY, DIFFERENT)
        while 'rerank_requests_in_flight{model="embedded"} 1' not in server.client.get("/metrics").text:
            time.sleep(0.005)
        server.process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(timeout=30) == 130
        assert asked.exception() is not None or asked.result().status_code == 503
