"""Flags that several commands share, so that they are spelled and explained once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

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
SEED = click.option("--seed", type=int, default=0, help="Of the bootstrap and of --limit.")


def measuring(command: Command) -> Command:
    """The flags of a measurement of one reranker on one dataset."""
    flags = [
        click.option("--url", default="http://127.0.0.1:8000", help="Base URL of the reranker."),
        click.option(
            "--data",
            "data",
            required=True,
            help="Dataset: a folder in BEIR layout, a name under RERANK_DATA, or `sample`.",
        ),
        *(SPLIT, RUN_FILE, MODEL, TIMEOUT, SEED),
        click.option(
            "--out",
            type=click.Path(dir_okay=False, path_type=Path),
            help="Write the record, raw results included, as JSON.",
        ),
    ]
    for flag in reversed(flags):
        command = flag(command)
    return command
