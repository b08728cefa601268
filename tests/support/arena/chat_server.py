"""A local chat endpoint for the tests of the LLM judge, in OpenAI's format.

By default it prefers the list that holds the better passages by a rule that the test can compute: the lower number in
its first passage. A test scripts other replies before that, and can make it slow. Run as a module with `--port-file
FILE --delay S` it is a process of its own.
"""

import json
import re
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Answer = Callable[[dict[str, Any]], str]
NUMBER = re.compile(r"\d+")


def first_number(passages: list[str]) -> int:
    return int((NUMBER.search(passages[0]) or ["999"])[0]) if passages else 999


def prefer_lower(lists: dict[str, Any]) -> str:
    """A consistent judge: the list whose first passage has the lower number."""
    a, b = first_number(lists["ranking A"]), first_number(lists["ranking B"])
    return json.dumps({"better": "A" if a < b else "B" if b < a else "tie"})


class ChatServer(ThreadingHTTPServer):
    """A chat endpoint. `replies` (status, body, headers) are given first; None among them is the usual answer."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, delay_s: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"
        self.answer: Answer = prefer_lower
        self.replies: list[tuple[int, Any, dict[str, str]] | None] = []
        self.usage: dict[str, int] | None = {"prompt_tokens": 100, "completion_tokens": 5}
        self.delay_s = delay_s
        self.seen: list[dict[str, Any]] = []
        self.headers_seen: list[dict[str, str]] = []
        self.lock = threading.Lock()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that either side gave up is part of some tests; anything else is told."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: ChatServer
    protocol_version = "HTTP/1.1"
    timeout = 10
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.lock:
            server.seen.append(request)
            server.headers_seen.append(dict(self.headers))
            scripted = server.replies.pop(0) if server.replies else None
        time.sleep(server.delay_s)
        if self.path != "/v1/chat/completions":
            scripted = (404, {"error": {"message": "no such path"}}, {})
        if scripted is None:
            content = server.answer(json.loads(request["messages"][1]["content"]))
            choices = [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}]
            scripted = (200, {"id": "1", "object": "chat.completion", "choices": choices, "usage": server.usage}, {})
        status, body, headers = scripted
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers | {"Content-Type": "application/json", "Content-Length": str(len(sent))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class names it so
        """Stay silent."""


def said(content: str) -> tuple[int, Any, dict[str, str]]:
    """A reply with this content."""
    body = {"choices": [{"message": {"content": content}}], "usage": {"prompt_tokens": 100, "completion_tokens": 5}}
    return 200, body, {}


def main(arguments: list[str]) -> None:
    server = ChatServer(float(arguments[arguments.index("--delay") + 1]))
    Path(arguments[arguments.index("--port-file") + 1]).write_text(server.url)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv)
