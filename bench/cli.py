"""`rerank-bench`: the bench's commands, each one stage that can be run again alone.

Owns the flags and the exit codes: 0 when everything asked for was measured, 1 with one sentence on stderr when it
could not be, 2 for a wrong flag (click's own). Tables go to stdout, progress to stderr, records to `--out`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from bench import candidates, datasets, records, stages, tables
from bench.errors import BenchError
from bench.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])


class SentenceGroup(click.Group):
    """A group whose commands end with the one sentence of a BenchError instead of a trace."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BenchError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=SentenceGroup, context_settings={"show_default": True, "help_option_names": ["-h", "--help"]})
def main() -> None:
    """Measure a reranker behind a URL: how good its rankings are and how fast it answers."""


def _common(command: Command) -> Command:
    """The flags that both measurements share."""
    flags = [
        click.option("--url", default="http://127.0.0.1:8000", help="Base URL of the reranker."),
        click.option(
            "--data",
            "data",
            required=True,
            help="Dataset: a folder in BEIR layout, a name under RERANK_DATA, or `sample`.",
        ),
        click.option("--split", default="test", help="Which qrels/<split>.tsv judges."),
        click.option(
            "--candidates",
            "run_file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="TREC run file to take candidates from.  [default: the dataset's runs/BM25.trec, else BM25]",
        ),
        click.option("--model", help="Model name to send; none is sent without it."),
        click.option(
            "--timeout",
            "timeout_s",
            type=click.FloatRange(min=0, min_open=True),
            default=120.0,
            help="Seconds to wait for one answer.",
        ),
        click.option("--seed", type=int, default=0, help="Of the bootstrap and of --limit."),
        click.option(
            "--out",
            type=click.Path(dir_okay=False, path_type=Path),
            help="Write the record, raw results included, as JSON.",
        ),
    ]
    for flag in reversed(flags):
        command = flag(command)
    return command


@main.command("run")
@_common
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
    _finish(tables.accuracy_table(record), record, out)
    if record.failures:
        raise BenchError(f"{len(record.failures)} of {record.queries} queries failed, and the measures count them 0")


@main.command("latency")
@_common
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
    settings = stages.LatencySettings(documents, concurrency, requests, warm_up, seed)
    frozen = candidates.freeze(dataset, documents, run_file)
    record = stages.measure_latency(stages.Target(url, model, timeout_s), dataset, frozen, settings)
    _finish(tables.latency_table(record), record, out)
    if record.summary.errors == record.summary.requests:
        raise BenchError("no request succeeded, so there is no latency to report")


def _finish(table: str, record: records.Record, out: Path | None) -> None:
    click.echo(tables.heading(record))
    click.echo(table)
    if out:
        records.write(record, out)
        click.echo(f"record: {out}", err=True)


if __name__ == "__main__":
    main()
