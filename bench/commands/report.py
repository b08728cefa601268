"""`rerank-bench report`: writes the results as a static site that opens from disk."""

from pathlib import Path

import click

from bench.commands.flags import RESULTS
from bench.errors import BenchError
from bench.left_out import LeftOut


@click.command("report", short_help="Write the results as a static site.")
@RESULTS
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("bench-report"),
    help="Folder for the site; an existing report in it is replaced.",
)
def report_command(results: Path, out: Path) -> None:
    """Write a static site of everything in --results: leaderboard, contestants, comparisons, latency, methods.

    It opens from disk, makes no network requests, and can be served under /bench with `rerank serve --bench-dir`. Files
    that are damaged or belong to an unfinished run are named and left out, and the exit code is then 1.
    """
    from bench.report.collect import collect
    from bench.report.site import write_site  # imported here, because matplotlib takes half a second to import

    left_out = LeftOut()
    click.echo(write_site(collect(results, left_out), out))
    if left_out.first:
        raise BenchError("the report was written without the files that are named above as left out")
