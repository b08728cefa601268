"""Two `rerank score` at once into one file: the second is refused, and the first one's file is whole."""

import signal
import subprocess
from pathlib import Path

import pytest

from service.commands.sidecar import path_of
from tests.support.server import RERANK, clean_environ, run_rerank
from tests.support.texts import QUERY
from tests.support.two_at_once import until


def numbered(count: int) -> bytes:
    return b"".join(b'{"text": "panda %d"}\n' % number for number in range(count))


@pytest.mark.parametrize("flags", [(), ("--skip-done",)], ids=["new", "resumed"])
def test_the_second_writer_is_refused(tmp_path: Path, flags: tuple[str, ...]) -> None:
    """By a sentence with the process that has the file, also under another name; the result is an unbroken run's."""
    whole, output, link = tmp_path / "whole.jsonl", tmp_path / "out.jsonl", tmp_path / "link.jsonl"
    assert run_rerank("score", "-q", QUERY, "-o", str(whole), stdin=numbered(70)).returncode == 0
    link.symlink_to(output)
    command = [str(RERANK), "score", "-q", QUERY, "-o", str(output), *flags]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env=clean_environ()) as first:
        assert first.stdin is not None
        first.stdin.write(numbered(66))
        first.stdin.flush()
        until(lambda: output.exists() and output.read_bytes().count(b"\n") >= 64)
        for name in (output, link):
            second = run_rerank("score", "-q", QUERY, "-o", str(name), "--skip-done", stdin=numbered(70))
            assert second.returncode == 2
            assert second.stderr == (
                f"Error: another rerank score is writing to {name} (process {first.pid}): wait for it to end, or give "
                "another --output\n"
            )
        first.stdin.write(numbered(70)[len(numbered(66)) :])
        first.stdin.close()
    assert first.returncode == 0
    assert output.read_bytes() == whole.read_bytes()
    assert path_of(output).read_bytes() == path_of(whole).read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {
        *("whole.jsonl", "out.jsonl", "link.jsonl", "whole.jsonl.job.json", "out.jsonl.job.json")
    }


def test_commands_that_begin_together_leave_one_result_for_each_line(tmp_path: Path) -> None:
    """Three at the same moment: whoever comes too late ends with 2, and no line is there twice."""
    documents, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    documents.write_bytes(numbered(400))
    command = [str(RERANK), "score", "-q", QUERY, "-d", str(documents), "-o", str(output), "--skip-done"]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, env=clean_environ()) for _ in range(3)]
    errors = [process.communicate(timeout=120)[1].decode() for process in processes]
    codes = {process.returncode for process in processes}
    assert 0 in codes
    assert codes <= {0, 2}, errors
    assert output.read_bytes().count(b"\n") == 400
    assert len(set(output.read_bytes().splitlines())) == 400


def test_a_lock_that_a_killed_run_left_blocks_nobody(tmp_path: Path) -> None:
    """The next run takes it, and removes it when it ends."""
    output = tmp_path / "out.jsonl"
    command = [str(RERANK), "score", "-q", QUERY, "-o", str(output)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env=clean_environ()) as first:
        until(lambda: (tmp_path / ".out.jsonl.lock").exists() and (tmp_path / ".out.jsonl.lock").read_text())
        first.send_signal(signal.SIGKILL)
    assert (tmp_path / ".out.jsonl.lock").read_text() == f"{first.pid}\n"
    again = run_rerank("score", "-q", QUERY, "-o", str(output), "--skip-done", stdin=numbered(2))
    assert again.returncode == 0, again.stderr
    assert not (tmp_path / ".out.jsonl.lock").exists()


def test_devices_are_not_locked() -> None:
    """Several may write to /dev/null, and nothing is left beside it."""
    assert run_rerank("score", "-q", QUERY, "-o", "/dev/null", stdin=numbered(1)).returncode == 0
    assert not Path("/dev/.null.lock").exists()
