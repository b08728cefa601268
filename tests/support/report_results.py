"""A small results folder, made by the commands that a user would type, and pages read back as tables.

Two datasets; contestants that did everything, a part, or latency only; a query that failed; figures of others.
"""

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from click.testing import CliRunner

from bench.cli import main
from tests.support.fake_reranker import FakeReranker, Reply
from tests.support.running import running

WORDS = [
    *("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron"),
    *("inlet", "jetty", "knoll", "lotus", "maple", "niche", "otter", "pearl"),
]
PUBLISHED = "contestant,dataset,figure,value\ngood,,elo,1499\ngood,,win_rate,0.25\ngood,toy,nDCG@10,0.125\n"


def write_toy(folder: Path) -> Path:
    """A BEIR folder of twelve queries, two relevant documents each, of different grades."""
    place = folder / "toy"
    (place / "qrels").mkdir(parents=True)
    of = [(f"d{n}", f"{WORDS[n]} {WORDS[n - 1]} {WORDS[n - 3]} " + "and more " * (n % 4)) for n in range(len(WORDS))]
    documents = [{"_id": key, "title": "", "text": text} for key, text in of]
    queries = [{"_id": f"q{n}", "text": f"{WORDS[n]} or {WORDS[n + 1]}"} for n in range(12)]
    (place / "corpus.jsonl").write_text("".join(json.dumps(each) + "\n" for each in documents))
    (place / "queries.jsonl").write_text("".join(json.dumps(each) + "\n" for each in queries))
    judged = "".join(f"q{n}\td{n + 1}\t2\nq{n}\td{(n + 3) % 16}\t1\n" for n in range(12))
    (place / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + judged)
    return place


def write_results(folder: Path) -> Path:
    """The results folder."""
    results, toy = folder / "results", write_toy(folder)
    with serving() as good, serving() as poor:
        count = itertools.count(3)
        good.inference_ms = poor.inference_ms = lambda: next(count) ** 2 % 97 + 0.25
        poor.score = lambda _, document: float(-len(document) % 7)
        poor.replies = [None, Reply(422, {"message": "broken"})]
        both = ["--data", "sample", "--data", str(toy)]
        one = ["--contestant", f"good=rerank@{good.url}"]
        two = [*one, "--contestant", f"poor=rerank@{poor.url}"]
        here = ["--results", str(results)]
        _type("run", "--contestant", "bm25", "--contestant", "oracle", *two, *both, "--depth", "10", *here, codes=(1,))
        _type("run", "--contestant", f"partial=rerank@{good.url}", "--data", "sample", "--depth", "10", *here)
        met = [flag for name in ("good", "poor", "bm25") for flag in ("--contestant", name)]
        _type("arena", "--data", str(toy), *met, *here)
        good.delay_s = poor.delay_s = 0.01
        times = ["--requests", "20", "--warm-up", "2", *here]
        poor.replies = [*[None] * 8, Reply(500, {"message": "broken"})]
        _type("latency", *two, "--data", "sample", "--documents", "2,5", "--rounds", "2", *times)
        rates = ["--data", "sample", "--documents", "2", "--rate", "50,100", "--profile", "rates"]
        # On a loaded machine an open loop may be too late to count; then the page must say so, and the tests know.
        _type("latency", "--contestant", f"only=rerank@{good.url}", *rates, *times, codes=(0, 1))
    (folder / "others.csv").write_text(PUBLISHED)
    _type("import", *here)
    _type("import", str(folder / "others.csv"), "--source", "a paper", "--date", "2026-01-02", *here)
    return results


@contextmanager
def serving() -> Iterator[FakeReranker]:
    with running(FakeReranker()) as server:
        yield server


def _type(*arguments: str, codes: tuple[int, ...] = (0,)) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code in codes, result.output


@dataclass
class Seen:
    """A cell as a reader finds it."""

    text: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    interval: str = ""
    reason: str = ""
    letter: str = ""
    group: str = ""


VOID = ("meta", "link")
Rows = dict[str, dict[str, Seen]]


class _Reader(HTMLParser):
    """Reads every table of a page: id to row's key to column's key to cell."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[str, Rows] = {}
        self.rows: Rows = {}
        self.columns: list[str] = []
        self.groups: list[str] = []
        self.row: str | None = None
        self.cells: list[Seen] = []
        self.inside: list[str] = []
        self.span = 1

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "table":
            self.rows = self.tables[given["id"]] = {}
            self.columns, self.groups = [], []
        elif tag == "tr":
            self.row, self.cells = given.get("data-key"), []
        elif tag == "th" and "data-key" in given:
            self.columns.append(given["data-key"])
        elif tag in ("th", "td") and "colspan" in given:
            self.groups += [""] * int(given["colspan"])
            self.span = int(given["colspan"])
        elif tag == "td":
            told = ("data-value", "data-low", "data-high")
            value, low, high = (float(given[name]) if name in given else None for name in told)
            self.cells.append(Seen(value=value, low=low, high=high))
        elif tag == "sup" and self.cells:
            self.cells[-1].reason = given.get("title", "")
        if tag not in VOID:
            self.inside.append("interval" if given.get("class") == "interval" else tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "tr" and self.row is not None:
            assert len(self.cells) == len(self.columns)
            groups = self.groups or [""] * len(self.columns)
            for cell, group in zip(self.cells, groups, strict=True):
                cell.group = group
            assert self.row not in self.rows, f"two rows {self.row}"
            self.rows[self.row] = dict(zip(self.columns, self.cells, strict=True))
            self.row, self.cells = None, []
        if self.inside:
            self.inside.pop()

    def handle_data(self, data: str) -> None:
        where = self.inside[-1] if self.inside else ""
        if self.cells:
            part = {"interval": "interval", "sup": "letter"}.get(where, "text")
            setattr(self.cells[-1], part, getattr(self.cells[-1], part) + data.strip())
        elif self.inside[-2:] == ["th", "span"]:
            self.groups[-self.span :] = [data.strip()] * self.span


def tables(page: Path) -> dict[str, Rows]:
    """The tables of a page."""
    reader = _Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    return reader.tables
