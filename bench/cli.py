"""`rerank-bench`: the bench's commands. Each is one stage that can be run again on its own.

Owns the flags and the exit codes: 0 when everything requested was measured, 1 with an error message on stderr when
something was not, 2 for a usage error (click's own). Tables go to stdout, progress to stderr, records to `--results`.
"""

from typing import Any

import click

from bench.commands.arena import arena_command
from bench.commands.candidates import candidates_command
from bench.commands.compare import compare_command
from bench.commands.data import data_group
from bench.commands.latency import latency_command
from bench.commands.published import import_command
from bench.commands.report import report_command
from bench.commands.run import run_command
from bench.errors import BenchError


class SentenceGroup(click.Group):
    """A command group that reports a BenchError as its message, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BenchError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=SentenceGroup, context_settings={"show_default": True, "help_option_names": ["-h", "--help"]})
def main() -> None:
    """Measure the accuracy and the latency of any reranker that has a URL."""


main.add_command(data_group)
main.add_command(candidates_command)
main.add_command(run_command)
main.add_command(latency_command)
main.add_command(compare_command)
main.add_command(arena_command)
main.add_command(import_command)
main.add_command(report_command)

if __name__ == "__main__":
    main()
