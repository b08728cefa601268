"""The end of a command that cannot do what was asked: one sentence on stderr, exit code 2."""

import click


class Refusal(click.ClickException):
    """What the user can mend, in one sentence."""

    exit_code = 2
