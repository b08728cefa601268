"""Bad input over the wire: a clear JSON error, the right status, and nobody else suffers."""

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.support.server import Server
from tests.support.texts import PASSAGES, QUERY


def refused(answer: httpx.Response, status: int, *words: str) -> dict[str, Any]:
    """Check an error answer: its status, JSON in every client's form, and words that help."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    body: dict[str, Any] = answer.json()
    error = body["error"]  # a string on /rerank as long as the body has not told the dialect
    assert body["message"] == body["detail"] == (error if isinstance(error, str) else error["message"])
    assert isinstance(error, str) or error["code"] == status
    for word in words:
        assert word in body["message"]
    assert "Traceback" not in answer.text
    return body


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b'{"documents": ["a"]}', 422, "query"),
        (b'{"query": "", "documents": ["a"]}', 422, "query: must not be empty"),
        (b'{"query": "q", "documents": []}', 422, "documents must not be empty"),
        (b'{"query": "q", "documents": ["a", null]}', 422, "documents[1]"),
        (b'{"query": "q", "documents": [7]}', 422, "documents[0]"),
        (b'{"query": "q", "documents": [', 400, "not JSON"),
        (b"", 400, "the body is empty"),
        (b'{"query": "q\xff", "documents": ["a"]}', 400, "UTF-8"),
    ],
)
@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank"])
def test_a_bad_body_is_told(server: Server, path: str, body: bytes, status: int, words: str) -> None:
    """Each with its own sentence."""
    answer = server.client.post(path, content=body, headers={"content-type": "application/json"})
    refused(answer, status, words)


def test_the_wrong_content_type_is_told(server: Server) -> None:
    """curl -d without a header sends a form's type."""
    answer = server.client.post("/rerank", content=b"{}", headers={"content-type": "application/x-www-form-urlencoded"})
    refused(answer, 415, "send Content-Type: application/json")


def test_the_wrong_method_is_told_with_those_that_exist(server: Server) -> None:
    """405 carries Allow."""
    answer = server.client.get("/v1/rerank")
    refused(answer, 405, "/v1/rerank does not support GET")
    assert "POST" in answer.headers["allow"]


def test_an_unknown_path_is_told(server: Server) -> None:
    """404 leads to the API page."""
    refused(server.client.get("/v9/rerank"), 404, "/v9/rerank", "/docs")


def test_nul_and_lone_surrogates_are_scored(server: Server) -> None:
    """They are odd, not wrong."""
    body = rb'{"query": "q \ud83d", "documents": ["a\u0000b", "cut \ud83d", "\udc3c"]}'
    answer = server.client.post("/rerank", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["results"]) == 3


def test_a_document_of_five_megabytes_is_truncated(server: Server) -> None:
    """It costs its window and no more."""
    answer = server.rerank(QUERY, ["bamboo and pandas " * 300_000, PASSAGES[0]])
    assert answer.status_code == 200
    assert answer.json()["usage"]["total_tokens"] < 600


def test_a_body_over_the_limit_is_refused_before_it_is_read() -> None:
    """413 both for an announced length and for a stream that grows over the limit; the server goes on."""
    with Server("--max-body-bytes", "100000") as server:
        answer = server.rerank(QUERY, ["x" * 200_000])
        refused(answer, 413, "100000 bytes")

        def chunks() -> Any:
            yield b'{"query": "q", "documents": ["'
            for _ in range(50):
                yield b"x" * 10_000
            yield b'"]}'

        headers = {"content-type": "application/json"}
        refused(server.client.post("/rerank", content=chunks(), headers=headers), 413, "100000 bytes")
        assert server.rerank(QUERY, PASSAGES).status_code == 200


def test_too_many_documents_are_refused(server: Server) -> None:
    """One more than the limit, with both counts in the message."""
    body = refused(server.rerank(QUERY, ["a"] * 1001), 422, "1001", "1000")
    assert body["error"]["param"] == "documents"


def test_bytes_that_are_no_http_do_not_stop_the_server(server: Server) -> None:
    """A port scanner and a client that leaves in the middle of its body."""
    for junk in (
        b"\x16\x03\x01\x02\x00\x01",
        b"GET\r\n\r\n",
        b"POST /rerank HTTP/1.1\r\nContent-Length: 1000\r\n\r\n{",
    ):
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            connection.sendall(junk)
    assert server.rerank(QUERY, PASSAGES).status_code == 200


def test_bad_requests_among_good_ones_cost_the_good_ones_nothing(server: Server) -> None:
    """Half of 100 concurrent requests are bad: the other half gets the scores it gets alone."""
    alone = server.scores(QUERY, PASSAGES)
    bad: list[Any] = [[None], [], ["a"] * 1001, "text", [{"text": 5}]]

    def ask(number: int) -> int:
        if number % 2:
            return server.rerank(QUERY, bad[number % len(bad)]).status_code
        assert server.scores(QUERY, PASSAGES) == alone
        return 200

    with ThreadPoolExecutor(20) as threads:
        statuses = list(threads.map(ask, range(100)))
    assert statuses == [422 if number % 2 else 200 for number in range(100)]
