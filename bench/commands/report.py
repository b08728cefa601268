"""`rerank-bench report`: writes the results as a static site that opens from disk."""

from pathlib import Path

import click

from bench.commands.flags import RESULTS


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

    It opens from disk, makes no network requests, and can be served under /bench with `rerank serve --bench-dir`.
    """
    from bench.report.collect import collect
    from bench.report.site import write_site  # imported here, because matplotlib takes half a second to import

    click.echo(write_site(collect(results), out))
