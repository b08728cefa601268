"""Command-line flags made from the settings: each with its help, its variable and its default, in one way
everywhere.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from service.settings import Setting, settings_list

Command = TypeVar("Command", bound=Callable[..., Any])


def settings_flags(*names: str) -> Callable[[Command], Command]:
    """Give a command a flag for each named setting, or for every one; the values arrive as text, or None.

    They are checked by `service.settings.load`, which treats flags and variables alike.
    """
    wanted = [setting for setting in settings_list() if not names or setting.name in names]

    def decorate(command: Command) -> Command:
        for setting in reversed(wanted):
            option = click.option(setting.flag, setting.name, metavar=_metavar(setting), help=_help(setting))
            command = option(command)
        return command

    return decorate


def _metavar(setting: Setting) -> str:
    return {bool: "BOOL", int: "N"}.get(type(setting.default), "TEXT")


def _help(setting: Setting) -> str:
    default = str(setting.default).lower() if isinstance(setting.default, bool) else setting.default
    default = "none" if default in {None, ()} else default
    return f"{setting.help} [{setting.variable}; default: {default}]"
