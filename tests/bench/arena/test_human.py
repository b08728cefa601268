"""The voting page in a real browser: blind, by keyboard and mouse, resumable, and for itself alone."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from bench import records
from bench.arena.judges.human import HumanJudge, Voting
from bench.arena.judges.judge import Reading
from bench.arena.judges.page import PageServer
from bench.arena.ledger import BallotLedger
from bench.arena.matches import Match, all_matches
from bench.arena.records import ArenaRecord
from bench.arena.tournament import tally
from tests.support.arena.results import load_from
from tests.support.browser import CONTRAST, Watched
from tests.support.server import clean_environ


class Booth:
    """The page served over the toy entrants; `with` starts and ends it."""

    def __init__(self, root: Path) -> None:
        self.entrants = load_from(root)
        self.judge = HumanJudge(self.entrants, "human", 10, 300, 0)
        every = all_matches(self.entrants, 0)
        self.matches = [match for match in every if match.by_rule(10) is None]
        self.ledger = BallotLedger(root / "human.jsonl")
        self.voting = Voting(self.judge, Reading(self.entrants, 10, 300), self.matches, self.ledger)
        self.server = PageServer(("127.0.0.1", 0), self.voting)
        self.url = self.server.url
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> "Booth":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()
        self.ledger.__exit__(None, None, None)

    def verdicts(self) -> dict[str, str | None]:
        return {ballot.query_id + ballot.a + ballot.b: ballot.verdict for ballot in self.ledger}

    def match_key(self, match: Match) -> str:
        return match.query_id + match.a + match.b


@pytest.fixture
def booth(toy: Path) -> Iterator[Booth]:
    with Booth(toy) as running:
        yield running


class Screen(Watched):
    """The page as a judge has it before them."""

    def __init__(self, page: Page, url: str) -> None:
        super().__init__(page, lambda message: message.type == "error")
        page.goto(url)
        self.at(1)

    def at(self, number: int) -> None:
        expect(self.page.locator("#progress")).to_have_text(re.compile(rf"^Match {number} of "))

    def lists(self) -> dict[str, list[str]]:
        return {side: self.page.locator(f"#list-{side.lower()} li").all_inner_texts() for side in "AB"}


@pytest.fixture
def screen(browser: Browser, booth: Booth) -> Iterator[Screen]:
    context = browser.new_context()
    opened = Screen(context.new_page(), booth.url)
    yield opened
    assert opened.broken == []
    context.close()


def test_votes_by_key_and_by_mouse_are_recorded_for_the_list_that_was_shown(screen: Screen, booth: Booth) -> None:
    """A for the one in place A, whoever that was; tie; skip; each on file before the next match is shown."""
    expected: dict[str, str | None] = {}
    for number, (vote, by) in enumerate(
        [("A", "key"), ("B", "mouse"), ("tie", "key"), ("skip", "mouse"), ("B", "key"), ("A", "mouse")]
    ):
        screen.at(number + 1)
        match = booth.matches[number]
        first = booth.judge.presentations(match)[0].first
        shown = screen.lists()
        for place, side in (("A", first), ("B", "b" if first == "a" else "a")):
            texts = [booth.entrants["toy"].dataset.documents[i] for i in match.shown("a" if side == "a" else "b", 10)]
            assert shown[place] == texts
        if by == "key":
            screen.page.keyboard.press(vote[0].lower())
        else:
            screen.page.click(f"[data-vote={vote}]")
        screen.at(number + 2)
        expected[booth.match_key(match)] = {"A": first, "B": "b" if first == "a" else "a"}.get(vote, vote)
    assert booth.verdicts() == expected
    found = tally(booth.judge, booth.matches, booth.ledger)
    assert (found.counts["skipped"], len(found.outcomes)) == (1, 5)


def test_no_name_reaches_the_browser(screen: Screen, booth: Booth) -> None:
    """Neither in the page nor in any answer."""
    for number in range(len(booth.matches)):
        told = httpx.get(f"{booth.url}match?number={number}", trust_env=False).text
        assert not any(name in told + screen.page.content() for name in ("best", "half", "worst"))


def test_both_places_are_used(booth: Booth) -> None:
    """A contestant is not always on the same side."""
    assert {booth.judge.presentations(match)[0].first for match in booth.matches} == {"a", "b"}


def test_a_slip_is_mended_by_going_back(screen: Screen, booth: Booth) -> None:
    """Back shows the match with its vote; the later vote counts, in memory and on file."""
    screen.page.keyboard.press("a")
    screen.at(2)
    screen.page.keyboard.press("z")
    screen.at(1)
    expect(screen.page.locator("[data-vote=A]")).to_have_attribute("aria-pressed", "true")
    screen.page.keyboard.press("t")
    screen.at(2)
    assert list(booth.verdicts().values()) == ["tie"]
    lines = booth.ledger.file.read_text().splitlines()
    assert [json.loads(line)["verdict"] for line in lines][-1] == "tie"
    assert len(lines) == 2


def test_the_next_visit_goes_on(browser: Browser, toy: Path) -> None:
    """After three votes a new server shows the fourth match, with the same lists in the same places."""
    with Booth(toy) as one:
        screen = Screen(browser.new_page(), one.url)
        for number in (2, 3, 4):
            screen.page.keyboard.press("b")
            screen.at(number)
        before = screen.lists()
        screen.page.close()
    with Booth(toy) as other:
        page = browser.new_page()
        page.goto(other.url)
        expect(page.locator("#progress")).to_have_text(re.compile("^Match 4 of .* 3 voted$"))
        assert {side: page.locator(f"#list-{side.lower()} li").all_inner_texts() for side in "AB"} == before
        page.close()


def test_the_end_is_told_and_finish_ends_the_judging(screen: Screen, booth: Booth) -> None:
    """By keyboard alone: the last vote moves the focus to Finish."""
    for number in range(len(booth.matches)):
        screen.at(number + 1)
        screen.page.keyboard.press("t")
    expect(screen.page.locator("#progress")).to_have_text(re.compile("^You have voted on all .* matches"))
    expect(screen.page.locator("#finish")).to_be_focused()
    screen.page.keyboard.press("Enter")
    expect(screen.page.locator("main")).to_contain_text("Finished")
    assert booth.voting.finished.wait(5)


def test_everything_has_its_name_and_nothing_comes_from_elsewhere(screen: Screen, booth: Booth) -> None:
    """Roles for a screen reader; requests to this server alone."""
    for name in ("A is better", "Tie", "B is better", "Skip", "Back", "Finish"):
        assert screen.page.get_by_role("button", name=name).count() == 1, name
    for name in ("A", "B"):
        assert screen.page.get_by_role("region", name=name, exact=True).count() == 1
    assert screen.page.get_by_role("status").inner_text().startswith("Match 1")
    expect(screen.page.locator("#query")).to_be_focused()
    assert {httpx.URL(url).netloc.decode() for url in screen.asked} == {booth.url.split("/")[2]}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_it_fits_and_can_be_read(browser: Browser, booth: Booth, width: int, scheme: str) -> None:
    """No sideways scrolling, and contrast of 4.5 to 1 in both themes."""
    theme: Any = scheme
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
    page = Screen(context.new_page(), booth.url).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) / 3 < 60) == (scheme == "dark")
    for selector in ("h1", "h2", "h3", "#progress", "#list-a li", "[data-vote=A]", "kbd", "#finish"):
        assert page.locator(selector).first.evaluate(CONTRAST) >= 4.5, selector
    context.close()


def test_texts_are_shown_and_never_run(browser: Browser, toy: Path) -> None:
    """Markup in a passage is text."""
    with Booth(toy) as running:
        documents = running.entrants["toy"].dataset.documents
        for document in documents:
            documents[document] += " <img src=x onerror='window.broken = 1'>"
        screen = Screen(browser.new_page(), running.url)
        assert screen.page.locator("#lists img").count() == 0
        assert "<img" in screen.lists()["A"][0]
        assert screen.page.evaluate("window.broken") is None
        screen.page.close()


def post(booth: Booth, path: str, body: str, **headers: str) -> int:
    own = {"Origin": booth.url.rstrip("/"), "Content-Type": "application/json"}
    return httpx.post(booth.url + path, content=body, headers=own | headers, trust_env=False).status_code


def test_what_another_site_could_send_is_refused(booth: Booth) -> None:
    """A vote from another origin, as a form, or by another host's name, which could lead here."""
    vote = '{"number": 0, "vote": "A"}'
    assert post(booth, "vote", vote, Origin="http://evil.example") == 403
    assert post(booth, "vote", vote, **{"Content-Type": "text/plain"}) == 403
    assert post(booth, "vote", vote, Host="evil.example") == 403
    assert post(booth, "finish", "{}", Origin="null") == 403
    assert httpx.get(f"{booth.url}match", headers={"Host": "evil.example"}, trust_env=False).status_code == 403
    assert booth.verdicts() == {}
    assert not booth.voting.finished.is_set()
    assert post(booth, "vote", vote) == 200


@pytest.mark.parametrize(
    "body",
    ["[]", "{", '{"number": 0}', '{"number": 99, "vote": "A"}', '{"number": "0", "vote": "A"}',
     '{"number": 0, "vote": "C"}', '{"number": true, "vote": "A"}', '{"number": 0, "vote": ["A"]}', "x" * 2000],
    ids=str,
)  # fmt: skip
def test_a_vote_that_is_none_is_refused(booth: Booth, body: str) -> None:
    """400, and nothing on file."""
    assert post(booth, "vote", body) == 400
    assert booth.verdicts() == {}


def test_the_command_serves_the_page_and_rates_the_votes(toy: Path) -> None:
    """`--judge human` as a process: its URL on stderr, votes over HTTP, Finish, and the record of this voter."""
    flags = ["--results", str(toy / "results"), "--data", str(toy / "toy"), "--judge", "human", "--voter", "jo"]
    command = [sys.executable, "-m", "bench.cli", "arena", *flags, "--matches", "6"]
    process = subprocess.Popen(command, env=clean_environ(), stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stderr
        url = (re.search(rb"http://127.0.0.1:\d+/", process.stderr.readline()) or [b""])[0].decode()
        with httpx.Client(base_url=url, headers={"Origin": url.rstrip("/")}, trust_env=False, timeout=60) as http:
            told = http.get("match").json()
            while told["number"] is not None:
                told = http.post("vote", json={"number": told["number"], "vote": "A"}).json()
            http.post("finish", json={})
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0
    assert b"judge: human-jo: a person reads the first 10 passages" in output
    record: ArenaRecord = records.read_as(toy / "results" / "arena" / "human-jo.json", ArenaRecord)
    assert record.position_bias is not None
    assert (record.position_bias.first_wins.value, record.pairings.pending) == (1.0, 0)


def test_a_connection_that_ends_says_so(booth: Booth) -> None:
    """A client that would use it again must know: a vote sent into its end would be lost."""
    own = {"Origin": booth.url.rstrip("/")}
    answer = httpx.post(booth.url + "vote", json={"number": 0, "vote": "A"}, headers=own, trust_env=False)
    assert answer.headers["Connection"] == "close"


def test_paths_that_are_not_there(booth: Booth) -> None:
    """404, also for a match beyond the last."""
    for path in ("nothing", "match?number=99", "../human.py"):
        assert httpx.get(booth.url + path, trust_env=False).status_code == 404
    assert post(booth, "nothing", "{}") == 404
