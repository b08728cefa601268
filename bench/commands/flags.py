"""Flags that several commands share, so that they are spelled and explained once, and the contestants they name."""

from collections.abc import Sequence
from pathlib import Path

import click

from bench.contestants.contestant import Contestant, parse_all
from bench.contestants.reference import Reference
from bench.errors import BenchError
from bench.settings import Settings

DEFAULT_URL = "http://127.0.0.1:8000"
URL = click.option("--url", help=f"Short for --contestant rerank@URL.  [default: {DEFAULT_URL}, without --contestant]")
DATA = click.option(
    "--data",
    "names",
    required=True,
    multiple=True,
    help="Dataset: a folder in BEIR layout, a name under RERANK_DATA, `sample`, or `all` under RERANK_DATA; "
    "may be given again.",
)
RESULTS = click.option(
    "--results",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("bench-results"),
    help="Results folder: each command keeps its results there and finds those of the others.",
)
RUN_FILE = click.option(
    "--candidates",
    "run_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TREC run file to take candidates from.  [default: the dataset's runs/BM25.trec, else BM25]",
)
SPLIT = click.option("--split", default="test", help="Which qrels/<split>.tsv judges.")
MODEL = click.option("--model", help="Model name to send to --url; none is sent without it.")
TIMEOUT = click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0, min_open=True),
    default=120.0,
    help="Seconds to wait for one answer.",
)
SEED = click.option("--seed", type=int, default=0, help="Of the bootstrap, the randomisation test and --limit.")


def parse_contestants(
    specs: Sequence[str], url: str | None, model: str | None, settings: Settings
) -> list[Contestant | Reference]:
    """The contestants that --contestant, --url and --model name; BenchError where they contradict each other."""
    if model and specs and not url:
        raise BenchError(
            "--model belongs to --url; a --contestant has its model in its SPEC, such as cohere:rerank-v3.5"
        )
    spec_of_url = [f"rerank{':' + model if model else ''}@{url or DEFAULT_URL}"] if url or not specs else []
    return parse_all([*specs, *spec_of_url], settings)
