"""Flags that several commands share, so that they are spelled and explained once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def measuring(command: Command) -> Command:
    """The flags that every measurement of a reranker shares."""
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
