"""Flags shared by several commands, defined once, and the contestants that they name."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from bench.contestants.contestant import Contestant, parse_all
from bench.contestants.reference import Reference
from bench.errors import BenchError
from bench.settings import Settings


class FiniteRange(click.FloatRange):
    """A range of numbers without NaN and infinity, which click lets pass: no limit holds against a NaN."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number; BadParameter if it is not finite or outside the range."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


DEFAULT_URL = "http://127.0.0.1:8000"
URL = click.option("--url", help=f"Same as --contestant rerank@URL.  [default: {DEFAULT_URL}, without --contestant]")
DATA = click.option(
    "--data",
    "names",
    required=True,
    multiple=True,
    help="Dataset: a folder in BEIR layout, the name of a folder in RERANK_DATA, `sample` (ships with the bench), or "
    "`all` for every dataset in RERANK_DATA; may be repeated.",
)
RESULTS = click.option(
    "--results",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("bench-results"),
    help="Results folder, shared by all commands.",
)
RUN_FILE = click.option(
    "--candidates",
    "run_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TREC run file with the candidates.  [default: the dataset's runs/BM25.trec, otherwise BM25]",
)
SPLIT = click.option("--split", default="test", help="Split to use: the judgements are read from qrels/<split>.tsv.")
MODEL = click.option("--model", help="Model name to send to --url; by default none is sent.")
TIMEOUT = click.option(
    "--timeout",
    "timeout_s",
    type=FiniteRange(min=0, min_open=True),
    default=120.0,
    help="Request timeout in seconds.",
)
SEED = click.option(
    "--seed", type=int, default=0, help="Random seed for the bootstrap, the randomisation test and --limit."
)


def say(sentence: str) -> None:
    """Tell the user something beside the command's output."""
    click.echo(sentence, err=True)


def parse_contestants(
    specs: Sequence[str], url: str | None, model: str | None, settings: Settings
) -> list[Contestant | Reference]:
    """Return the contestants that --contestant, --url and --model name; BenchError if they contradict each other."""
    if model and specs and not url:
        raise BenchError(
            "--model applies to --url only; name a --contestant's model in its SPEC, such as cohere:rerank-v3.5"
        )
    spec_of_url = [f"rerank{':' + model if model else ''}@{url or DEFAULT_URL}"] if url or not specs else []
    return parse_all([*specs, *spec_of_url], settings)
