"""The progress display of preparing: a line with the duration of each step, and bars, in tokens, for long ones."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


class Progress:
    """Writes progress to stderr; shows bars only on a terminal."""

    def __init__(self, say: Callable[[str], None] | None = None) -> None:
        self._say = say or (lambda line: print(line, file=sys.stderr, flush=True))  # noqa: T201 - this is the terminal

    def note(self, line: str) -> None:
        """Write a line."""
        self._say(line)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Write the name of a step when it begins, and its duration when it has succeeded."""
        self._say(f"{what} …")
        start = time.perf_counter()
        yield
        self._say(f"{what}: {time.perf_counter() - start:.1f} s")

    def over(self, what: str, things: Iterable[T], tokens: Sequence[int]) -> Iterator[T]:
        """Iterate over things, with a progress bar that advances by the tokens of each."""
        with tqdm(total=sum(tokens), desc=what, unit="tok", unit_scale=True, disable=None, leave=False) as bar:
            for thing, size in zip(things, tokens, strict=True):
                yield thing
                bar.update(size)
