"""How a command ends on an error that the user can fix: one sentence on stderr and exit code 2."""

import click


class Refusal(click.ClickException):
    """An error that the user can fix, described in one sentence."""

    exit_code = 2
