"""Clients that hang up: their work is dropped, it is counted as theirs, and nobody waits behind it."""

import json
import socket
import time

from tests.support.server import Server
from tests.support.texts import PASSAGES, QUERY


def send(server: Server, body: bytes, announced: int | None = None) -> socket.socket:
    """Send a request and do not wait for its answer."""
    head = (
        "POST /v1/rerank HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {announced or len(body)}\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    connection.sendall(head.encode() + body)
    return connection


def metric(server: Server, line: str) -> float:
    """The value of a metric, by its name and labels as they are printed; 0 where it is absent."""
    for found in server.client.get("/metrics").text.splitlines():
        if found.startswith(line + " "):
            return float(found.rpartition(" ")[2])
    return 0


def wait_for(server: Server, line: str, value: float) -> None:
    """Wait until a metric has a value."""
    deadline = time.monotonic() + 30
    while metric(server, line) != value:
        assert time.monotonic() < deadline, f"{line} is {metric(server, line)}, not {value}"
        time.sleep(0.01)


def test_the_work_of_a_client_that_hung_up_is_dropped() -> None:
    """Five clients send 1,000 long documents each and leave: the queue is empty long before that could be computed."""
    body = json.dumps({"query": QUERY, "documents": [f"{n} " + "bamboo " * 400 for n in range(1000)]}).encode()
    with Server("--max-queue-tokens", "10000000") as server:
        connections = [send(server, body) for _ in range(5)]
        wait_for(server, 'rerank_requests_in_flight{model="embedded"}', 5)
        for connection in connections:
            connection.close()
        wait_for(server, 'rerank_requests_in_flight{model="embedded"}', 0)
        assert metric(server, 'rerank_queue_pairs{model="embedded"}') == 0
        assert metric(server, 'rerank_http_requests_total{route="/v1/rerank",status="499"}') == 5
        assert metric(server, 'rerank_tokens_total{model="embedded"}') == 0
        assert server.rerank(QUERY, PASSAGES).status_code == 200


def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_error_of_ours() -> None:
    """It is counted as 499 and leaves no trace in the log."""
    with Server() as server:
        for _ in range(3):
            send(server, b'{"query": "', announced=1000).close()
        wait_for(server, 'rerank_http_requests_total{route="/v1/rerank",status="499"}', 3)
        assert "Traceback" not in server.log()
        assert "ERROR" not in server.log()
