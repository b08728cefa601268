"""A judge that asks the arena to wait: it is told while it is waited for."""

import asyncio
from pathlib import Path

import pytest

from bench.arena.judges import chat as chat_module
from bench.client import retry
from tests.support.arena.chat_server import ChatServer
from tests.support.arena.command import arena, llm


def test_a_far_retry_after_of_a_judge_is_told(toy: Path, chat: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """On stderr, with the judge's own words and when it is asked again; the arena is as if it had not been busy."""
    sleep = asyncio.sleep
    monkeypatch.setattr(chat_module, "wait_s", retry.wait_s)
    monkeypatch.setattr(asyncio, "sleep", lambda _: sleep(0))
    chat.replies = [(429, {"error": {"message": "slow down"}}, {"Retry-After": "900"})]
    done = arena(toy, *llm(chat.url, "--concurrency", "1"))
    assert done.exit_code == 0, done.output
    (line,) = [line for line in done.stderr.splitlines() if "asks to wait" in line]
    assert line.startswith(f"the judge at {chat.url}/chat/completions: status 429: ")
    assert " and asks to wait 900 s; attempt 2 of at most 7 follows in " in line
