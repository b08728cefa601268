"""Two processes of one command at the same time: what the tests of locks start and look at."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.support.server import clean_environ

BENCH = (sys.executable, "-m", "bench.cli")
ROOT = Path(__file__).parents[2]


def start(command: Sequence[str], **environ: str) -> subprocess.Popen[str]:
    """Start a process whose output is kept."""
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=clean_environ() | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str], timeout_s: float = 120) -> tuple[int, str, str]:
    """Wait for a process; return its exit code, stdout and stderr."""
    out, err = process.communicate(timeout=timeout_s)
    return process.returncode, out, err


def until(condition: Callable[[], object], timeout_s: float = 60) -> None:
    """Wait until something has happened."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def sentence(stderr: str) -> str:
    """The one line with which a refused command ends."""
    assert "Traceback" not in stderr
    return stderr[stderr.index("Error: ") :].strip()
