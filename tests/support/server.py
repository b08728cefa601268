"""The real server as a subprocess: started by its console script on a free port, stopped by SIGTERM."""

import contextlib
import os
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import httpx

RERANK = Path(sys.executable).parent / "rerank"
START_TIMEOUT_S = 180


class Server:
    """A running `rerank serve`; a with block starts and stops it."""

    def __init__(
        self,
        *flags: str,
        environ: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        wait_ready: bool = True,
        rerank: Path = RERANK,
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._command = [str(rerank), "serve", "--port", str(self.port), *flags]
        self._environ = clean_environ() | dict(environ or {})
        self._headers = dict(headers or {})
        self._wait_ready = wait_ready
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._tls = ssl.create_default_context()  # never used, but each client would else load its own
        self._local = threading.local()
        self._clients: list[httpx.Client] = []

    @property
    def client(self) -> httpx.Client:
        """The calling thread's own client: a pool shared by threads may close a connection that another still reads."""
        if not hasattr(self._local, "client"):
            self._local.client = httpx.Client(
                base_url=self.url, headers=self._headers, timeout=300, trust_env=False, verify=self._tls
            )
            self._clients.append(self._local.client)
        client: httpx.Client = self._local.client
        return client

    def __enter__(self) -> "Server":
        self.process = subprocess.Popen(self._command, env=self._environ, stderr=self._stderr)
        if self._wait_ready:
            self.wait_ready()
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            client.close()
        if self.process.poll() is None:
            self.stop()
        self._stderr.close()

    def wait_ready(self) -> None:
        """Wait until /ready answers 200; fail with the server's log if it ends or takes too long."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if self.client.get("/ready").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"the server did not become ready:\n{self.log()}")

    def stop(self) -> int:
        """Send SIGTERM and wait; return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=150)

    def log(self) -> str:
        """What the server wrote to stderr so far."""
        self._stderr.seek(0)
        return self._stderr.read().decode()

    def rerank(self, query: str, documents: Sequence[Any], **fields: Any) -> httpx.Response:
        """POST /v1/rerank."""
        return self.client.post("/v1/rerank", json={"query": query, "documents": documents, **fields})

    def scores(self, query: str, documents: Sequence[Any], **fields: Any) -> list[float]:
        """Rerank and give the scores in the documents' order."""
        answer = self.rerank(query, documents, **fields)
        assert answer.status_code == 200, answer.text
        by_index = {result["index"]: result["relevance_score"] for result in answer.json()["results"]}
        return [by_index[index] for index in range(len(documents))]


def run_rerank(*arguments: str, environ: Mapping[str, str] | None = None, stdin: bytes = b"") -> Any:
    """Run the `rerank` command to its end; the answer has returncode, stdout and stderr as text."""
    done = subprocess.run(
        [str(RERANK), *arguments],
        env=clean_environ() | dict(environ or {}),
        input=stdin,
        capture_output=True,
        timeout=60,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def clean_environ() -> dict[str, str]:
    """The environment without our variables, which would change what is tested."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RERANK_")}


def free_port() -> int:
    """A port that nobody listens on right now; below those that the kernel gives to clients, so that none takes it."""
    while True:
        port = 10_000 + secrets.randbelow(22_768)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
