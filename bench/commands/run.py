"""`rerank-bench run`: measures the accuracy of rerankers."""

from collections.abc import Sequence
from pathlib import Path

import click

from bench.accuracy import paired
from bench.accuracy.measures import PRIMARY
from bench.accuracy.stage import AccuracySettings, accuracy_folder, measure_accuracy
from bench.accuracy.tables import accuracy_heading, accuracy_table, paired_line
from bench.accuracy.trial import check_measures, check_measures_on
from bench.candidates.frozen import DEPTH, Choice, load_or_freeze
from bench.commands.flags import DATA, MODEL, RESULTS, RUN_FILE, SEED, SPLIT, TIMEOUT, URL, parse_contestants, say
from bench.contestants.contestant import FORM, Contestant
from bench.contestants.reference import Reference
from bench.data import datasets
from bench.data.datasets import Dataset
from bench.errors import BenchError
from bench.records import AccuracyRecord
from bench.settings import Settings
from bench.wording import counted


@click.command("run", short_help="Measure accuracy.")
@click.option(
    "--contestant",
    "specs",
    multiple=True,
    metavar="SPEC",
    help=f"Contestant to measure: bm25, oracle, or {FORM}; may be repeated.",
)
@URL
@DATA
@RESULTS
@SPLIT
@RUN_FILE
@MODEL
@TIMEOUT
@SEED
@click.option(
    "--depth",
    type=click.IntRange(min=1),
    help=f"Number of candidates per query.  [default: as already frozen, otherwise {DEPTH}]",
)
@click.option("--limit", type=click.IntRange(min=1), help="Use at most this many judged queries, sampled with --seed.")
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    default=2,
    help="Number of concurrent requests, unless the contestant's SPEC sets it.",
)
@click.option(
    "--measure",
    "further",
    multiple=True,
    metavar="NAME",
    help="Additional measure in ir_measures notation, such as AP or R@100; tried before the first request; may be "
    "repeated.",
)
def run_command(
    specs: tuple[str, ...],
    url: str | None,
    names: tuple[str, ...],
    results: Path,
    split: str,
    run_file: Path | None,
    model: str | None,
    timeout_s: float,
    seed: int,
    depth: int | None,
    limit: int | None,
    concurrency: int,
    further: tuple[str, ...],
) -> None:
    """Measure the accuracy of rerankers on datasets, compared with the candidates in their original order.

    The candidates of every judged query are reranked over HTTP, and every ranking is saved at once in --results: run
    the same command again to request only what is missing; a run that requests nothing says so, and whether the server
    still has the same model. A failed query scores 0, is reported, sets the exit code to
    1, and is retried by the next run. API keys are read from the environment, such as COHERE_API_KEY.
    """
    check_measures(further)
    environment = Settings.from_environment()
    contestants = parse_contestants(specs, url, model, environment)
    folders = datasets.find_each(names, environment.data_root)
    settings = AccuracySettings(concurrency, limit, seed, timeout_s, further)
    problems: list[str] = []
    for folder in folders:
        try:
            dataset = datasets.load(folder, split)
            records = _measure(contestants, dataset, Choice(depth, run_file), results, settings, problems)
        except BenchError as error:
            problems.append(str(error))
        else:
            _show(records, seed)
            problems += _failures(records)
    click.echo(f"results: {results}", err=True)
    if problems:
        raise BenchError("\n".join(problems))


def _measure(
    contestants: Sequence[Contestant | Reference],
    dataset: Dataset,
    choice: Choice,
    results: Path,
    settings: AccuracySettings,
    problems: list[str],
) -> list[AccuracyRecord]:
    """Measure all contestants on one dataset; one that cannot be measured is added to `problems`."""
    folder = accuracy_folder(results, dataset)
    candidates = load_or_freeze(dataset, choice, folder, say=say)
    check_measures_on(dataset, candidates.lists, settings.measures)
    records = []
    for contestant in contestants:
        try:
            records.append(measure_accuracy(contestant, dataset, candidates, folder, settings, say))
        except BenchError as error:
            problems.append(f"{contestant.name} on {dataset.name}: {error}")
    return records


def _show(records: Sequence[AccuracyRecord], seed: int) -> None:
    """Print a dataset's table, and the paired comparison of the best contestant with every other."""
    if not records:
        return
    click.echo(accuracy_heading(records))
    click.echo(accuracy_table(records))
    best, *others = sorted(records, key=lambda record: -record.measures[PRIMARY].value)
    for other in others:
        click.echo(paired_line(paired.compare(best, other, PRIMARY, seed)))


def _failures(records: Sequence[AccuracyRecord]) -> list[str]:
    """Describe the failed queries of every contestant that has some."""
    return [
        f"{record.contestant.name} on {record.dataset.name}: {len(record.failures)} of "
        f"{counted(record.queries, 'query')} "
        "failed and count 0 in every measure; run the same command again to retry"
        for record in records
        if record.failures
    ]
