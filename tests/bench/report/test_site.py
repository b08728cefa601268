"""The site in a real browser: from disk and served, at both widths, in both themes, by keyboard, on paper."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser, Page, Request

from bench.cli import main
from tests.support.browser import CONTRAST
from tests.support.report_results import tables
from tests.support.server import Server, run_rerank


@pytest.fixture(scope="module")
def served(site: Path) -> Iterator[Server]:
    """A server that wants a key, and serves the site to everybody."""
    with Server("--bench-dir", str(site), "--api-keys", "right", wait_ready=True) as running:
        yield running


class Visit:
    """A page of a browser, with what it asked for and what went wrong."""

    def __init__(self, browser: Browser, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page: Page = self.context.new_page()
        self.asked: list[str] = []
        self.wrong: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("requestfailed", self._judge_failure)
        self.page.on("response", lambda answer: self._judge(answer.url, answer.status))

    def _judge_failure(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # the next page was opened before this one's icon was there
            self.wrong.append(f"{request.failure}: {request.url}")

    def _judge(self, url: str, status: int) -> None:
        if status not in (200, 302, 304):
            self.wrong.append(f"{status}: {url}")

    def __enter__(self) -> "Visit":
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()


def pages(site: Path) -> list[str]:
    return sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))


def test_it_opens_from_disk(browser: Browser, site: Path) -> None:
    """Every page, every link: no message in the console, nothing asked but files of the site."""
    with Visit(browser) as visit:
        links: set[str] = set()
        for name in pages(site):
            visit.page.goto((site / name).as_uri())
            links |= set(visit.page.eval_on_selector_all("a[href]", "all => all.map((a) => a.href)"))
        assert visit.wrong == []
        assert all(url.startswith(site.as_uri() + "/") for url in visit.asked)
        assert links == {(site / name).as_uri() for name in pages(site)}


def test_the_server_serves_it(browser: Browser, served: Server, site: Path) -> None:
    """Under /bench, without a key, by the same policy as the playground's; it asks for nothing of another host."""
    with Visit(browser) as visit:
        visit.page.goto(f"{served.url}/bench")
        assert visit.page.url == f"{served.url}/bench/index.html"
        for name in pages(site):
            visit.page.goto(f"{served.url}/bench/{name}")
            assert visit.page.inner_text("h1")
        assert visit.wrong == []
        assert all(url.startswith(served.url + "/bench") for url in visit.asked)
    for path in ("/bench/index.html", "/bench/report.js"):
        headers = served.client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-cache"
    assert served.client.get("/bench/../settings.py").status_code in (401, 404)


def test_a_folder_without_a_report_is_refused(tmp_path: Path) -> None:
    """Before anything is loaded, with what would make one; without the setting there is no /bench."""
    done = run_rerank("serve", "--bench-dir", str(tmp_path))
    assert done.returncode == 2
    assert "has no index.html; write a report there with `rerank-bench report`" in done.stderr


def test_without_the_setting_there_is_no_report(server: Server) -> None:
    """Nothing is served that was not asked for."""
    assert httpx.get(f"{server.url}/bench", trust_env=False).status_code == 404


def column(page: Page, table: str, key: str) -> list[str]:
    """A column's values from top to bottom: exact where there are any, else the text."""
    place = page.evaluate(
        "([table, key]) => [...document.querySelectorAll(`#${table} thead tr:last-child > *`)]"
        ".findIndex((head) => head.dataset.key === key)",
        [table, key],
    )
    cells = f"#{table} tbody tr td:nth-child({place + 1})"
    found: list[str] = page.eval_on_selector_all(
        cells, "all => all.map((at) => at.dataset.value ?? at.innerText.trim())"
    )
    return found


def numbers(values: list[str]) -> list[float]:
    return [float(value) for value in values if value[:1] != "–"]


def test_tables_sort(browser: Browser, site: Path) -> None:
    """By exact value, down and then up, by mouse or keyboard; what is missing stays below; the state is told."""
    with Visit(browser) as visit:
        page = visit.page
        page.goto((site / "index.html").as_uri())
        head = page.locator("#leaderboard th[data-key=p90]")
        assert head.get_attribute("aria-sort") is None
        head.locator("button").click()
        values = column(page, "leaderboard", "p90")
        assert numbers(values) == sorted(numbers(values), reverse=True)
        assert [value[:1] for value in values[-3:]] == ["–"] * 3
        assert head.get_attribute("aria-sort") == "descending"
        head.locator("button").focus()
        page.keyboard.press("Enter")
        values = column(page, "leaderboard", "p90")
        assert numbers(values) == sorted(numbers(values))
        assert [value[:1] for value in values[-3:]] == ["–"] * 3
        assert head.get_attribute("aria-sort") == "ascending"
        page.eval_on_selector_all("#leaderboard td[data-value]", "all => all.forEach((at) => (at.dataset.value *= -1))")
        head.locator("button").click()
        values = column(page, "leaderboard", "p90")
        assert numbers(values) == sorted(numbers(values), reverse=True), "sorted by what is printed"
        page.reload()
        head.locator("button").click()
        page.locator("#leaderboard th[data-key=contestant] button").click()
        names = column(page, "leaderboard", "contestant")
        assert names == sorted(names)
        assert head.get_attribute("aria-sort") is None
        page.locator("#leaderboard th[data-key=rank] button").press("Space")
        assert column(page, "leaderboard", "rank") == ["1.0", "2.0", "3.0", "4.0", "5.0", "6.0"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_it_fits_and_can_be_read(browser: Browser, site: Path, width: int, scheme: str) -> None:
    """Pages do not scroll sideways, wide tables do so in themselves; text stands out by 4.5 to 1 (WCAG AA)."""
    with Visit(browser, viewport={"width": width, "height": 900}, color_scheme=scheme) as visit:
        page = visit.page
        some = ("index.html", "latency.html", "methods.html", "contestants/good.html", "compare/good--poor.html")
        for name in pages(site) if (width, scheme) == (400, "light") else some:
            page.goto((site / name).as_uri())
            wide, shown = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
            assert wide <= shown, name
        page.goto((site / "index.html").as_uri())
        for selector in ("h1", ".lead", "td a", "th button", ".interval", "td sup", ".notes li", "figcaption", "nav a"):
            assert page.locator(selector).first.evaluate(CONTRAST) >= 4.5, selector
        axis = page.locator("figure svg text").first
        ink = axis.evaluate("(at) => getComputedStyle(at).fill")
        brightness = sum(map(int, ink.removeprefix("rgb(").removesuffix(")").split(",")))
        assert (brightness > 3 * 128) == (scheme == "dark")


def test_it_prints(browser: Browser, site: Path) -> None:
    """In black on white whatever the theme, without the navigation."""
    with Visit(browser, color_scheme="dark") as visit:
        visit.page.goto((site / "index.html").as_uri())
        visit.page.emulate_media(media="print")
        assert visit.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert not visit.page.locator("nav").is_visible()
        assert visit.page.locator("#leaderboard").is_visible()


def _report(results: Path, out: Path) -> Any:
    return CliRunner().invoke(main, ["report", "--results", str(results), "--out", str(out)])


def test_names_are_text_and_refusals_are_told(results: Path, tmp_path: Path) -> None:
    """What a server calls itself can run nothing in a reader's browser; no percentile where the generator was late."""
    copy = tmp_path / "results"
    for part in ("accuracy/sample", "latency"):
        shutil.copytree(results / part, copy / part)
    file = copy / "accuracy" / "sample" / "partial.json"
    record = json.loads(file.read_text())
    record["provenance"]["server"]["model_id"] = "<script>window.broken = 1</script>"
    file.write_text(json.dumps(record))
    file = copy / "latency" / "good.json"
    profile = json.loads(file.read_text())
    for point in profile["points"]:
        point["summary"] |= {"refused": "it measured itself", "p50_ms": None, "p90_ms": None}
    file.write_text(json.dumps(profile))
    assert _report(copy, tmp_path / "site").exit_code == 0
    page = (tmp_path / "site" / "contestants" / "partial.html").read_text()
    assert "<script>window" not in page
    assert "&lt;script&gt;window.broken = 1&lt;/script&gt;" in page
    cell = tables(tmp_path / "site" / "index.html")["leaderboard"]["good"]["p50"]
    assert (cell.text, cell.value, cell.reason) == ("–", None, "it measured itself")
    assert "it measured itself" in (tmp_path / "site" / "latency.html").read_text()


@pytest.mark.parametrize(
    ("part", "reason"),
    [("accuracy/toy", "its latency was not measured"), ("latency", "its accuracy was not measured")],
)
def test_any_part_of_the_results_makes_a_site(results: Path, tmp_path: Path, part: str, reason: str) -> None:
    """Accuracy alone, latency alone: the rest is missing, with its reason."""
    shutil.copytree(results / part, tmp_path / "results" / part)
    assert _report(tmp_path / "results", tmp_path / "site").exit_code == 0
    page = (tmp_path / "site" / "index.html").read_text()
    assert reason in page
    assert "there are no arena results" in page
    assert {cell.group for cell in tables(tmp_path / "site" / "index.html")["leaderboard"]["good"].values()} & {
        "0 datasets" if part == "latency" else "1 dataset"
    }


def test_an_older_report_is_replaced_by_the_same_to_the_byte(results: Path, site: Path, tmp_path: Path) -> None:
    """No page of it stays; a report can be committed, and a change in it is one of the figures."""
    out = tmp_path / "site"
    shutil.copytree(site, out)
    (out / "contestants" / "gone.html").write_text("old")
    assert _report(results, out).exit_code == 0
    made = {path.relative_to(out): path.read_bytes() for path in out.rglob("*.*")}
    assert made == {path.relative_to(site): path.read_bytes() for path in site.rglob("*.*")}


def test_a_folder_of_something_else_is_refused(results: Path, tmp_path: Path) -> None:
    """In a sentence, and left as it is."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    refused = _report(results, tmp_path / "other")
    assert refused.exit_code == 1
    assert "contains files that are not a report: give --out another" in refused.stderr
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["thesis.txt"]


def _empty(folder: Path) -> None:
    for part in ("accuracy", "arena", "latency"):
        shutil.rmtree(folder / part)


def _damage(folder: Path) -> None:
    """All that is left of the results is one file, and that is damaged; another damaged file costs no page."""
    _empty(folder)
    (folder / "arena").mkdir()
    (folder / "arena" / "qrels.json").write_text("{}")


def _unfinish(folder: Path) -> None:
    """One run that has not ended, and nothing else."""
    for part in ("arena", "latency", "accuracy/sample"):
        shutil.rmtree(folder / part)
    for record in (folder / "accuracy" / "toy").glob("*.json"):
        record.unlink()


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (shutil.rmtree, "there is no results folder"),
        (_empty, "contains no accuracy, arena"),
        (_damage, "is not a bench record"),
        (_unfinish, "has no .json record"),
    ],
    ids=["no folder", "nothing in it", "a damaged record", "an unfinished run"],
)
def test_what_cannot_be_reported_is_a_sentence(results: Path, tmp_path: Path, spoil: Any, sentence: str) -> None:
    """Naming the file; an older report is left as it is."""
    copy = tmp_path / "results"
    shutil.copytree(results, copy)
    spoil(copy)
    refused = _report(copy, tmp_path / "site")
    assert refused.exit_code == 1
    assert sentence in refused.stderr
    assert "Traceback" not in refused.output
    assert not (tmp_path / "site").exists()
