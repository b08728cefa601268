"""A local HTTP server of files that can break off, forget ranges, change a file or answer with an error."""

import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FileServer(ThreadingHTTPServer):
    """Serves `files` by path; what it was asked for is in `seen` as (path, Range or None)."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.files: dict[str, bytes] = {}
        self.etag = '"1"'
        self.ranges = True
        self.break_after: list[int] = []
        """The next answers end after so many bytes, without a word."""
        self.statuses: list[int] = []
        """The next answers have these statuses."""
        self.seen: list[tuple[str, str | None]] = []


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        server, path = self.server, self.path
        server.seen.append((path, self.headers["Range"]))
        status = server.statuses.pop(0) if server.statuses else 200 if path in server.files else 404
        if status != 200:
            self.send_error(status)
            return
        body, start = server.files[path], self._start()
        if start is not None and start >= len(body):
            self.send_error(416)
            return
        self.send_response(200 if start is None else 206)
        self.send_header("Content-Length", str(len(body) - (start or 0)))
        if server.etag:
            self.send_header("ETag", server.etag)
        self.end_headers()
        rest = body[start or 0 :]
        if server.break_after:
            rest = rest[: server.break_after.pop(0)]
            self.close_connection = True
        self.wfile.write(rest)

    def _start(self) -> int | None:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        if not asked or not self.server.ranges or self.headers["If-Range"] != self.server.etag:
            return None
        return int(asked[1])

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class names it so
        """Stay silent."""
