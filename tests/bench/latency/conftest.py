"""Fixtures of the latency tests: servers whose delays are known."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.known_server import PROGRAM, StartKnownServer


@pytest.fixture(scope="session")
def known_server() -> StartKnownServer:
    """Starts a server whose delays are known; gives its URL."""

    @contextlib.contextmanager
    def start(stall_at: int = 0, stall_s: float = 0.0, die_at: int = 0) -> Iterator[str]:
        arguments = map(str, (PROGRAM, stall_at, stall_s, die_at))
        command = [sys.executable, *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
            finally:
                process.kill()

    return start
