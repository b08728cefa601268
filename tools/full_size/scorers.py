"""The two that are compared: our real server over HTTP, and the peer in its own process; both score the same texts."""

import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.server import Server

PEER = Path(__file__).with_name("peer.py")


class Ours:
    """`rerank serve` on a free port."""

    def __init__(self, *flags: str) -> None:
        self.server = Server(*flags, wait_ready=False)

    def __enter__(self) -> "Ours":
        self.server.__enter__()
        self.server.wait_ready()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.__exit__(*error)

    def score(self, query: str, documents: Sequence[str]) -> dict[str, Any]:
        """Rerank over HTTP; returns seconds, scores in the documents' order and tokens."""
        start = time.perf_counter()
        answer = self.server.client.post(
            "/v1/rerank", json={"query": query, "documents": documents}, timeout=600
        ).raise_for_status()
        seconds = time.perf_counter() - start
        body = answer.json()
        ranked = sorted(body["results"], key=lambda result: int(result["index"]))
        scores = [result["relevance_score"] for result in ranked]
        return {"seconds": seconds, "scores": scores, "tokens": body["usage"]["total_tokens"]}

    def resident_bytes(self) -> dict[str, int]:
        """The server's resident memory now and at its highest, from the kernel."""
        status = Path(f"/proc/{self.server.process.pid}/status").read_text()
        lines = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        return {name: int(lines[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM", "RssAnon", "RssFile")}


class Peer:
    """sentence-transformers in its own environment."""

    def __init__(self, python: Path, model: str, revision: str, device: str, dtype: str) -> None:
        command = [str(python), str(PEER), model, revision, device, dtype]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.about = self._read()

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()

    def score(self, query: str, documents: Sequence[str]) -> dict[str, Any]:
        """Score as its documentation shows; returns seconds and scores."""
        return self._ask({"query": query, "documents": list(documents)})

    def flops(self, size: int) -> float:
        """The device's matmul rate in FLOP/s."""
        return float(self._ask({"matmul": size})["flops"])

    def _ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        if self._process.stdin is None:
            raise RuntimeError("the peer has no stdin")
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise RuntimeError("the peer ended: its message is above")
        answer: dict[str, Any] = json.loads(line)
        return answer
