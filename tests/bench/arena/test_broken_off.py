"""An arena that ends too early, by its judge or a kill, or that another one runs beside: no ballot lost or twice."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import records
from bench.arena.ledger import BallotLedger
from bench.arena.records import ArenaRecord
from tests.support.arena.chat_server import ChatServer
from tests.support.arena.command import arena, figures, llm, read, sentence
from tests.support.arena.results import bad, good, write_dataset, write_run
from tests.support.server import clean_environ


def test_a_stopped_judge_leaves_its_ballots_and_their_ratings(toy: Path, chat: ChatServer) -> None:
    """A key that stops being taken after eight presentations: one sentence, exit code 1, a record of four matches."""
    chat.replies = [*[None] * 8, (401, {"error": "expired"}, {})]
    result = arena(toy, *llm(chat.url, "--concurrency", "1"))
    assert "refused the request: status 401" in sentence(result)
    record = read(toy, "llm-judge-1")
    assert record.pairings.judged - record.pairings.by_rule == 4
    assert record.pairings.pending > 0
    assert "not judged yet" in result.stdout


@pytest.fixture
def slow_chat(tmp_path: Path) -> Iterator[str]:
    """The URL of a chat endpoint in a process of its own that takes 30 ms a question."""
    told = tmp_path / "url"
    module = [sys.executable, "-m", "tests.support.arena.chat_server", "--delay", "0.03", "--port-file", str(told)]
    process = subprocess.Popen(module, env=clean_environ())
    try:
        until(lambda: told.is_file() and told.read_text().endswith("/v1"))
        yield told.read_text()
    finally:
        process.kill()
        process.wait()


def until(true: Any) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.mark.slow
def test_kill_9_and_repeat_is_as_an_unbroken_run(tmp_path: Path, slow_chat: str) -> None:
    """A real process, killed twice in the middle, its last line torn: the same record, no ballot twice on file."""
    dataset = write_dataset(tmp_path, 12)
    for folder in ("broken", "whole"):
        for name, right in (("best", range(12)), ("half", range(0, 12, 2)), ("worst", range(0))):
            rankings = {f"q{n}": good(n) if n in right else bad(n) for n in range(12)}
            write_run(tmp_path / folder, dataset, name, rankings)

    def command(folder: str) -> list[str]:
        flags = ["--results", str(tmp_path / folder), "--data", str(dataset), *llm(slow_chat, "--concurrency", "2")]
        return [sys.executable, "-m", "bench.cli", "arena", *flags]

    ballots = tmp_path / "broken" / "arena" / "llm-judge-1.jsonl"
    for lines in (5, 20):
        process = subprocess.Popen(command("broken"), env=clean_environ(), stderr=subprocess.DEVNULL)
        until(lambda lines=lines: ballots.is_file() and ballots.read_bytes().count(b"\n") >= lines)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not ballots.with_suffix(".json").exists()
    with ballots.open("ab") as file:
        file.write(b'{"dataset":"toy","query_id":"q1","a":"be')
    for folder in ("broken", "whole"):
        subprocess.run(command(folder), env=clean_environ(), check=True, capture_output=True, timeout=120)
    broken, whole = (
        records.read_as(tmp_path / folder / "arena" / "llm-judge-1.json", ArenaRecord) for folder in ("broken", "whole")
    )
    assert figures(broken) == figures(whole)
    looks_on_file = [json.loads(line) for line in ballots.read_text().splitlines()]
    assert len({(each["query_id"], each["a"], each["b"], each["first"]) for each in looks_on_file}) == len(
        looks_on_file
    )
    assert len(looks_on_file) == whole.cost.calls


def test_two_arenas_do_not_write_to_one_file(toy: Path) -> None:
    """The second is told so."""
    with BallotLedger(toy / "results" / "arena" / "qrels.jsonl"):
        assert "another arena is writing" in sentence(arena(toy))
