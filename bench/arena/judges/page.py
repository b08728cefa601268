"""The voting page's server on 127.0.0.1: three static files, the next match, and the vote.

Requests that another site's page could send are refused: the Host must be the served address, and a vote must be JSON
from the same origin. The page may not load anything from elsewhere.
"""

import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from bench.errors import BenchError

FILES = {
    "/": ("vote.html", "text/html; charset=utf-8"),
    "/vote.css": ("vote.css", "text/css; charset=utf-8"),
    "/vote.js": ("vote.js", "text/javascript; charset=utf-8"),
}
FOLDER = Path(__file__).parent / "page_files"
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'"
LONGEST_BODY = 1000
VOTES = ("A", "B", "tie", "skip")


class Booth(Protocol):
    """The matches and votes behind the page."""

    finished: Any

    def show(self, number: int | None) -> dict[str, Any]:
        """Return a match as the page shows it."""

    def vote(self, number: int, vote: str) -> None:
        """Record a vote."""

    def holds(self, number: Any) -> bool:
        """Tell whether there is a match with this number."""


class PageServer(ThreadingHTTPServer):
    """Serves one booth."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], booth: Booth) -> None:
        super().__init__(address, _Handler)
        self.booth = booth
        self.hosts = {f"{name}:{self.server_address[1]}" for name in ("127.0.0.1", "localhost")}
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Serve a file of the page, or a match."""
        address = urlsplit(self.path)
        if self.headers.get("Host") not in self.server.hosts:
            self._refuse(HTTPStatus.FORBIDDEN)
        elif address.path in FILES:
            name, kind = FILES[address.path]
            self._send(HTTPStatus.OK, (FOLDER / name).read_bytes(), kind)
        elif address.path == "/match":
            self._match(parse_qs(address.query).get("number", [""])[0])
        else:
            self._refuse(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        """Take a vote and answer with the next match, or finish."""
        length = self.headers.get("Content-Length", "")
        self.close_connection = True  # the body of a refused request is not read
        if not self._is_own():
            self._refuse(HTTPStatus.FORBIDDEN)
        elif not length.isdecimal() or int(length) > LONGEST_BODY:
            self._refuse(HTTPStatus.BAD_REQUEST)
        elif self.path == "/vote":
            self._vote(self.rfile.read(int(length)))
        elif self.path == "/finish":
            self._answer({})
            self.server.booth.finished.set()
        else:
            self._refuse(HTTPStatus.NOT_FOUND)

    def _is_own(self) -> bool:
        own = {f"http://{host}" for host in self.server.hosts}
        return (
            self.headers.get("Host") in self.server.hosts
            and self.headers.get("Origin") in own
            and self.headers.get_content_type() == "application/json"
        )

    def _match(self, text: str) -> None:
        number = int(text) if text.isdecimal() else None
        if number is not None and not self.server.booth.holds(number):
            self._refuse(HTTPStatus.NOT_FOUND)
        else:
            self._answer(self.server.booth.show(number))

    def _vote(self, body: bytes) -> None:
        try:
            request = json.loads(body)
            number, vote = request["number"], request["vote"]
        except (ValueError, KeyError, TypeError):
            self._refuse(HTTPStatus.BAD_REQUEST)
            return
        if not self.server.booth.holds(number) or vote not in VOTES:
            self._refuse(HTTPStatus.BAD_REQUEST)
            return
        try:
            self.server.booth.vote(number, vote)
        except BenchError:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR)
            return
        self._answer(self.server.booth.show(None))

    def _answer(self, answer: dict[str, Any]) -> None:
        self._send(HTTPStatus.OK, json.dumps(answer).encode(), "application/json")

    def _refuse(self, status: HTTPStatus) -> None:
        self._send(status, status.phrase.encode(), "text/plain")

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Content-Security-Policy", POLICY),
            ("X-Content-Type-Options", "nosniff"),
            ("Cache-Control", "no-store"),
        ):
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class names it so
        """Stay silent."""
