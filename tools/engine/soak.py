"""Measure the growth of the server's memory under half an hour of mixed load: `python -m tools.engine.soak`.

Four clients send requests of 1 to 200 documents with ever new texts; a few requests are invalid or aborted. The
server's resident memory is read every ten seconds. The figure is its growth from minute five to the end.
"""

import asyncio
import random
import time
from pathlib import Path
from typing import Any

import click

from bench.client.client import Client
from bench.contestants.contestant import rerank_at
from bench.latency.workload import Request
from bench.local_server import local_server
from models.wording import counted
from tools.engine.traffic import OUT, PAIRS, SERVER, RequestSupply, write

EVERY_S = 10.0
SETTLED_S = 300.0


@click.command()
@PAIRS
@SERVER
@OUT
@click.option("--minutes", default=30.0, show_default=True, help="Duration of the load in minutes.")
def main(pairs: Path, server: str, out: Path | None, minutes: float) -> None:
    """Measure how much the server's memory grows under mixed load."""
    with local_server(server, start_timeout_s=120) as at:
        found = asyncio.run(_measure(at, RequestSupply(pairs).take(200, 200), minutes * 60))
    settled = [size for second, size in found["resident"] if second >= min(SETTLED_S, minutes * 30)]
    first, last = sum(settled[:6]) / len(settled[:6]), sum(settled[-6:]) / len(settled[-6:])
    click.echo(f"{counted(found['requests'], 'request')}, {counted(found['errors'], 'unexpected error')}")
    sizes = f"{first / 2**20:.0f} MiB after warm-up, {last / 2**20:.0f} MiB at the end"
    click.echo(f"resident memory: {sizes}: {last / first - 1:+.1%}")
    write(out, at, found.pop("info"), {"minutes": minutes, "server": server}, found)


async def _measure(url: str, work: list[Request], seconds: float) -> dict[str, Any]:
    draw = random.Random(0)
    found: dict[str, Any] = {"requests": 0, "errors": 0, "resident": []}
    begin = time.perf_counter()
    async with Client(rerank_at(url), timeout_s=120) as client:
        found["info"] = await client.info()

        async def one_client() -> None:
            while time.perf_counter() - begin < seconds:
                request = draw.choice(work)
                count = draw.choice([1, 5, 20, 50, 200])
                documents = [f"{draw.random()} {text}" for text in request.documents[:count]]
                found["requests"] += 1
                if draw.random() < 0.02:
                    await _leave_early(client, request.query, documents)
                else:
                    answer = await client.rerank("", "" if draw.random() < 0.02 else request.query, documents)
                    found["errors"] += answer.sample.error is not None and answer.sample.status != 422

        clients = asyncio.gather(*(one_client() for _ in range(4)))
        while not clients.done():
            found["resident"].append((time.perf_counter() - begin, await _resident(client)))
            await asyncio.wait({clients}, timeout=EVERY_S)
        await clients
    return found


async def _leave_early(client: Client, query: str, documents: list[str]) -> None:
    asking = asyncio.create_task(client.rerank("", query, documents))
    await asyncio.sleep(0.02)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)


async def _resident(client: Client) -> float:
    """Read the server's resident memory in bytes from its metrics."""
    lines = (await client.text("/metrics")).splitlines()
    return float(next(line for line in lines if line.startswith("process_resident_memory_bytes")).split()[1])


if __name__ == "__main__":
    main()
