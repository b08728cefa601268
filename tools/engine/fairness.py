"""Measure how much large requests slow down small ones: `python -m tools.engine.fairness`.

The figure is the ratio of the P90 of requests with 5 documents, sent one at a time, with and without four clients that
keep requests of 1,000 documents in flight. The large requests' documents per second are also shown, since fairness must
not come at the cost of throughput.
"""

import asyncio
from pathlib import Path
from typing import Any

import click

from bench.client.client import Client
from bench.contestants.contestant import rerank_at
from bench.latency.loops import closed_loop
from bench.records import Sample
from tools.engine.traffic import (  # fmt: skip
    OUT,
    PAIRS,
    ROUTE,
    SERVER,
    URL,
    RequestSupply,
    documents_per_s,
    latency_ms,
    reranker,
    write,
)

LARGE_CLIENTS = 4
SMALL_DOCUMENTS = 5


@click.command()
@PAIRS
@URL
@ROUTE
@SERVER
@OUT
@click.option("--small", default=100, show_default=True, help="Small requests per phase.")
@click.option("--large-documents", default=1000, show_default=True, help="Documents per large request.")
def main(
    pairs: Path, url: str | None, route: str, server: str, out: Path | None, small: int, large_documents: int
) -> None:
    """Measure the latency of small requests, alone and beside large ones."""
    with reranker(url, server) as at:
        supply = RequestSupply(pairs)
        found = asyncio.run(_measure(at, route, supply, small, large_documents))
    alone, beside = latency_ms(found["alone"], 90), latency_ms(found["beside"], 90)
    click.echo(
        f"5 documents, P90: alone {alone:.1f} ms, beside large requests {beside:.1f} ms, ratio {beside / alone:.2f}"
    )
    click.echo(f"large requests: {documents_per_s(found['large']):.0f} documents/s")
    supply.report()
    write(out, at, found.pop("info"), {"route": route, "small": small, "large_documents": large_documents}, found)


async def _measure(url: str, route: str, supply: RequestSupply, small: int, large_documents: int) -> dict[str, Any]:
    async with Client(rerank_at(url, route=route), timeout_s=600, connections=32) as client:
        info = await client.info()
        await closed_loop(client, supply.take(SMALL_DOCUMENTS, 20), 1)
        alone = await closed_loop(client, supply.take(SMALL_DOCUMENTS, small), 1)
        heavy: list[Sample] = []

        async def keep_busy() -> None:
            while True:
                [request] = supply.take(large_documents, 1)
                heavy.append((await client.rerank("", request.query, request.documents)).sample)

        busy = [asyncio.create_task(keep_busy()) for _ in range(LARGE_CLIENTS)]
        await asyncio.sleep(3)
        beside = await closed_loop(client, supply.take(SMALL_DOCUMENTS, small), 1)
        while len(heavy) < LARGE_CLIENTS:
            await asyncio.sleep(0.5)
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
    return {"info": info, "alone": alone, "beside": beside, "large": heavy}


if __name__ == "__main__":
    main()
