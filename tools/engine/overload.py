"""Measure the goodput under overload: `python -m tools.engine.overload`.

The server's capacity is measured first, with eight clients in a closed loop; then an open loop sends 0.5, 1, 2 and 5
times that rate. Goodput is the number of documents answered in time per second; the figure is the goodput at five times
the capacity relative to the best. Rejected (429) and late requests are also shown.
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
    open_loop,
    reranker,
    write,
)

LOADS = (0.5, 1.0, 2.0, 5.0)


@click.command()
@PAIRS
@URL
@ROUTE
@SERVER
@OUT
@click.option("--documents", default=20, show_default=True, help="Documents per request.")
@click.option("--seconds", default=20.0, show_default=True, help="Duration of each load in seconds.")
@click.option("--timeout-ms", default=2000, show_default=True, help="Request deadline in milliseconds.")
def main(
    pairs: Path,
    url: str | None,
    route: str,
    server: str,
    out: Path | None,
    documents: int,
    seconds: float,
    timeout_ms: int,
) -> None:
    """Measure goodput and latency at increasing load and print a line for each load."""
    with reranker(url, server) as at:
        supply = RequestSupply(pairs)
        found = asyncio.run(_measure(at, route, supply, documents, seconds, timeout_ms))
    info, most = found.pop("info"), documents_per_s(found["closed"])
    click.echo(f"closed loop, 8 clients: {most:.0f} documents/s")
    goodputs = {}
    for load in LOADS:
        samples: list[Sample] = found[f"{load:g}"]
        in_time = [s for s in samples if s.error is None and (s.done_s - s.planned_s) * 1000 <= timeout_ms]
        goodputs[load] = sum(sample.documents for sample in in_time) / seconds
        refused = sum(sample.status == 429 for sample in samples) / len(samples)
        other = sum(sample.error is not None and sample.status != 429 for sample in samples)
        p50, p90, p99 = (latency_ms(samples, percentile) for percentile in (50, 90, 99))
        click.echo(
            f"{load:g} x capacity: {len(samples) / seconds:.1f} requests/s sent, {goodputs[load]:.0f} documents/s in "
            f"time; P50 {p50:.0f}, P90 {p90:.0f}, P99 {p99:.0f} ms; {refused:.0%} rejected, {other} other errors"
        )
    click.echo(f"goodput at {LOADS[-1]:g} x capacity: {goodputs[LOADS[-1]] / max(goodputs.values()):.0%} of the best")
    supply.report()
    write(out, at, info, {"documents": documents, "seconds": seconds, "timeout_ms": timeout_ms}, found)


async def _measure(
    url: str, route: str, supply: RequestSupply, documents: int, seconds: float, timeout_ms: int
) -> dict[str, Any]:
    headers = {"X-Request-Timeout-Ms": str(timeout_ms)}
    async with Client(rerank_at(url, route=route), timeout_s=120, connections=1000, headers=headers) as client:
        info = await client.info()
        await closed_loop(client, supply.take(documents, 30), 8)
        closed = await closed_loop(client, supply.take(documents, 166), 8)
        per_s = documents_per_s(closed) / documents
        found: dict[str, Any] = {"info": info, "closed": closed}
        for load in LOADS:
            found[f"{load:g}"] = await open_loop(client, supply, documents, load * per_s, seconds, seed=int(10 * load))
    return found


if __name__ == "__main__":
    main()
