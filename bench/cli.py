"""`rerank-bench`: the bench's commands, each one stage that can be run again alone.

Owns the flags and the exit codes: 0 when everything asked for was measured, 1 with one sentence on stderr when it
could not be, 2 for a wrong flag (click's own). Tables go to stdout, progress to stderr, records to `--results`.
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
    """A group whose commands end with the one sentence of a BenchError instead of a trace."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BenchError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=SentenceGroup, context_settings={"show_default": True, "help_option_names": ["-h", "--help"]})
def main() -> None:
    """Measure a reranker behind a URL: how good its rankings are and how fast it answers."""


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
