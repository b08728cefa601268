"""Flags that take a comma-separated list, such as `--documents 1,10,50`."""

from collections.abc import Callable
from typing import Any

import click

Read = Callable[[click.Context, click.Parameter, str | None], tuple[Any, ...]]


def listed(of: Any = click.STRING) -> Read:
    """Return the callback of a flag with comma-separated values of one click type, without duplicates."""

    def read(context: click.Context, flag: click.Parameter, text: str | None) -> tuple[Any, ...]:
        if text is None:
            return ()
        parts = [part.strip() for part in text.split(",") if part.strip()]
        if not parts:
            raise click.BadParameter(f"{text!r} contains no value")
        return tuple(dict.fromkeys(of.convert(part, flag, context) for part in parts))

    return read
