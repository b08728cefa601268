"""One writer at a time for every file that the bench writes, also between processes.

The lock of FILE is held on `.FILE.lock` beside it, because most files are replaced when they are written. The system
releases it when its process ends, however it ends: a lock file that a killed process left behind blocks nobody. It
contains the process ID of its holder, and a holder that ends in order removes it.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.errors import BenchError


class FileLock:
    """The lock of a file, which need not exist. Use with `with`, or call `acquire` and `release`."""

    def __init__(self, path: Path, if_locked: str, *, wait: Callable[[str], object] | None = None) -> None:
        """Do not lock yet.

        Args:
            path: the file to be written.
            if_locked: what to tell the user if another process holds the lock, as a sentence without a full stop.
            wait: None to refuse in this case; otherwise it receives the sentence, and the lock is waited for.
        """
        self._lock = path.with_name(f".{path.name}.lock")
        self._if_locked = if_locked
        self._wait = wait
        self._descriptor = -1

    def acquire(self) -> Self:
        """Lock the file.

        Raises:
            BenchError: another process holds the lock, or the file system has no locks or is not writable.
        """
        while True:
            descriptor = self._open()
            try:
                self._flock(descriptor)
                if self._is_current(descriptor):
                    os.ftruncate(descriptor, 0)
                    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
                    self._descriptor = descriptor
                    return self
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # its holder removed it in between: lock the new one

    def release(self) -> None:
        """Release the lock; releasing it again does nothing."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                self._lock.unlink()
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        """Lock the file."""
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the lock."""
        self.release()

    def _open(self) -> int:
        try:
            self._lock.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise BenchError(f"{self._file} cannot be written: {error.strerror or error}") from error

    def _flock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            sentence = f"{self._if_locked} (process {_holder(descriptor)})"
            if self._wait is None:
                raise BenchError(sentence) from error
            self._wait(sentence)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            raise BenchError(
                f"{self._file} cannot be locked ({error.strerror or error}), and without a lock two commands could "
                "spoil it: use a folder on a local disk, or a file system with locks"
            ) from error

    def _is_current(self, descriptor: int) -> bool:
        """Tell whether the lock file is still the one that was opened."""
        try:
            return os.path.samestat(os.fstat(descriptor), self._lock.stat())
        except FileNotFoundError:
            return False

    @property
    def _file(self) -> Path:
        return self._lock.with_name(self._lock.name.removeprefix(".").removesuffix(".lock"))


def _holder(descriptor: int) -> str:
    """Return the process ID in a lock file; its holder may not have written it yet."""
    return os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
