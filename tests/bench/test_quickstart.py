"""`python -m bench.quickstart`, as `make bench` types it: a real server started, measured and never left running."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench import local_server, records
from bench.accuracy import rankings
from bench.errors import ServerError
from bench.latency import records as latency_records

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
FAKE = [sys.executable, "-m", "tests.support.fake_reranker", "--pid-file"]
# `python -m bench.quickstart` with Ctrl-C and a closed terminal heeded: a suite that runs in the background, or under
# nohup, hands down SIGINT and SIGHUP as ignored.
BENCH = (
    "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "signal.signal(signal.SIGHUP, signal.SIG_DFL); "
    "runpy.run_module('bench.quickstart', run_name='__main__')"
)
SMALL = ["--data", "sample", "--requests", "4"]


def _first(*arguments: str, wait: bool = True) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", BENCH, *arguments],
        cwd=ROOT,
        env={**os.environ, "RERANK_DATA": "/nowhere"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if wait:
        process.wait(timeout=60)
    return process


def _is_running(pid_file: Path) -> bool:
    """Whether the process lives; one that is dead but not yet collected by its parent does not."""
    stat = Path("/proc") / pid_file.read_text(encoding="utf-8").strip() / "stat"
    return stat.exists() and stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"


def _sentence(process: subprocess.Popen[str]) -> str:
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 1, output + errors
    assert "Traceback" not in errors
    return errors.strip().splitlines()[-1]


def test_first_measurement_prints_both_tables_and_stops_the_server(tmp_path: Path) -> None:
    """From nothing running to P50 and nDCG@10: exit code 0, both records written, the server gone."""
    pid_file = tmp_path / "pid"
    process = _first(*SMALL, "--serve", shlex.join([*FAKE, str(pid_file)]), "--out", str(tmp_path / "out"))
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "P50 ms" in output
    assert "documents/s" in output
    assert "nDCG@10" in output
    assert len(latency_records.read(tmp_path / "out" / "latency" / "rerank.json").points) == 1
    accuracy = records.read(tmp_path / "out" / "accuracy" / "sample" / "rerank.json")
    assert isinstance(accuracy, records.AccuracyRecord)
    assert len(rankings.read(tmp_path / "out" / "accuracy" / "sample" / "rerank.jsonl").rankings) == 14
    assert not _is_running(pid_file)


def test_a_dataset_smaller_than_a_request_is_measured_with_all_of_it(tmp_path: Path) -> None:
    """Twelve passages make requests of twelve documents, none of them twice."""
    twelve = ["--data", str(ROOT / "tests" / "kept" / "sample"), "--requests", "4", "--out", str(tmp_path / "out")]
    process = _first(*twelve, "--serve", shlex.join([*FAKE, str(tmp_path / "pid")]))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    [point] = latency_records.read(tmp_path / "out" / "latency" / "rerank.json").points
    assert point.plan.point.documents == 12


def test_without_data_it_says_what_to_give() -> None:
    """No --data: one sentence that names the layout and the sample; nothing is started."""
    assert "--data is required" in _sentence(_first("--serve", "false"))


@pytest.mark.parametrize(
    ("nth", "row"), [(8, "1 of 4 (25.0%)"), (13, "1 of 14 queries failed")], ids=["latency", "accuracy"]
)
def test_one_failed_request_makes_the_exit_code_1(tmp_path: Path, nth: int, row: str) -> None:
    """One request of either stage fails: both tables are printed, the failure in its own, and the server is stopped."""
    pid_file = tmp_path / "pid"
    process = _first(*SMALL, "--serve", shlex.join([*FAKE, str(pid_file), "--fail", str(nth)]), wait=False)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "1 request failed;" in errors
    assert row in output
    assert "nDCG@10" in output
    assert "1 time: status 422: broken" in output
    assert not _is_running(pid_file)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("no-such-command", "'no-such-command' cannot be started: No such file"),
        (
            f"{sys.executable} -c 'print(\"no model\"); raise SystemExit(3)'",
            "exited with code 3 before it was ready: no model",
        ),
    ],
)
def test_server_that_does_not_start_is_one_sentence(command: str, sentence: str) -> None:
    """The server's exit code and its last words reach the user."""
    assert sentence in _sentence(_first(*SMALL, "--serve", command))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_no_server_is_left_when_the_bench_is_stopped(tmp_path: Path, number: signal.Signals) -> None:
    """SIGTERM, Ctrl-C and a closed terminal in the middle of a measurement: the server is stopped first."""
    pid_file = tmp_path / "pid"
    process = _first(
        "--data", "sample", "--requests", "1000000", "--serve", shlex.join([*FAKE, str(pid_file)]), wait=False
    )
    try:
        deadline = time.perf_counter() + 30
        while not (pid_file.exists() and pid_file.read_text(encoding="utf-8")) and time.perf_counter() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(number)
        process.communicate(timeout=120)
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=120)
    assert process.returncode != 0
    assert not _is_running(pid_file)


def test_server_that_is_never_ready_or_deaf_to_sigterm_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its time to start it is given up, after its time to stop it is killed, its children too."""
    monkeypatch.setattr(local_server, "STOP_S", 0.3)
    before = signal.getsignal(signal.SIGTERM)
    pid_file = tmp_path / "pid"
    child = f"sleep 60 & echo $! > {pid_file}; trap '' TERM; wait; sleep 60"
    with (
        pytest.raises(ServerError, match="was not ready"),
        local_server.local_server(f"sh -c {shlex.quote(child)}", 0.5),
    ):
        pass
    assert signal.getsignal(signal.SIGTERM) is before
    time.sleep(0.2)
    assert not _is_running(pid_file)


@pytest.mark.parametrize(("command", "words"), [("", "is empty"), ("rerank 'x", "cannot be parsed")])
def test_a_command_that_is_none_is_told(command: str, words: str) -> None:
    """An unclosed quote and nothing at all are one sentence each."""
    with pytest.raises(ServerError, match=words), local_server.local_server(command, 5.0):
        pass
