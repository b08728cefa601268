"""`python -m bench.quickstart --data DIR`: a first measurement in one command.

Starts the server on a free port, measures latency and then accuracy on one dataset, prints both tables and stops the
server. The exit code is 0 only if every query was answered; the server is stopped in every case.
"""

import tempfile
from pathlib import Path

import click

from bench.accuracy.stage import AccuracySettings, accuracy_folder, measure_accuracy
from bench.accuracy.tables import accuracy_table
from bench.candidates.frozen import DEPTH, Choice, load_or_freeze
from bench.commands.flags import FiniteRange, say
from bench.contestants.contestant import rerank_at
from bench.data import datasets
from bench.errors import BenchError
from bench.latency.plan import Sweep
from bench.latency.stage import measure_latency
from bench.latency.tables import latency_table
from bench.latency.workload import distinct_passages, lengths
from bench.local_server import local_server
from bench.settings import Settings
from bench.wording import counted


@click.command(context_settings={"show_default": True, "help_option_names": ["-h", "--help"]})
@click.option("--data", help="Dataset: a folder in BEIR layout, the name of a folder in RERANK_DATA, or `sample`.")
@click.option(
    "--serve", "command", default="rerank serve", help="Command that starts the server; `--port N` is appended."
)
@click.option("--limit", type=click.IntRange(min=1), help="Measure accuracy on at most this many judged queries.")
@click.option("--requests", type=click.IntRange(min=1), default=50, help="Number of measured latency requests.")
@click.option(
    "--start-timeout",
    type=FiniteRange(min=0, min_open=True),
    default=300.0,
    help="Seconds to wait for the server to become ready.",
)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Folder to keep the records and raw rankings in."
)
def main(
    data: str | None, command: str, limit: int | None, requests: int, start_timeout: float, out: Path | None
) -> None:
    """Start a server, measure its latency and accuracy on a dataset, and stop it."""
    if not data:
        raise click.ClickException(
            "--data is required: a folder with corpus.jsonl, queries.jsonl and qrels/test.tsv, "
            "or `sample` for the small dataset that ships with the bench"
        )
    try:
        with tempfile.TemporaryDirectory(prefix="rerank-bench-") as temporary:
            failed = _measure(data, command, limit, requests, start_timeout, out or Path(temporary))
        if out:
            click.echo(f"records: {out}", err=True)
    except BenchError as error:
        raise click.ClickException(str(error)) from error
    if failed:
        raise click.ClickException(f"{counted(failed, 'request')} failed; see the tables above for the reasons")


def _measure(data: str, command: str, limit: int | None, requests: int, start_timeout_s: float, results: Path) -> int:
    """Print both tables and return the number of failed requests."""
    dataset = datasets.load(datasets.find(data, Settings.from_environment().data_root))
    folder = accuracy_folder(results, dataset)
    candidates = load_or_freeze(dataset, Choice(DEPTH), folder, say=say)
    click.echo(f"starting `{command}`", err=True)
    with local_server(command, start_timeout_s) as url:
        contestant = rerank_at(url)
        documents = min(DEPTH, len(distinct_passages(dataset, lengths("any", dataset))))
        sweep = Sweep(documents=(documents,), requests=requests)
        [latency] = measure_latency([contestant], [(dataset, candidates)], sweep, results, anew=True, say=say)
        click.echo(latency_table(latency))
        accuracy = measure_accuracy(contestant, dataset, candidates, folder, AccuracySettings(limit=limit), say)
        click.echo(accuracy_table([accuracy]))
    return sum(at.summary.errors for at in latency.points) + len(accuracy.failures)


if __name__ == "__main__":
    main()
