"""`python -m tools.engine.asgi`: the same app under several ASGI servers, in turn (`pip install granian hypercorn`).

Of requests one after another on one connection: the median round trip, and the processor time that the whole server
takes for one, which a busy machine changes least. `/health` shows the server, `/v1/rerank` with one document what is
left of it in use.
"""

import contextlib
import http.client
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from models.catalogue import EMBEDDED
from models.scorer import Scorer
from service.api.app import create_app
from service.api.auth import ApiKeys
from service.settings import Settings
from tests.support.server import free_port

APP = "tools.engine.asgi:app"
SERVERS = {
    "uvicorn, httptools and uvloop": ["uvicorn", APP, "--factory", "--no-access-log", "--lifespan", "on"],
    "uvicorn, h11 and asyncio": [
        *("uvicorn", APP, "--factory", "--no-access-log", "--lifespan", "on", "--http", "h11", "--loop", "asyncio")
    ],
    "granian": ["granian", APP, "--factory", "--interface", "asgi", "--no-access-log", "--no-ws"],
    "hypercorn, uvloop": ["hypercorn", f"{APP}()", "--worker-class", "uvloop"],
}
BODIES: dict[str, bytes | None] = {
    "/health": None,
    "/v1/rerank": json.dumps({"query": "panda", "documents": ["A bear that eats bamboo."]}).encode(),
}
TICKS_PER_S = 100


def app() -> Any:
    """What `rerank serve` serves."""
    scorer = Scorer.open(EMBEDDED, device="cpu")
    return create_app(scorer, Settings(), ApiKeys((), None), lambda _: None)


@click.command(context_settings={"show_default": True})
@click.option("--rounds", default=5)
@click.option("--requests", default=400, help="Of each round and route.")
@click.option("--out", type=click.Path(path_type=Path), help="File for the figures.")
def main(rounds: int, requests: int, out: Path | None) -> None:
    """Measure and print a table."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = {name: {r: [] for r in BODIES} for name in SERVERS}
    with contextlib.ExitStack() as stack:
        started = {name: stack.enter_context(_served(command)) for name, command in SERVERS.items()}
        for _ in range(rounds):
            for name, (process, port) in started.items():
                for route in BODIES:
                    found[name][route].append(_measure(process.pid, port, route, requests))
    for name, routes in found.items():
        cells = [
            f"{route}: P50 {statistics.median(p50 for p50, _ in each):.2f} ms, "
            f"processor {statistics.median(cpu for _, cpu in each):.2f} ms"
            for route, each in routes.items()
        ]
        click.echo(f"{name:<32}" + "   ".join(cells))
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps({"columns": ["p50_ms", "processor_ms"], "found": found}, indent=1) + "\n")


@contextlib.contextmanager
def _served(command: list[str]) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = free_port()
    at = ["--bind", f"127.0.0.1:{port}"] if command[0] == "hypercorn" else ["--host", "127.0.0.1", "--port", str(port)]
    program = Path(sys.executable).parent / command[0]
    process = subprocess.Popen([program, *command[1:], *at], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            with contextlib.suppress(OSError), contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as c:
                c.request("GET", "/ready")
                if c.getresponse().status == http.HTTPStatus.OK:
                    break
            time.sleep(0.2)
        yield process, port
    finally:
        process.terminate()
        process.wait()


def _measure(pid: int, port: int, route: str, requests: int) -> tuple[float, float]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    before, times = _processor_s(pid), []
    body = BODIES[route]
    for _ in range(requests):
        start = time.perf_counter()
        connection.request("POST" if body else "GET", route, body, {"Content-Type": "application/json"})
        connection.getresponse().read()
        times.append(1000 * (time.perf_counter() - start))
    connection.close()
    return statistics.median(times), 1000 * (_processor_s(pid) - before) / requests


def _processor_s(pid: int) -> float:
    """Of a process and its children."""
    pids = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    fields = [Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split() for each in pids]
    return sum(int(field[11]) + int(field[12]) for field in fields) / TICKS_PER_S


if __name__ == "__main__":
    main()
