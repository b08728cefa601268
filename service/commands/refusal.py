"""How a command ends on an error that the user can fix: one sentence on stderr and exit code 2."""

import contextlib
from collections.abc import Iterator

import click

from models.artefact import OptionError
from service.settings import Settings, SettingsError


class Refusal(click.ClickException):
    """An error that the user can fix, described in one sentence."""

    exit_code = 2

    def __init__(self, message: str) -> None:
        # a library's message that is quoted may have several lines
        super().__init__(" ".join(line.strip() for line in message.splitlines() if line.strip()))


@contextlib.contextmanager
def named_as_given(settings: Settings, **other_names: str) -> Iterator[None]:
    """Turn an OptionError into a SettingsError that names the setting as the user gave it.

    Args:
        settings: the settings of the command.
        other_names: names of options that do not come from the settings, such as an argument of the command.
    """
    try:
        yield
    except OptionError as error:
        raise SettingsError(error.named(other_names.get(error.option) or settings.name_of(error.option))) from None
