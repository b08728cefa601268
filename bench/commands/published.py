"""`rerank-bench import`: imports figures that others published, labelled and kept apart from the bench's own."""

from pathlib import Path

import click

from bench.commands.flags import RESULTS
from bench.published import published
from bench.published.table import published_table


@click.command("import", short_help="Import figures published by others.")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--source", help="Source of the figures, if FILE does not name it.")
@click.option("--date", "taken", help="Date on which they were retrieved (YYYY-MM-DD), if FILE does not state it.")
@RESULTS
def import_command(file: Path | None, source: str | None, taken: str | None, results: Path) -> None:
    """Import published figures into the results folder, to be shown in columns of their own.

    FILE is the public leaderboard's benchmarks.json, a CSV of contestant,dataset,figure,value, or a file written by
    this command; without FILE, the figures that ship with the bench are imported. An earlier import from the same
    source is replaced. The bench computes nothing from published figures.
    """
    sources = published.read(file, source, taken) if file else published.shipped()
    click.echo(published_table(published.merge(results, sources)))
    click.echo(f"record: {results / published.FILE}", err=True)
