"""A reranker whose delays are known: it answers after as many milliseconds as the query says, or after a stall.

A process of its own, so that it does not share an interpreter with the generator under test. With the arguments N and S
the Nth such request stops the server for S seconds: that one and all that come meanwhile are answered when it is over.
With a third one, M, the Mth request of any kind ends the process.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

PROGRAM = Path(__file__)
StartKnownServer = Callable[..., AbstractContextManager[str]]
"""Starts the program with the arguments `stall_at`, `stall_s`, `die_at` and gives its URL."""


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, state: "State") -> None:
    while head := await _head(reader):
        length = next((int(line.split(b":")[1]) for line in head if line.lower().startswith(b"content-length")), 0)
        body = await reader.readexactly(length)
        if head[0].startswith(b"GET"):
            content = b'{"model_id": "known", "device": "cpu"}'
        else:
            content = await state.rerank(json.loads(body))
        timing = b"Server-Timing: inference;dur=%.3f\r\n" % state.last_ms
        writer.write(b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (timing, len(content), content))
        await writer.drain()
    writer.close()


async def _head(reader: asyncio.StreamReader) -> list[bytes]:
    try:
        return (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return []


class State:
    """When the server stalls, and how many requests it has seen."""

    def __init__(self, stall_at: int, stall_s: float, die_at: int) -> None:
        self.stall_at, self.stall_s, self.die_at = stall_at, stall_s, die_at
        self.asked = 0
        self.seen = 0
        self.free_at = 0.0
        self.last_ms = 0.0

    async def rerank(self, request: dict[str, object]) -> bytes:
        """The answer, when it is due."""
        self.asked += 1
        if self.asked == self.die_at:
            os._exit(1)
        query = str(request["query"])
        own_s = float(query) / 1000 if query.isdecimal() else 0.0
        if query.isdecimal():
            self.seen += 1
            if self.seen == self.stall_at:
                self.free_at = time.perf_counter() + self.stall_s
        await asyncio.sleep(max(0.0, self.free_at - time.perf_counter()) + own_s)
        self.last_ms = own_s * 1000
        documents = request["documents"]
        assert isinstance(documents, list)
        results = [{"index": index, "relevance_score": 0.5} for index in range(len(documents))]
        return json.dumps({"results": results, "usage": {"total_tokens": 7 * len(documents)}}).encode()


async def _main(stall_at: int, stall_s: float, die_at: int) -> None:
    state = State(stall_at, stall_s, die_at)
    server = await asyncio.start_server(lambda reader, writer: _answer(reader, writer, state), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
