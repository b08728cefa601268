"""Raw rankings on disk: `<contestant>.jsonl`, one line a query, only ever appended to.

A header opens the file and every later session that adds to it. A line is written whole and at once, so that a
kill at any moment leaves at most one line without its end, which reading passes over and the next session cuts off. A
query has at most one ranking: one that failed is asked again, and its ranking then stands for it. Two runs cannot write
to one file at the same time.
"""

import fcntl
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from types import TracebackType

import msgspec

from bench.errors import BenchError, DataError
from bench.records import Failure, Ranking, RankingsHeader

Line = RankingsHeader | Ranking | Failure


@dataclass(frozen=True)
class Rankings:
    """What a file holds."""

    headers: list[RankingsHeader]
    """One a session, the first first; never empty."""
    rankings: dict[str, Ranking]
    """By query id, in the order of the file."""
    failures: dict[str, Failure]
    """The last failure of every query that has no ranking, the latest last."""


def read(path: Path) -> Rankings:
    """Read a file of raw rankings; DataError with the line where it is none."""
    found = read_if_there(path)
    if found is None:
        raise DataError(f"{path} holds no rankings; `rerank-bench run` makes them")
    return found


def read_if_there(path: Path) -> Rankings | None:
    """Read a file of raw rankings; None where there is none, or nothing but a first line that a kill cut off."""
    found = Rankings([], {}, {})
    for number, line in enumerate(_lines(path), start=1):
        if isinstance(line, RankingsHeader):
            found.headers.append(line)
        elif not found.headers:
            raise DataError(f"{path} line {number}: a ranking where the header belongs")
        elif isinstance(line, Failure):
            found.failures.pop(line.query_id, None)  # the latest failure stands last
            found.failures[line.query_id] = line
        elif line.query_id in found.rankings:
            raise DataError(f"{path} line {number}: {line.query_id!r} was ranked before")
        else:
            found.rankings[line.query_id] = line
    for query_id in found.rankings:
        found.failures.pop(query_id, None)
    return found if found.headers else None


class RankingsLog:
    """A file of raw rankings open for adding to it. Use with `with`; only one process at a time has it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: FileIO

    def __enter__(self) -> "RankingsLog":
        """Open the file, lock it and cut off what a kill left of a last line."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab+", buffering=0)
        except OSError as error:
            raise BenchError(f"{self._path} cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise BenchError(
                f"another run is writing to {self._path}: wait for it, or give the contestant a NAME"
            ) from error
        self._file.seek(0)
        self._file.truncate(self._file.read().rfind(b"\n") + 1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close and unlock the file."""
        self._file.close()

    def add(self, line: Line) -> None:
        """Append a line; it is with the operating system when this returns."""
        try:
            rest = memoryview(msgspec.json.encode(line) + b"\n")
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise BenchError(f"{self._path} cannot be written: {error.strerror}") from error


def _lines(path: Path) -> Iterator[Line]:
    """The whole lines of a file; none where it does not exist."""
    decoder = msgspec.json.Decoder(Line)
    try:
        whole = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    for number, line in enumerate(whole, start=1):
        try:
            yield decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise DataError(f"{path} line {number} is no raw ranking: {error}") from error
