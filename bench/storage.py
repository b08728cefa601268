"""Files that survive a crash: atomic writes, and append-only logs of JSON lines.

A file written by `replacing` or `write_json` is complete or absent: it is written as `<name>.partial` and then renamed.
Two processes must not do so at once: a stage holds the file's lock (`bench.file_lock`) from reading to writing. A
`JsonLog` only grows, by whole lines and by one process at a time: a kill leaves at most one incomplete line, which
`read_lines` skips and the next writer removes. A file that cannot be written (no permission, a full disk) is a
BenchError that names it.
"""

import contextlib
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import msgspec

from bench.errors import BenchError, DataError
from bench.file_lock import FileLock

Line = TypeVar("Line")
BLOCK = 4096
"""Bytes of a file system's block."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the path of a temporary file that replaces `path` when the block ends without an error.

    Raises:
        BenchError: an OSError occurred in the block or in the renaming; `path` is unchanged.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise _not_written(path, error) from error


def write_json(value: Any, path: Path) -> None:
    """Write `value` as indented JSON, whole or not at all."""
    with replacing(path) as partial:
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=1))


def check_writable(path: Path) -> None:
    """Raise BenchError if `path` cannot be written: before an hour of measuring, not after it.

    A block is written, because a file can be created on a full disk.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_bytes(bytes(BLOCK))
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise _not_written(path, error) from error


class JsonLog(Generic[Line]):
    """A file of JSON lines, opened for appending and locked. Use with `with`, or call `open` and `close`."""

    def __init__(self, path: Path, if_locked: str) -> None:
        """Do not open the file yet; `if_locked` is the error message if another process holds the lock."""
        self._path = path
        self._lock = FileLock(path, if_locked)
        self._file: FileIO

    def open(self) -> Self:
        """Open and lock the file, and remove an incomplete last line; the lock ends with the process.

        Raises:
            BenchError: the file cannot be written, or another process holds the lock.
        """
        self._lock.acquire()
        try:
            self._file = self._path.open("ab+", buffering=0)
        except OSError as error:
            self._lock.release()
            raise _not_written(self._path, error) from error
        self._file.seek(0)
        self._file.truncate(self._file.read().rfind(b"\n") + 1)
        return self

    def close(self) -> None:
        """Close the file and release the lock."""
        self._file.close()
        self._lock.release()

    def __enter__(self) -> Self:
        """Open the file."""
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def append(self, line: Line) -> None:
        """Append a line; it has been handed to the operating system when this returns.

        Raises:
            BenchError: the line cannot be written; the file ends with the last complete line.
        """
        end = self._file.seek(0, 2)
        try:
            rest = memoryview(msgspec.json.encode(line) + b"\n")
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.truncate(end)
            raise _not_written(self._path, error) from error


def read_lines(path: Path, kind: Any, name: str) -> list[Any]:
    """Return the complete lines of a file, each decoded as `kind`; an empty list if the file does not exist.

    Raises:
        DataError: the file cannot be read, or a line is not a valid `name`; the message has the line number.
    """
    decoder = msgspec.json.Decoder(kind)
    try:
        whole = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    lines = []
    for number, line in enumerate(whole, start=1):
        try:
            lines.append(decoder.decode(line))
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise DataError(f"{path} line {number} is not a valid {name}: {error}") from error
    return lines


def _not_written(path: Path, error: OSError) -> BenchError:
    return BenchError(f"{path} cannot be written: {error.strerror or error}")
