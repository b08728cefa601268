"""`rerank-bench candidates`: freezes the first-stage lists before any contestant is measured."""

from pathlib import Path

import click

from bench.accuracy import measures
from bench.accuracy.stage import accuracy_folder
from bench.candidates.candidates import Candidates, Dense
from bench.candidates.embeddings import EmbeddingsModel
from bench.candidates.frozen import DEPTH, Choice, load_or_freeze
from bench.commands.flags import DATA, RESULTS, RUN_FILE, SPLIT, say
from bench.data import datasets
from bench.data.datasets import Dataset
from bench.errors import BenchError
from bench.settings import EMBEDDINGS_KEY, Settings
from bench.tables import candidates_line, dataset_lines, measure_cell

CACHE = "embeddings.sqlite3"


@click.command("candidates", short_help="Freeze the candidates to be reranked.")
@DATA
@RESULTS
@SPLIT
@RUN_FILE
@click.option("--depth", type=click.IntRange(min=1), default=DEPTH, help="Number of candidates per query.")
@click.option(
    "--dense",
    "url",
    help="Base URL of an OpenAI-compatible embeddings server, to retrieve candidates by inner product.",
)
@click.option("--dense-model", "model", help="Embeddings model to request from that server.")
def candidates_command(
    names: tuple[str, ...],
    results: Path,
    split: str,
    run_file: Path | None,
    depth: int,
    url: str | None,
    model: str | None,
) -> None:
    """Freeze the candidates that every contestant will rerank, and measure them in their original order.

    They are written to accuracy/<dataset>/candidates.json in --results. Running the same command again reuses them;
    other settings for the same folder are an error. Embeddings are cached in --results, so none is requested twice;
    the embeddings server's API key is read from EMBEDDINGS_API_KEY.
    """
    if bool(url) != bool(model):
        raise BenchError("--dense URL and --dense-model NAME must be given together")
    if url and run_file:
        raise BenchError("--dense and --candidates both choose the source of candidates: give only one of them")
    environment = Settings.from_environment()
    dense = None
    if url and model:
        dense = Dense(EmbeddingsModel(url, model, environment.key(EMBEDDINGS_KEY)), results / CACHE)
    problems = []
    for folder in datasets.find_each(names, environment.data_root):
        try:
            dataset = datasets.load(folder, split)
            choice = Choice(depth, run_file, dense)
            frozen = load_or_freeze(dataset, choice, accuracy_folder(results, dataset), exact=True, say=say)
        except BenchError as error:
            problems.append(str(error))
        else:
            click.echo("\n".join(_lines(dataset, frozen)))
    if problems:
        raise BenchError("\n".join(problems))


def _lines(dataset: Dataset, frozen: Candidates) -> list[str]:
    """Describe the dataset, its candidates, and the measures of the candidates' own order."""
    recall = f"R@{frozen.depth}"
    values = measures.per_query(dataset.qrels, frozen.lists, dataset.relevance_level, further=(recall,))
    figures = [f"{name} {measure_cell(estimate)}" for name, estimate in measures.means(values).items()]
    return [*dataset_lines(dataset.note()), candidates_line(frozen.note()), f"  {', '.join(figures)}"]
