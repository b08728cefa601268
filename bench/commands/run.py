"""`rerank-bench run`: how good rerankers' rankings are."""

from collections.abc import Sequence
from pathlib import Path

import click

from bench.accuracy import measures, paired, tables
from bench.accuracy import stage as stages
from bench.candidates import frozen
from bench.commands.flags import DATA, MODEL, RUN_FILE, SEED, SPLIT, TIMEOUT, URL, asked_for
from bench.contestants.contestant import FORM
from bench.data import datasets
from bench.errors import BenchError
from bench.records import AccuracyRecord
from bench.settings import Settings

DECIDES = "nDCG@10"
"""The measure by which contestants are ordered and compared in pairs."""


@click.command("run")
@click.option(
    "--contestant",
    "specs",
    multiple=True,
    metavar="SPEC",
    help=f"Who is measured: bm25, oracle, or {FORM}; may be given again.",
)
@URL
@DATA
@click.option(
    "--results",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("bench-results"),
    help="Folder for rankings and records. What is there already is not asked for again.",
)
@SPLIT
@RUN_FILE
@MODEL
@TIMEOUT
@SEED
@click.option("--depth", type=click.IntRange(min=1), help="Candidates a query.  [default: as frozen, else 50]")
@click.option("--limit", type=click.IntRange(min=1), help="Only so many judged queries, drawn by --seed.")
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    default=2,
    help="Requests at a time, where the contestant's SPEC says nothing.",
)
@click.option(
    "--measure",
    "further",
    multiple=True,
    metavar="NAME",
    help="A further measure by its name in the literature, such as AP or R@100; may be given again.",
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
    """Accuracy of one or more rerankers on one or more datasets, beside the candidates' own order.

    Every judged query's candidates are reranked over HTTP, and every answer is kept at once in --results: the same
    command again asks only for what is missing. A query that fails counts 0, is reported, makes the exit code 1, and is
    asked again the next time. API keys come from the environment, such as COHERE_API_KEY.
    """
    measures.check(further)
    environment = Settings.from_environment()
    contestants = asked_for(specs, url, model, environment)
    folders = datasets.find_each(names, environment.data_root)
    settings = stages.AccuracySettings(concurrency, limit, seed, timeout_s, further)
    problems = []
    for folder in folders:
        try:
            dataset = datasets.load(folder, split)
            place = stages.accuracy_folder(results, dataset)
            candidates = frozen.keep(dataset, depth, run_file, place)
        except BenchError as error:
            problems.append(str(error))
            continue
        measured: list[AccuracyRecord] = []
        for contestant in contestants:
            try:
                record = stages.measure_accuracy(contestant, dataset, candidates, place, settings)
            except BenchError as error:
                problems.append(f"{contestant.name} on {dataset.name}: {error}")
            else:
                measured.append(record)
        problems += _report(measured, seed)
    click.echo(f"results: {results}", err=True)
    if problems:
        raise BenchError("\n".join(problems))


def _report(measured: Sequence[AccuracyRecord], seed: int) -> list[str]:
    """Print a dataset's table; gives a sentence for every contestant with failed queries."""
    if not measured:
        return []
    click.echo(tables.accuracy_heading(measured))
    click.echo(tables.accuracy_table(measured))
    best, *others = sorted(measured, key=lambda record: -record.measures[DECIDES].value)
    for other in others:
        click.echo(tables.paired_line(paired.compare(best, other, DECIDES, seed)))
    return [
        f"{record.contestant.name} on {record.dataset.name}: {len(record.failures)} of {record.queries} queries failed "
        "and the measures count them 0; the same command again asks for them again"
        for record in measured
        if record.failures
    ]
