"""`rerank-bench import`: published figures of others, labelled and apart from ours."""

from pathlib import Path

import click

from bench.commands.flags import RESULTS
from bench.published import published
from bench.published.table import published_table


@click.command("import")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--source", help="Where the figures are from, where FILE does not say.")
@click.option("--date", "taken", help="When they were taken from there, YYYY-MM-DD, where FILE does not say.")
@RESULTS
def import_command(file: Path | None, source: str | None, taken: str | None, results: Path) -> None:
    """Published figures into the results folder, as a column of their own.

    FILE is the public leaderboard's benchmarks.json, a CSV of contestant,dataset,figure,value, or a file as this
    command writes it; without FILE, the figures that come with the bench. What was imported from the same source
    before is replaced. No figure of ours is ever computed from them.
    """
    sources = published.read(file, source, taken) if file else published.shipped()
    click.echo(published_table(published.merge(results, sources)))
    click.echo(f"record: {results / published.FILE}", err=True)
