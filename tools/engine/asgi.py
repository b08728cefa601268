"""Compare ASGI servers running the same app: `python -m tools.engine.asgi` (needs `pip install granian hypercorn`).

Requests are sent one after another on one connection, to the servers in turn. The figures are the median round trip and
the server's CPU time per request, which other load on the machine affects least. `/health` shows the server's own cost,
`/v1/rerank` with one document its effect on a real request.
"""

import contextlib
import http.client
import json
import socket
import statistics
import time
from pathlib import Path
from typing import Any

import click

from bench.local_server import local_server
from models.catalogue import EMBEDDED
from models.loaded_model import LoadedModel
from service.api.app import create_app
from service.api.auth import ApiKeys
from service.settings import Settings
from tools.local_process import pid_of, processor_s

APP = "tools.engine.asgi:app"
UVICORN = f"uvicorn {APP} --factory --no-access-log --lifespan on"
SERVERS = {
    "uvicorn, httptools and uvloop": UVICORN,
    "uvicorn, h11 and asyncio": f"{UVICORN} --http h11 --loop asyncio",
    "granian": f"granian {APP} --factory --interface asgi --no-access-log --no-ws",
    # hypercorn has no --port option: the shell receives `--port N` and passes on the number
    "hypercorn, uvloop": f"sh -c 'exec hypercorn \"{APP}()\" --worker-class uvloop --bind 127.0.0.1:$1'",
}
START_TIMEOUT_S = 60.0
BODIES: dict[str, bytes | None] = {
    "/health": None,
    "/v1/rerank": json.dumps({"query": "panda", "documents": ["A bear that eats bamboo."]}).encode(),
}


def app() -> Any:
    """Create the app that `rerank serve` serves."""
    model = LoadedModel.open(EMBEDDED, device="cpu")
    return create_app(model, Settings(), ApiKeys((), None), lambda _: None)


@click.command(context_settings={"show_default": True})
@click.option("--rounds", default=5, help="Number of rounds.")
@click.option("--requests", default=400, help="Requests per round and route.")
@click.option("--out", type=click.Path(path_type=Path), help="File to write the figures to.")
def main(rounds: int, requests: int, out: Path | None) -> None:
    """Measure latency and CPU time of the app under several ASGI servers."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = {name: {r: [] for r in BODIES} for name in SERVERS}
    with contextlib.ExitStack() as stack:
        urls = {name: stack.enter_context(local_server(command, START_TIMEOUT_S)) for name, command in SERVERS.items()}
        for _ in range(rounds):
            for name, url in urls.items():
                for route in BODIES:
                    found[name][route].append(_measure(url, route, requests))
    for name, routes in found.items():
        cells = [
            f"{route}: P50 {statistics.median(p50 for p50, _ in each):.2f} ms, "
            f"CPU {statistics.median(cpu for _, cpu in each):.2f} ms"
            for route, each in routes.items()
        ]
        click.echo(f"{name:<32}" + "   ".join(cells))
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps({"columns": ["p50_ms", "processor_ms"], "found": found}, indent=1) + "\n")


def _measure(url: str, route: str, requests: int) -> tuple[float, float]:
    """Return the median round trip and the server's CPU time per request, in milliseconds."""
    pid = pid_of(url)
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    before, times = processor_s(pid), []
    body = BODIES[route]
    for _ in range(requests):
        start = time.perf_counter()
        connection.request("POST" if body else "GET", route, body, {"Content-Type": "application/json"})
        connection.getresponse().read()
        times.append(1000 * (time.perf_counter() - start))
    connection.close()
    return statistics.median(times), 1000 * (processor_s(pid) - before) / requests


if __name__ == "__main__":
    main()
