"""The lock of a file between real processes: refused, waited for, left behind by a kill, impossible."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.file_lock import FileLock
from tests.support.two_at_once import end, start, until

HOLDER = """
import sys
from pathlib import Path
from bench.file_lock import FileLock
with FileLock(Path(sys.argv[1]), "locked"):
    Path(sys.argv[2]).touch()
    sys.stdin.read()
"""
COUNTER = """
import sys
from pathlib import Path
from bench.file_lock import FileLock
path = Path(sys.argv[1])
for _ in range(100):
    with FileLock(path, "locked", wait=lambda _: None):
        number = int(path.read_text())
        path.write_text(str(number + 1))
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds the lock of `file` until its stdin is closed."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "file"), str(tmp_path / "ready")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    until(lambda: (tmp_path / "ready").exists())
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_told_who_has_the_file(tmp_path: Path, holder: subprocess.Popen[bytes]) -> None:
    """At once, with its process ID; after its end the lock is free and nothing is left behind."""
    lock = FileLock(tmp_path / "file", f"another process is writing {tmp_path / 'file'}")
    for _ in range(2):
        with pytest.raises(BenchError) as refused:
            lock.acquire()
        assert str(refused.value) == f"another process is writing {tmp_path / 'file'} (process {holder.pid})"
    holder.communicate()
    with lock:
        assert (tmp_path / ".file.lock").read_text() == f"{os.getpid()}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["ready"]


def test_a_lock_that_a_killed_process_left_blocks_nobody(tmp_path: Path, holder: subprocess.Popen[bytes]) -> None:
    """The system has released it, though the file with the process ID is there."""
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / ".file.lock").read_text() == f"{holder.pid}\n"
    with FileLock(tmp_path / "file", "locked"):
        pass
    assert not (tmp_path / ".file.lock").exists()


def test_a_lock_is_waited_for(tmp_path: Path, holder: subprocess.Popen[bytes]) -> None:
    """After the sentence, which is said once."""
    told: list[str] = []

    def tell(sentence: str) -> None:
        told.append(sentence)
        assert holder.stdin is not None
        holder.stdin.close()

    with FileLock(tmp_path / "file", "another process is writing it: waiting", wait=tell):
        assert holder.wait() == 0
    assert told == [f"another process is writing it: waiting (process {holder.pid})"]


def test_no_two_processes_hold_it(tmp_path: Path) -> None:
    """Four count to 400 together, while each removes the lock file that the next one opens."""
    path = tmp_path / "count"
    path.write_text("0")
    processes = [start([sys.executable, "-c", COUNTER, str(path)]) for _ in range(4)]
    assert [end(process)[0] for process in processes] == [0] * 4
    assert path.read_text() == "400"
    assert [path.name for path in tmp_path.iterdir()] == ["count"]


def test_a_file_system_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As NFS without its lock daemon answers: nothing is written unprotected."""

    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(
        BenchError, match=r"file cannot be locked \(No locks available\), .* use a folder on a local disk"
    ):
        FileLock(tmp_path / "file", "locked").acquire()


def test_a_folder_that_cannot_be_written_is_told() -> None:
    """/proc takes no files, whoever asks."""
    with pytest.raises(BenchError, match=r"^/proc/file cannot be written: "):
        FileLock(Path("/proc/file"), "locked").acquire()
