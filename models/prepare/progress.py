"""What preparing shows: a line for each step with its time, and a bar, counted in tokens, for the long ones."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


class Progress:
    """Writes to stderr; bars only on a terminal."""

    def __init__(self, say: Callable[[str], None] | None = None) -> None:
        self._say = say or (lambda line: print(line, file=sys.stderr, flush=True))  # noqa: T201 - this is the terminal

    def note(self, line: str) -> None:
        """Write a line."""
        self._say(line)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Write what is begun, and how long it took when it is done."""
        self._say(f"{what} …")
        start = time.perf_counter()
        yield
        self._say(f"{what}: {time.perf_counter() - start:.1f} s")

    def over(self, what: str, things: Iterable[T], tokens: Sequence[int]) -> Iterator[T]:
        """Pass things on, with a bar that moves by each one's tokens."""
        with tqdm(total=sum(tokens), desc=what, unit="tok", unit_scale=True, disable=None, leave=False) as bar:
            for thing, size in zip(things, tokens, strict=True):
                yield thing
                bar.update(size)
