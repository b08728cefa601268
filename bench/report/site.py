"""Writes the site: every page from its template, and the style sheet, the script and the icon.

The site is written to a temporary folder beside the final path and then moved, so that no page of an older report
remains and a reader never sees half a site. A folder that contains anything else is refused.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from bench.accuracy.measures import PRIMARY
from bench.errors import BenchError
from bench.file_lock import FileLock
from bench.names import page_name
from bench.report.collect import Collected
from bench.report.pages.contestant import contestant_page
from bench.report.pages.latency import latency_page
from bench.report.pages.leaderboard import leaderboard
from bench.report.pages.methods import methods
from bench.report.pages.pair import pair_pages

STATIC = Path(__file__).parent / "static"
MARK = "report.css"
"""The file that marks a folder as a report of the bench."""
Page = tuple[str, str, str, dict[str, object]]
"""File, template, title, and the template's variables."""


def write_site(collected: Collected, out: Path) -> Path:
    """Write the site and return its first page; BenchError if the folder is not a report or cannot be written."""
    if out.exists() and not (out / MARK).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise BenchError(f"{out} contains files that are not a report: give --out another or an empty folder")
    if_locked = f"another process is writing the report {out}: wait for it to end, or give another --out"
    with FileLock(out, if_locked):
        try:
            _write(collected, out)
        except OSError as error:
            raise BenchError(f"the report cannot be written to {out}: {error.strerror}") from error
    return out / "index.html"


def _write(collected: Collected, out: Path) -> None:
    """Write the site beside the folder and move it into place."""
    beside = out.with_name(out.name + ".partial")
    shutil.rmtree(beside, ignore_errors=True)
    shutil.copytree(STATIC, beside)
    for file, content in _rendered(collected):
        path = beside / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    if out.exists():
        shutil.rmtree(out)
    beside.replace(out)


def _rendered(collected: Collected) -> Iterator[tuple[str, str]]:
    environment = Environment(
        loader=PackageLoader("bench.report"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["primary"] = PRIMARY
    environment.globals["page_name"] = page_name
    for file, template, title, given in _pages(collected):
        root = "../" * file.count("/")
        yield file, environment.get_template(template).render(given, title=title, root=root, file=file)


def _pages(collected: Collected) -> Iterator[Page]:
    colours = {name: number for number, name in enumerate(collected.contestants)}
    yield "index.html", "leaderboard.html", "Leaderboard", {"page": leaderboard(collected, colours)}
    for name in collected.contestants:
        yield (
            f"contestants/{page_name(name)}.html",
            "contestant.html",
            name,
            {"page": contestant_page(collected, name, colours)},
        )
    pairs = pair_pages(collected)
    yield "compare/index.html", "compare.html", "Compare", {"pairs": pairs, "contestants": collected.contestants}
    for pair in pairs:
        yield f"compare/{pair.file}", "pair.html", f"{pair.a} and {pair.b}", {"page": pair}
    yield "latency.html", "latency.html", "Latency", {"page": latency_page(collected, colours)}
    yield "methods.html", "methods.html", "Methods and provenance", {"page": methods(collected)}
