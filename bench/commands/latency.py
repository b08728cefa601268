"""`rerank-bench latency`: how fast a reranker answers."""

from pathlib import Path

import click

from bench import candidates, datasets, records, stages, tables
from bench.commands.flags import measuring
from bench.commands.output import finish
from bench.contestants.contestant import rerank_at
from bench.errors import BenchError
from bench.settings import Settings


@click.command("latency")
@measuring
@click.option("--documents", type=click.IntRange(min=1), default=50, help="Documents a request.")
@click.option("--requests", type=click.IntRange(min=1), default=50, help="Measured requests.")
@click.option("--warm-up", type=click.IntRange(min=0), default=5, help="Requests before them, kept apart.")
@click.option("--concurrency", type=click.IntRange(min=1), default=1, help="Clients, each with one request at a time.")
def latency_command(
    url: str,
    data: str,
    split: str,
    run_file: Path | None,
    model: str | None,
    timeout_s: float,
    seed: int,
    out: Path | None,
    documents: int,
    requests: int,
    warm_up: int,
    concurrency: int,
) -> None:
    """P50, P90, P99 and documents per second in a closed loop, with real queries and passages.

    Failed requests are counted beside the percentiles, never in them; the exit code is 1 when none succeeded.
    """
    if out:
        records.check_writable(out)
    dataset = datasets.load(datasets.find(data, Settings.from_environment().data_root), split)
    settings = stages.LatencySettings(documents, concurrency, requests, warm_up, seed, timeout_s)
    frozen = candidates.freeze(dataset, documents, run_file)
    record = stages.measure_latency(rerank_at(url, model), dataset, frozen, settings)
    finish(tables.latency_table(record), record, out)
    if record.summary.errors == record.summary.requests:
        raise BenchError("no request succeeded, so there is no latency to report")
