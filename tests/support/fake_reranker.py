"""A local server that answers in the contract's format, for the bench's tests.

The standard library's HTTP server on a loopback port, so that the client is proven against real HTTP. By default it
scores a document by the words it shares with the query; a test queues other replies before that. Run as a module with
`--port N --pid-file FILE`, it is a server process that the bench can start and stop.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Score = Callable[[str, str], float]


@dataclass
class Reply:
    """One scripted reply; status 0 hangs up without one."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


def shared_words(query: str, document: str) -> float:
    return float(len(set(query.lower().split()) & set(document.lower().split())))


class FakeReranker(ThreadingHTTPServer):
    """A reranker of the contract. `replies` are given first, in order; then every request is answered by `score`."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.path = "/v1/rerank"
        self.replies: list[Reply | None] = []
        """What the next requests get; None is the usual answer."""
        self.score: Score = shared_words
        self.delay_s = 0.0
        self.inference_ms: Callable[[], float] = lambda: 300.1
        """What it says its inference took."""
        self.info: dict[str, Any] = {"model_id": "fake", "device": "cpu"}
        self.seen: list[dict[str, Any]] = []
        self.seen_keys: list[str | None] = []
        self.seen_at_s: list[float] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.lock = threading.Lock()

    def answer(self, request: dict[str, Any]) -> Reply:
        scores = [self.score(request["query"], document) for document in request["documents"]]
        results = sorted(
            ({"index": index, "relevance_score": score} for index, score in enumerate(scores)),
            key=lambda result: -result["relevance_score"],
        )
        usage = {"prompt_tokens": 7 * len(scores), "total_tokens": 7 * len(scores)}
        body = {"id": "1", "object": "rerank", "created": 1, "model": "fake", "results": results, "usage": usage}
        timing = f"tokenise;dur=1.2, queue;dur=0, inference;dur={self.inference_ms()}, total;dur=302"
        return Reply(200, body, {"Server-Timing": timing})


class _Handler(BaseHTTPRequestHandler):
    server: FakeReranker
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_GET(self) -> None:
        known = {"/info": self.server.info, "/ready": {"ready": True}}
        self._send(Reply(200, known[self.path]) if self.path in known else Reply(404, {"message": "no such page"}))

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.lock:
            server.seen.append(request)
            server.seen_keys.append(self.headers["Authorization"])
            server.seen_at_s.append(time.perf_counter())
            server.in_flight += 1
            server.most_in_flight = max(server.most_in_flight, server.in_flight)
            scripted = server.replies.pop(0) if server.replies else None
        time.sleep(server.delay_s)
        if self.path != server.path:
            scripted = Reply(404, {"message": f"no such path {self.path}"})
        with server.lock:
            server.in_flight -= 1
        self._send(scripted or server.answer(request))

    def _send(self, reply: Reply) -> None:
        if reply.status == 0:  # hangs up instead
            self.close_connection = True
            return
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class names it so
        """Stay silent."""


def main(arguments: list[str]) -> None:
    """Serve until killed; `--fail N` makes the Nth rerank request fail."""
    Path(arguments[arguments.index("--pid-file") + 1]).write_text(str(os.getpid()), encoding="utf-8")
    if "RERANK_DATA" in os.environ:
        sys.exit("unknown setting RERANK_DATA")
    server = FakeReranker(int(arguments[arguments.index("--port") + 1]))
    if "--fail" in arguments:
        usual: list[Reply | None] = [None] * (int(arguments[arguments.index("--fail") + 1]) - 1)
        server.replies = [*usual, Reply(422, {"message": "broken"})]
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv)
