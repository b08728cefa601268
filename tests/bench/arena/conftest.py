"""Fixtures of the arena's tests: three entrants, and a chat endpoint that is not waited for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.arena.judges import chat as chat_module
from bench.client import retry
from tests.support.arena.chat_server import ChatServer
from tests.support.arena.results import bad, good, write_dataset, write_run
from tests.support.running import running


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    with running(ChatServer()) as server:
        yield server


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of a hundredth of what they are; how long they are is the retry policy's own test."""
    waited = retry.wait_s
    monkeypatch.setattr(chat_module, "wait_s", lambda headers, attempt: waited(headers, attempt) / 100)


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A folder with the dataset `toy` and `results`: best is right everywhere, half on even queries, worst nowhere."""
    dataset = write_dataset(tmp_path)
    for name, right in (("best", range(6)), ("half", range(0, 6, 2)), ("worst", range(0))):
        rankings = {f"q{n}": good(n) if n in right else bad(n) for n in range(6)}
        write_run(tmp_path / "results", dataset, name, rankings)
    return tmp_path
