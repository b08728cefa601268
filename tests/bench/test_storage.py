"""Files that stay whole: the atomic write and the log of JSON lines, under kills, second writers and full disks."""

import contextlib
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bench.errors import BenchError, DataError
from bench.storage import JsonLog, check_writable, read_lines, replacing, write_json
from tests.support.runs import ROOT
from tests.support.server import clean_environ


class Entry(msgspec.Struct):
    """A line of these tests' logs."""

    number: int
    text: str = ""


def entries(path: Path) -> list[int]:
    return [entry.number for entry in read_lines(path, Entry, "entry")]


def log(path: Path) -> JsonLog[Entry]:
    return JsonLog(path, if_locked=f"another test is writing to {path}")


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file grows beyond `size` bytes: what a full disk is, byte by byte."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_is_appended_is_read_back_in_order(tmp_path: Path) -> None:
    """Over two sessions, in a folder that was not there; a text's own line ends are no ends of lines."""
    path = tmp_path / "new" / "log.jsonl"
    for session in range(2):
        with log(path) as opened:
            for number in range(3):
                opened.append(Entry(3 * session + number, "a\nb\u2028é"))
    assert entries(path) == list(range(6))
    assert {entry.text for entry in read_lines(path, Entry, "entry")} == {"a\nb\u2028é"}


def test_a_log_that_is_not_there_has_no_lines(tmp_path: Path) -> None:
    """Nothing was written yet."""
    assert read_lines(tmp_path / "no.jsonl", Entry, "entry") == []


WRITER = """
import sys
from pathlib import Path
from bench.storage import JsonLog
with JsonLog(Path(sys.argv[1]), "locked") as log:
    number = 0
    while True:
        log.append({"number": number, "text": "x" * (number * 37 % 5000)})
        number += 1
"""


def test_a_kill_at_any_moment_leaves_at_most_one_line_without_its_end(tmp_path: Path) -> None:
    """SIGKILL in the middle of writing, six times: every line but the last is whole, and the next writer goes on."""
    draw = random.Random()  # other moments in every run of the suite
    for kill in range(6):
        path = tmp_path / f"{kill}.jsonl"
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], cwd=ROOT, env=clean_environ())
        while not (path.exists() and path.stat().st_size):
            assert process.poll() is None
        time.sleep(draw.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.wait()
        numbers = entries(path)
        assert numbers == list(range(len(numbers)))
        with log(path) as opened:  # the lock died with the process
            opened.append(Entry(-1))
        assert entries(path) == [*numbers, -1]


def test_a_line_without_its_end_is_passed_over_and_cut_off(tmp_path: Path) -> None:
    """Whatever part of the last line a kill left: what stood before is read, and what is added has its own line."""
    path = tmp_path / "log.jsonl"
    with log(path) as opened:
        opened.append(Entry(0))
        opened.append(Entry(1))
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        before = [0] if cut >= first else []
        assert entries(path) == before
        with log(path) as opened:
            opened.append(Entry(2))
        assert entries(path) == [*before, 2]


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    """With the caller's sentence and without a change to the file; the lock ends with the block."""
    path = tmp_path / "log.jsonl"
    with log(path) as opened:
        opened.append(Entry(0))
        with pytest.raises(BenchError, match="another test is writing to"), log(path):
            pass
        opened.append(Entry(1))
    with log(path) as opened:
        opened.append(Entry(2))
    assert entries(path) == [0, 1, 2]


def test_a_full_disk_ends_a_log_with_its_last_whole_line(tmp_path: Path) -> None:
    """One sentence that names the file, nothing torn, and the same log goes on when there is room again."""
    path = tmp_path / "log.jsonl"
    with log(path) as opened:
        opened.append(Entry(0))
        before = path.read_bytes()
        with (
            largest_file(len(before) + 10),
            pytest.raises(BenchError, match=r"log\.jsonl cannot be written: File too large$"),
        ):
            opened.append(Entry(1, "x" * 100))
        assert path.read_bytes() == before
        opened.append(Entry(2))
    assert entries(path) == [0, 2]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    """What no kill leaves behind is an error with its number."""
    path = tmp_path / "log.jsonl"
    for damage in (b"{}", b"\xff", b'{"number": "x"}'):
        path.write_bytes(b'{"number": 0}\n' + damage + b"\n")
        with pytest.raises(DataError, match=r"log\.jsonl line 2 is not a valid entry: "):
            read_lines(path, Entry, "entry")


def test_a_replaced_file_is_the_old_one_until_it_is_the_new_one(tmp_path: Path) -> None:
    """Whoever reads in between, or after a failure, finds the old content whole; nothing is left beside it."""
    path = tmp_path / "new" / "file.json"
    write_json({"number": 0}, path)
    old = path.read_bytes()
    with replacing(path) as partial:
        partial.write_bytes(b"new")
        assert path.read_bytes() == old
    assert path.read_bytes() == b"new"
    with (
        largest_file(100),
        pytest.raises(BenchError, match=r"file\.json cannot be written: File too large$"),
        replacing(path) as partial,
    ):
        partial.write_bytes(b"x" * 1000)
    assert path.read_bytes() == b"new"
    assert os.listdir(path.parent) == ["file.json"]  # noqa: PTH208  # names only


def test_where_nothing_can_be_written_is_known_before(tmp_path: Path) -> None:
    """A folder where the file should be, or a file where its folder should be: one sentence, nothing left behind."""
    check_writable(tmp_path / "new" / "file.json")
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "file").touch()
    for write in (check_writable, lambda path: write_json({}, path), lambda path: log(path).open()):
        with pytest.raises(BenchError, match=r"x\.json cannot be written: "):
            write(tmp_path / "file" / "x.json")
