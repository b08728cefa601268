"""Command-line flags built from the settings, each with its help text, variable and default."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import click

from service.settings import Setting, settings_list

Command = TypeVar("Command", bound=Callable[..., Any])


def settings_flags(*names: str) -> Callable[[Command], Command]:
    """Add a flag to a command for each named setting, or for all of them; the values arrive as text, or None.

    `service.settings.load` checks them, so that flags and variables are treated alike.
    """
    wanted = [setting for setting in settings_list() if not names or setting.name in names]

    def decorate(command: Command) -> Command:
        for setting in reversed(wanted):
            option = click.option(setting.flag, setting.name, metavar=_metavar(setting), help=_help(setting))
            command = option(command)
        return command

    return decorate


def _metavar(setting: Setting) -> str:
    annotated = setting.type.__origin__
    if get_origin(annotated) is Literal:
        return f"[{'|'.join(get_args(annotated))}]"
    if Path in {annotated, *get_args(annotated)}:
        return "PATH"
    return {bool: "[true|false]", int: "N", tuple: "LIST"}.get(type(setting.default), "TEXT")


def _help(setting: Setting) -> str:
    default = str(setting.default).lower() if isinstance(setting.default, bool) else setting.default
    default = "none" if default in {None, ()} else default
    return f"{setting.help} [{setting.variable}; default: {default}]"
