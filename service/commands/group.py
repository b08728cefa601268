"""The command `rerank` with its subcommands.

Errors that the user can fix (a wrong setting, a damaged artefact, a port in use) print one sentence on stderr and exit
with code 2; they are found before anything is started.
"""

import click

from service.commands.models import models
from service.commands.score import score
from service.commands.serve import serve


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="rerank-server")
def rerank() -> None:
    """Rerank documents by their relevance to a query, over HTTP or offline."""


rerank.add_command(serve)
rerank.add_command(score)
rerank.add_command(models)
