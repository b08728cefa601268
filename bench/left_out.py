"""What a command leaves out because it cannot be read, so that one damaged file does not take all others with it.

Each is a sentence that names the file and the cause. It reaches the user at once, is stated in what the command writes,
and makes the exit code 1.
"""

from collections.abc import Callable
from types import TracebackType

import click

from bench.errors import DataError


def _show(sentence: str) -> None:
    click.echo(f"left out: {sentence}", err=True)


class LeftOut:
    """The files and datasets that were left out. Use with `with` around the reading of each."""

    def __init__(self, show: Callable[[str], None] = _show) -> None:
        """`show` gets each sentence at once; it goes to stderr by default."""
        self.sentences: list[str] = []
        self.first: DataError | None = None
        self._show = show

    def __enter__(self) -> None:
        """Begin to read something that is left out if DataError is raised."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Note a DataError, and go on."""
        if not isinstance(error, DataError):
            return False
        self.first = self.first or error
        self.sentences.append(str(error))
        self._show(str(error))
        return True

    def raise_first(self) -> None:
        """Raise the first error, if there was one: for a caller to whom nothing is left."""
        if self.first:
            raise self.first
