"""A local server that answers in the format of OpenAI's /v1/embeddings: a text's letter counts are its vector."""

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def letters(text: str) -> list[float]:
    """The length-1 vector of how often each letter occurs."""
    counts = [float(text.lower().count(letter)) for letter in LETTERS]
    length = sum(count * count for count in counts) ** 0.5 or 1.0
    return [count / length for count in counts]


class EmbeddingsServer(ThreadingHTTPServer):
    """`replies` (status, body) are given first; then every request is answered with `vector` of its texts."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.vector: Callable[[str], list[float]] = letters
        self.replies: list[tuple[int, Any]] = []
        self.seen: list[dict[str, Any]] = []
        self.authorizations: list[str | None] = []
        self.paths: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: EmbeddingsServer
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        server.seen.append(request)
        server.authorizations.append(self.headers["Authorization"])
        server.paths.append(self.path)
        status, body = server.replies.pop(0) if server.replies else (200, self._answer(request))
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if status in (429, 503):
            self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(content)

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        data = [
            {"object": "embedding", "index": index, "embedding": self.server.vector(text)}
            for index, text in enumerate(request["input"])
        ]
        usage = {"prompt_tokens": 8, "total_tokens": 8}
        return {"object": "list", "data": data[::-1], "model": request["model"], "usage": usage}

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class names it so
        """Stay silent."""
