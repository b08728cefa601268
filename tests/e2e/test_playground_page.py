"""The playground's page in a real browser: by keyboard alone, in both themes, at both widths, for itself alone."""

from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.support.browser import CONTRAST
from tests.support.screen import ODD, Screen
from tests.support.server import Server


def test_bars_are_as_long_as_the_scores(screen: Screen) -> None:
    """In shares of their room."""
    found = screen.rank()
    widths = screen.page.evaluate(
        "[...document.querySelectorAll('.bar')].map((bar) => getComputedStyle(bar).getPropertyValue('--share'))"
    )
    assert [float(width) for width in widths] == pytest.approx([score for _, score in found])


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
