"""The two scorers that are compared: our server over HTTP, and sentence-transformers in its own environment.

Both score the same texts and report the time they took.
"""

import contextlib
import json
import shlex
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bench.local_server import local_server
from tools import local_process

PROGRAM = Path(__file__).parents[1] / "peers" / "sentence_transformers_process.py"
START_TIMEOUT_S = 600.0
REQUEST_TIMEOUT_S = 600.0


@dataclass(frozen=True)
class RerankServer:
    """A running `rerank serve`."""

    url: str
    http: httpx.Client

    def score(self, query: str, documents: Sequence[str]) -> dict[str, Any]:
        """Rerank over HTTP; return seconds, tokens, and scores in the order of the documents."""
        start = time.perf_counter()
        answer = self.http.post("/v1/rerank", json={"query": query, "documents": documents}).raise_for_status()
        seconds = time.perf_counter() - start
        body = answer.json()
        ranked = sorted(body["results"], key=lambda result: int(result["index"]))
        scores = [result["relevance_score"] for result in ranked]
        return {"seconds": seconds, "scores": scores, "tokens": body["usage"]["total_tokens"]}

    def resident_bytes(self) -> dict[str, int]:
        """Return the server's current and peak resident memory."""
        return local_process.resident_bytes(local_process.pid_of(self.url))


@contextlib.contextmanager
def rerank_server(*flags: str, program: str = "rerank") -> Iterator[RerankServer]:
    """Start `rerank serve` with these flags on a free port; stop it when the block ends."""
    command = shlex.join([program, "serve", *flags])
    with (
        local_server(command, START_TIMEOUT_S) as url,
        httpx.Client(base_url=url, timeout=REQUEST_TIMEOUT_S, trust_env=False) as http,
    ):
        yield RerankServer(url, http)


class SentenceTransformers:
    """A process with sentence-transformers in its own environment; use it in a with block to end it."""

    def __init__(self, python: Path, model: str, revision: str, device: str, dtype: str) -> None:
        command = [str(python), str(PROGRAM), model, revision, device, dtype]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.about = self._answer()

    def __enter__(self) -> "SentenceTransformers":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()

    def score(self, query: str, documents: Sequence[str]) -> dict[str, Any]:
        """Score as in the library's documentation; return seconds and scores."""
        return self._ask({"query": query, "documents": list(documents)})

    def flops(self, size: int) -> float:
        """Return the device's matmul rate in FLOP/s."""
        return float(self._ask({"matmul": size})["flops"])

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._process.stdin is None:
            raise RuntimeError("the process of sentence-transformers has no stdin")
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise RuntimeError("the process of sentence-transformers ended unexpectedly: see its message above")
        answer: dict[str, Any] = json.loads(line)
        return answer
