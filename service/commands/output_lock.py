"""One `rerank score` at a time for an output file.

The lock is held on `.OUTPUT.lock` beside the output. The system releases it when its process ends, however it ends: a
lock file that a killed process left behind blocks nobody. It contains the process ID of its holder.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from service.settings import SettingsError


@contextlib.contextmanager
def only_writer(output: str) -> Iterator[None]:
    """Hold the lock of an output file; a pipe or a device, which may have several writers, is not locked.

    Raises:
        SettingsError: another process is writing the file, or the lock file cannot be made.
    """
    path = Path(output).resolve()  # a link and its target are one file
    if path.exists() and not path.is_file():
        yield
        return
    lock = path.with_name(f".{path.name}.lock")
    descriptor = _locked(lock, output)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            lock.unlink()
        os.close(descriptor)


def _locked(lock: Path, output: str) -> int:
    """Open and lock the lock file, again if its last holder removed it in between; return the descriptor."""
    while True:
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise SettingsError(f"--output {output} cannot be written: {error.strerror}") from None
        try:
            _flock(descriptor, output)
            if os.path.samestat(os.fstat(descriptor), lock.stat()):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _flock(descriptor: int, output: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
        raise SettingsError(
            f"another rerank score is writing to {output} (process {holder}): wait for it to end, or give another "
            "--output"
        ) from None
    except OSError as error:
        raise SettingsError(
            f"--output {output} cannot be locked ({error.strerror}), and without a lock two runs could spoil it: write "
            "to a local disk, or to a file system with locks"
        ) from None
