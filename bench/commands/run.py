"""`rerank-bench run`: how good a reranker's rankings are."""

from pathlib import Path

import click

from bench import candidates, records, stages, tables
from bench.commands.flags import measuring
from bench.commands.output import finish
from bench.data import datasets
from bench.errors import BenchError
from bench.settings import Settings


@click.command("run")
@measuring
@click.option("--depth", type=click.IntRange(min=1), default=50, help="Candidates a query.")
@click.option("--limit", type=click.IntRange(min=1), help="Only so many judged queries, drawn by --seed.")
@click.option("--concurrency", type=click.IntRange(min=1), default=2, help="Requests at a time.")
def run_command(
    url: str,
    data: str,
    split: str,
    run_file: Path | None,
    model: str | None,
    timeout_s: float,
    seed: int,
    out: Path | None,
    depth: int,
    limit: int | None,
    concurrency: int,
) -> None:
    """Accuracy on a dataset, beside the candidates' own order.

    Every judged query's candidates are reranked over HTTP. A query that fails counts 0, is reported, and makes the
    exit code 1.
    """
    if out:
        records.check_writable(out)
    dataset = datasets.load(datasets.find(data, Settings.from_environment().data_root), split)
    settings = stages.AccuracySettings(concurrency=concurrency, limit=limit, seed=seed)
    frozen = candidates.freeze(dataset, depth, run_file)
    record = stages.measure_accuracy(stages.Target(url, model, timeout_s), dataset, frozen, settings)
    finish(tables.accuracy_table(record), record, out)
    if record.failures:
        raise BenchError(f"{len(record.failures)} of {record.queries} queries failed, and the measures count them 0")
