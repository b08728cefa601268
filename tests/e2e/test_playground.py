"""The playground in a real browser: ranks, speaks every dialect, by keyboard alone, in both themes, at both widths."""

import json
import math
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from models.scorer import Scorer
from tests.server import Server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian's package chromium)")
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync", "--disable-background-networking"),
    *("--disable-component-update", "--disable-quic", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
)
DIALECTS = ["This server’s own", "Cohere v2", "Jina", "TEI", "Infinity", "vLLM score", "Voyage", "NVIDIA NIM"]
ODD = ['it\'s "quoted" $HOME `ls` \\n \\ end', "a <script>window.broken = 1</script> tag", "🐼 two\nlines", "%s {} 'x'"]
CONTRAST = """(element) => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  let behind = element;
  const isClear = (at) => channels(getComputedStyle(at).backgroundColor)[3] === 0;
  while (isClear(behind) && behind.parentElement) behind = behind.parentElement;
  const [front, back] = [element, behind].map((at, n) =>
    luminance(channels(n ? getComputedStyle(at).backgroundColor : getComputedStyle(at).color)));
  return (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
}"""
"""WCAG 2.2's contrast ratio of an element's text against the first background behind it that is not transparent."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def keyed() -> Iterator[Server]:
    with Server("--api-keys", "right") as running:
        yield running


class Screen:
    """An open playground with what it asked for and what went wrong in it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.asked: list[str] = []
        self.broken: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.broken.append(str(error)))
        page.on(
            "console", lambda message: self.broken.append(message.text) if "Content Security" in message.text else None
        )
        page.goto(url)
        expect(page.locator("#served")).to_have_text(re.compile(r"\S"))

    def fill(self, query: str, passages: list[str]) -> None:
        self.page.fill("#query", query)
        self.page.fill("#passages", "\n\n".join(passages))

    def rank(self) -> list[tuple[int, float]]:
        """Press Rank and read the list: (index, score)."""
        with self.page.expect_response(lambda answer: answer.request.method == "POST"):
            self.page.click("#send")
        return self.ranking()

    def ranking(self) -> list[tuple[int, float]]:
        self.page.wait_for_selector("#outcome[aria-busy=false]")
        rows = self.page.locator("#ranking li")
        return [
            (
                int(rows.nth(row).locator(".index").inner_text().removeprefix("index ")),
                float(rows.nth(row).locator("data").get_attribute("value") or "nan"),
            )
            for row in range(rows.count())
        ]

    def figures(self) -> dict[str, str]:
        names, values = (self.page.locator(f"#figures {tag}").all_inner_texts() for tag in ("dt", "dd"))
        return dict(zip(names, values, strict=True))

    def error(self) -> str:
        with self.page.expect_response(lambda answer: answer.request.method == "POST"):
            self.page.click("#send")
        self.page.wait_for_selector("#error:not([hidden])")
        return self.page.inner_text("#error")


@pytest.fixture
def screen(browser: Browser, server: Server) -> Iterator[Screen]:
    context = browser.new_context()
    opened = Screen(context.new_page(), server.url)
    yield opened
    assert opened.broken == []
    context.close()


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


def test_bars_are_as_long_as_the_scores(screen: Screen) -> None:
    """In shares of their room."""
    found = screen.rank()
    widths = screen.page.evaluate(
        "[...document.querySelectorAll('.bar')].map((bar) => getComputedStyle(bar).getPropertyValue('--share'))"
    )
    assert [float(width) for width in widths] == pytest.approx([score for _, score in found])


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


def test_the_keyboard_is_enough(browser: Browser, server: Server) -> None:
    """Tab reaches everything in reading order, each with a visible focus; Ctrl+Enter ranks from within a text."""
    context = browser.new_context()
    screen = Screen(context.new_page(), server.url)
    reached = []
    for _ in range(12):
        screen.page.keyboard.press("Tab")
        focused = screen.page.evaluate(
            "(() => { const at = document.activeElement, style = getComputedStyle(at);"
            " return [at.id || at.textContent, style.outlineStyle !== 'none' || style.boxShadow !== 'none']; })()"
        )
        reached.append(focused)
    names = [name for name, _ in reached]
    wanted = ["query", "passages", "dialect", "top", "key", "send", "copy"]
    assert [name for name in names if name in wanted] == wanted
    assert [name for name, visible in reached if name in wanted and not visible] == []
    screen.page.focus("#passages")
    with screen.page.expect_response(lambda answer: answer.request.method == "POST"):
        screen.page.keyboard.press("Control+Enter")
    assert screen.ranking()
    context.close()


def test_errors_are_the_servers_sentence(screen: Screen) -> None:
    """With the status, in every dialect's own place; a good request clears it."""
    screen.page.fill("#query", " ")
    for dialect in ("This server’s own", "Cohere v2", "TEI", "NVIDIA NIM"):
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
    expect(screen.page.locator("#error")).to_contain_text("No answer")
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
    assert "not known here" in screen.error()
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


@pytest.mark.parametrize("dialect", ["This server’s own", "TEI", "NVIDIA NIM"])
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


def test_a_long_passage_is_cut_until_asked_for(screen: Screen) -> None:
    """By a button that tells its state."""
    screen.fill("winter", ["Prune apple trees in winter. " * 60, "Short."])
    screen.rank()
    button = screen.page.get_by_role("button", name="Show all")
    assert button.count() == 1
    assert button.get_attribute("aria-expanded") == "false"
    height = "document.querySelector('.text').offsetHeight"
    cut = screen.page.evaluate(height)
    button.click()
    assert screen.page.get_by_role("button", name="Show less").get_attribute("aria-expanded") == "true"
    assert screen.page.evaluate(height) > 2 * cut


def test_everything_has_its_name_for_a_screen_reader(screen: Screen) -> None:
    """Fields by their labels; what happens is announced, an error at once."""
    page = screen.page
    for field in ("Query", "Passages", "Dialect", "Results", "API key"):
        assert page.get_by_label(field).count() == 1, field
    for role, name in (("button", "Rank"), ("button", "Copy"), ("region", "Result"), ("heading", "rerank")):
        assert page.get_by_role(role, name=name, exact=True).count() == 1, name  # type: ignore[arg-type]
    screen.rank()
    assert page.get_by_role("status").filter(has_text="6 passages, best first.").count() == 1
    page.fill("#query", "")
    assert screen.error() == page.get_by_role("alert").inner_text()


def test_texts_are_shown_and_never_run(screen: Screen) -> None:
    """Markup in a query or a passage is text."""
    screen.fill("<img src=x onerror='window.broken = 2'>", [*ODD, "<img src=x onerror='window.broken = 3'>"])
    assert len(screen.rank()) == 5
    assert screen.page.evaluate("window.broken") is None
    assert screen.page.locator("#ranking script, #ranking img").count() == 0
    assert "<script>window.broken = 1</script>" in screen.page.inner_text("#ranking")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_it_fits_and_can_be_read(browser: Browser, server: Server, width: int, scheme: str) -> None:
    """No sideways scrolling, and text that stands out from what is behind it by 4.5 to 1 (WCAG AA) in both themes."""
    theme: Any = scheme
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
    screen = Screen(context.new_page(), server.url)
    screen.rank()
    sizes = screen.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert sizes[0] <= sizes[1] == width
    background = screen.page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, background.removeprefix("rgb(").rstrip(")").split(",")[:3])) / 3
    assert (brightness < 60) == (scheme == "dark")
    for selector in (
        "h1",
        "label",
        "#query",
        "#ranking .text",
        ".score",
        ".index",
        ".hint",
        "#send",
        "#curl",
        "#figures dt",
        "nav a",
        "#served",
        "#status",
        ".rank",
        "#copy",
        "summary",
        "#answer",
    ):
        assert screen.page.locator(selector).first.evaluate(CONTRAST) >= 4.5, selector
    screen.page.fill("#query", "")
    screen.error()
    for selector in ("#error strong", "#error span"):
        assert screen.page.locator(selector).evaluate(CONTRAST) >= 4.5, selector
    context.close()


def test_nothing_is_asked_of_another_host(screen: Screen, server: Server) -> None:
    """And the page's policy would not let it: script, style and connections from here alone."""
    screen.rank()
    assert {url.split("/", 3)[2] for url in screen.asked} == {server.url.removeprefix("http://")}
    for path in ("/", "/playground/index.html", "/playground/playground.js"):
        headers = server.client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_the_policy_holds_in_the_browser(browser: Browser, server: Server) -> None:
    """A script that got into the page could neither run inline nor send anything away."""
    context = browser.new_context()
    screen = Screen(context.new_page(), server.url)
    for attempt, directive in (
        ("fetch('http://127.0.0.2:9/').catch(() => 0)", "connect-src"),
        ("document.body.append(Object.assign(document.createElement('script'), {text: '1'}))", "script-src-elem"),
        ("new Image().src = 'http://127.0.0.2:9/'", "img-src"),
    ):
        refused = screen.page.evaluate(
            "new Promise((refused) => { document.addEventListener('securitypolicyviolation',"
            f" (event) => refused(event.violatedDirective), {{ once: true }}); {attempt} }})"
        )
        assert refused == directive
    context.close()
