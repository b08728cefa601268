"""`rerank-bench report`: the results as a site that opens from disk."""

from pathlib import Path

import click

from bench.commands.flags import RESULTS


@click.command("report")
@RESULTS
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("bench-report"),
    help="Folder for the site; an older report there is replaced.",
)
def report_command(results: Path, out: Path) -> None:
    """A static site of everything in --results: leaderboard, contestants, comparisons, latency, methods.

    It opens from disk, loads nothing from anywhere, and `rerank serve --bench-dir` serves it under /bench.
    """
    from bench.report.collect import collect
    from bench.report.site import write_site  # here, because matplotlib is half a second that only this command needs

    click.echo(write_site(collect(results), out))
