"""Starts a server from a command line for one measurement, waits until it is ready, and always stops it.

The server is any command that takes `--port`, answers GET /ready (or another route) with 200 and exits on SIGTERM. No
process is left running, whatever ends the block: an error, Ctrl-C, or SIGTERM and SIGHUP to the bench itself, which are
turned into SystemExit so that the block unwinds.
"""

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import httpx

from bench.errors import ServerError
from bench.settings import server_environment

STOP_S = 30.0
POLL_S = 0.1


@contextlib.contextmanager
def local_server(command: str, start_timeout_s: float, ready: str = "/ready") -> Iterator[str]:
    """Yield the URL of a ready server started with `command --port <free port>`; it is stopped when the block ends."""
    with _signals_unwind(), tempfile.TemporaryDirectory(prefix="rerank-bench-") as folder:
        log = Path(folder) / "server.log"
        port = _free_port()
        process = _start([*_words(command), "--port", str(port)], log)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(url + ready, process, log, start_timeout_s)
            yield url
        finally:
            _stop(process)


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ServerError(f"the server command {command!r} cannot be parsed: {error}") from None
    if not words:
        raise ServerError("the server command is empty; an example is `rerank serve`")
    return words


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start(arguments: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        try:
            return subprocess.Popen(  # noqa: S603  # the command that the user gave
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=server_environment(),
                start_new_session=True,  # Ctrl-C reaches the bench alone, which then stops the server in order
            )
        except OSError as error:
            raise ServerError(f"the server command {arguments[0]!r} cannot be started: {error.strerror}") from error


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path, timeout_s: float) -> None:
    give_up = time.perf_counter() + timeout_s
    with httpx.Client(trust_env=False, timeout=5.0) as http:
        while time.perf_counter() < give_up:
            code = process.poll()
            if code is not None:
                raise ServerError(f"the server exited with code {code} before it was ready: {_last_words(log)}")
            with contextlib.suppress(httpx.HTTPError):
                if http.get(url).status_code == httpx.codes.OK:
                    return
            time.sleep(POLL_S)
    raise ServerError(f"the server was not ready at {url} within {timeout_s:g} s: {_last_words(log)}")


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it printed nothing"


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Send SIGTERM and wait half a minute; then SIGKILL whatever is left of its session."""
    try:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def _signals_unwind() -> Iterator[None]:
    def leave(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    heeded = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is not signal.SIG_IGN]  # nohup ignores
    before = {number: signal.signal(number, leave) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
