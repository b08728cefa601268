"""Flags that several commands share, so that they are spelled and explained once."""

from pathlib import Path

import click

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
