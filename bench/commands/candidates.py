"""`rerank-bench candidates`: the first-stage lists, made once and frozen before anyone is measured."""

from pathlib import Path

import click

from bench.accuracy import measures, tables
from bench.accuracy import stage as stages
from bench.candidates import candidates, frozen
from bench.candidates.candidates import Candidates
from bench.candidates.embeddings import EmbeddingsModel
from bench.commands.flags import RUN_FILE, SPLIT
from bench.data import datasets
from bench.data.datasets import Dataset
from bench.errors import BenchError
from bench.settings import EMBEDDINGS_KEY, Settings

CACHE = "embeddings.sqlite3"


@click.command("candidates")
@click.option(
    "--data",
    "names",
    required=True,
    multiple=True,
    help="Dataset: a folder, a name under RERANK_DATA, `sample`, or `all` under RERANK_DATA; may be given again.",
)
@click.option(
    "--results",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("bench-results"),
    help="Folder that gets accuracy/<dataset>/candidates.json.",
)
@SPLIT
@RUN_FILE
@click.option("--depth", type=click.IntRange(min=1), default=frozen.DEPTH, help="Candidates a query.")
@click.option("--dense", "url", help="Base URL of an OpenAI-compatible embeddings server: candidates by inner product.")
@click.option("--dense-model", "model", help="The embeddings model to ask there for.")
def candidates_command(
    names: tuple[str, ...],
    results: Path,
    split: str,
    run_file: Path | None,
    depth: int,
    url: str | None,
    model: str | None,
) -> None:
    """Freeze the candidates that every contestant will be given, and show how good they are as they stand.

    The same command again finds what is there; other settings in the same folder are refused. Embeddings are kept in
    --results, so that nothing is asked for twice; the server's key is taken from EMBEDDINGS_API_KEY.
    """
    if bool(url) != bool(model):
        raise BenchError("--dense URL and --dense-model NAME belong together")
    if url and run_file:
        raise BenchError("--dense and --candidates are two sources of candidates: give one")
    environment = Settings.from_environment()
    dense = None
    if url and model:
        dense = candidates.Dense(EmbeddingsModel(url, model, environment.key(EMBEDDINGS_KEY)), results / CACHE)
    problems = []
    for folder in datasets.find_each(names, environment.data_root):
        try:
            dataset = datasets.load(folder, split)
            place = stages.accuracy_folder(results, dataset)
            kept = frozen.keep_chosen(dataset, frozen.Choice(depth, run_file, dense), place)
        except BenchError as error:
            problems.append(str(error))
            continue
        click.echo("\n".join(_lines(dataset, kept)))
    if problems:
        raise BenchError("\n".join(problems))


def _lines(dataset: Dataset, kept: Candidates) -> list[str]:
    """The set, its candidates, and the measures of their own order."""
    recall = f"R@{kept.depth}"
    values = measures.per_query(dataset.qrels, kept.lists, dataset.relevance_level, also=(recall,))
    figures = [f"{name} {tables.measure_cell(estimate)}" for name, estimate in measures.means(values).items()]
    return [*tables.dataset_lines(dataset.note()), tables.candidates_line(kept.note()), f"  {', '.join(figures)}"]
