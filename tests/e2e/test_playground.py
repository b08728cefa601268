"""The playground in a real browser: ranks, speaks every dialect, tells errors, gives the command."""

import json
import math
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Route, expect

from models.scorer import Scorer
from tests.support.screen import ODD, Screen
from tests.support.server import Server

DIALECTS = ["Native", "Cohere v2", "Jina", "TEI", "Infinity", "vLLM score", "Voyage", "NVIDIA NIM"]


@pytest.fixture(scope="module")
def keyed() -> Iterator[Server]:
    with Server("--api-keys", "right") as running:
        yield running


def example(screen: Screen) -> tuple[str, list[str]]:
    passages = screen.page.input_value("#passages").strip().split("\n\n")
    return screen.page.input_value("#query"), passages


def test_the_example_is_ranked_with_the_servers_own_scores(screen: Screen, scorer: Scorer) -> None:
    """One click from the first look: every passage, best first, its text beside its score, stage times and tokens."""
    query, passages = example(screen)
    assert len(passages) >= 5
    expected = sorted(enumerate(scorer.scores(query, passages).tolist()), key=lambda place: -place[1])
    found = screen.rank()
    assert [index for index, _ in found] == [index for index, _ in expected]
    assert [score for _, score in found] == pytest.approx([score for _, score in expected], abs=1e-5)
    assert [text.strip() for text in screen.page.locator("#ranking .text").all_inner_texts()] == [
        passages[index] for index, _ in found
    ]
    figures = screen.figures()
    assert list(figures) == ["tokenise", "queue", "inference", "total", "round trip", "tokens"]
    assert all(value.endswith(" ms") for name, value in figures.items() if name != "tokens")
    assert int(figures["tokens"]) == sum(len(pair) for pair in scorer.tokeniser.pairs(query, passages))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_gives_the_same_order(screen: Screen, dialect: str) -> None:
    """And the same scores (NIM: their logits) and tokens; its own answer can be read as JSON."""
    own = screen.rank()
    tokens = screen.figures()["tokens"]
    screen.page.select_option("#dialect", label=dialect)
    found = screen.rank()
    assert [index for index, _ in found] == [index for index, _ in own]
    scores = [1 / (1 + math.exp(-score)) if dialect == "NVIDIA NIM" else score for _, score in found]
    assert scores == pytest.approx([score for _, score in own], abs=1e-5)
    assert screen.figures()["tokens"] == tokens
    assert isinstance(json.loads(screen.page.text_content("#answer") or ""), list if dialect == "TEI" else dict)


def test_the_dialects_are_all_there(screen: Screen) -> None:
    """In one list, the server's own first."""
    assert screen.page.locator("#dialect option").all_inner_texts() == DIALECTS


def test_so_many_results_as_are_asked_for(screen: Screen) -> None:
    """Empty again means all."""
    everything = screen.rank()
    screen.page.fill("#top", "2")
    assert screen.rank() == everything[:2]


def test_errors_are_the_servers_sentence(screen: Screen) -> None:
    """With the status, in every dialect's own place; a good request clears it."""
    screen.page.fill("#query", " ")
    for dialect in ("Native", "Cohere v2", "TEI", "NVIDIA NIM"):
        screen.page.select_option("#dialect", label=dialect)
        told = screen.error()
        assert "must not be empty" in told
        assert told.startswith(("400", "422"))
    screen.page.fill("#query", "panda")
    assert screen.rank()
    assert screen.page.is_hidden("#error")
    screen.page.select_option("#dialect", label="Voyage")
    screen.page.fill("#top", "-1")
    assert "top_k: must be 0" in screen.error()
    assert screen.page.is_hidden("#ranking")


def test_a_server_that_is_gone_is_told(screen: Screen) -> None:
    """Rather than the last ranking left standing."""
    screen.rank()
    screen.page.route("**/v1/rerank", lambda route: route.abort())
    screen.page.click("#send")
    expect(screen.page.locator("#error")).to_contain_text("No response")
    assert screen.page.locator("#ranking").is_hidden()


def test_the_newest_request_wins(screen: Screen) -> None:
    """A slower answer to an earlier one never takes its place."""
    waiting: list[Route] = []
    screen.page.route("**/v1/rerank", lambda route: waiting.append(route))
    with screen.page.expect_event("requestfailed"):  # the page drops the first one itself
        screen.page.click("#send")
        screen.page.wait_for_selector("#outcome[aria-busy=true]")
        screen.page.fill("#passages", "Prune them in winter.")
        screen.page.click("#send")
    screen.page.wait_for_function("document.querySelector('#status').textContent.startsWith('Ranking')")
    for route in reversed(waiting):
        route.continue_()
    assert len(screen.ranking()) == 1


def test_a_key_is_sent_and_kept_in_the_tab_only(browser: Browser, keyed: Server) -> None:
    """A wrong one is told, a right one is remembered over a reload, another tab knows nothing of it."""
    context = browser.new_context()
    screen = Screen(context.new_page(), keyed.url)
    assert "401" in screen.error()
    screen.page.fill("#key", "wrong")
    assert "unknown API key" in screen.error()
    screen.page.fill("#key", "right")
    assert screen.rank()
    command = screen.page.inner_text("#curl")
    assert "right" not in command
    done = subprocess.run(["bash", "-c", command], env=os.environ | {"API_KEY": "right"}, capture_output=True)
    assert len(json.loads(done.stdout)["results"]) == len(screen.ranking())
    screen.page.reload()
    assert screen.page.input_value("#key") == "right"
    other = Screen(context.new_page(), keyed.url)
    assert other.page.input_value("#key") == ""
    context.close()


@pytest.mark.parametrize("dialect", ["Native", "TEI", "NVIDIA NIM"])
def test_the_curl_command_gives_the_same_answer(screen: Screen, dialect: str) -> None:
    """Run by bash as it stands, with quotes, dollars, backslashes, line breaks and emoji in the texts."""
    screen.fill("what's $1 \\ \"panda\" 'x'?", ODD)
    screen.page.select_option("#dialect", label=dialect)
    shown = screen.rank()
    done = subprocess.run(["bash", "-c", screen.page.inner_text("#curl")], capture_output=True, timeout=30)
    answer: Any = json.loads(done.stdout)
    rows = answer if dialect == "TEI" else answer.get("results") or answer["rankings"]
    field = {"TEI": "score", "NVIDIA NIM": "logit"}.get(dialect, "relevance_score")
    assert [(row["index"], row[field]) for row in rows] == [(i, pytest.approx(score)) for i, score in shown]


def test_the_curl_command_of_a_long_request_is_one_that_bash_can_run(screen: Screen) -> None:
    """An argument of a command has at most 128 KiB."""
    screen.fill("what's $1?", [*ODD, "JSON\nJSON 'x' " + "winter " * 25_000])
    shown = screen.rank()
    done = subprocess.run(["bash"], input=(screen.page.text_content("#curl") or "").encode(), capture_output=True)
    answer: Any = json.loads(done.stdout)
    assert [row["index"] for row in answer["results"]] == [index for index, _ in shown]
    assert [row["relevance_score"] for row in answer["results"]] == pytest.approx([score for _, score in shown])


@pytest.mark.parametrize("clipboard", ["with a clipboard", "without one, as over plain HTTP"])
def test_the_command_is_copied_as_it_stands(browser: Browser, server: Server, clipboard: str) -> None:
    """By the button, which says so."""
    context = browser.new_context()
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    if clipboard.startswith("without"):
        context.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    screen = Screen(context.new_page(), server.url)
    screen.fill("what's that?", ODD)
    shown = screen.page.text_content("#curl")
    screen.page.click("#copy")
    expect(screen.page.locator("#copy")).to_have_text("Copied")
    screen.page.fill("#query", "")
    screen.page.focus("#query")
    screen.page.keyboard.press("Control+V")
    assert screen.page.input_value("#query") == shown
    context.close()
