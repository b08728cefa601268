"""Draw the README's charts as SVG from the samples and records in `results/`.

The charts have their own background, light or dark according to the reader's system, so they are readable on any page.
All figures are computed from the committed measurements, and drawing again gives the same bytes.
"""

import json
import statistics
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

WIDTH = 760
LEFT = 262
"""Pixels from the left edge to the axis; the right-aligned names are left of it."""
ROW = 30
TOP = 74
STYLE = """
text { font: 14px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
.title { font-size: 17px; font-weight: 600 }
.note { font-size: 12px; fill: #59636e }
.page { fill: #ffffff }
.ours { fill: #0969da }
.others { fill: #8c959f }
.line { stroke: #8c959f; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .note { fill: #9198a1 }
  .page { fill: #0d1117 }
  .ours { fill: #4493f8 }
  .others { fill: #656c76 }
  .line { stroke: #656c76 }
}
"""
DATASETS = {
    "pg-titles": "PG essays, by title",
    "business-reports": "business reports",
    "agentset-dbpedia": "DBPedia (5,000 documents)",
    "msmarco-dl19": "MS MARCO, TREC DL 2019",
    "scifact": "SciFact",
    "nfcorpus": "NFCorpus",
    "fiqa": "FiQA",
    "arguana": "ArguAna",
}


class Rate(NamedTuple):
    """The result of one server in the throughput comparison."""

    server: str
    documents_per_s: float
    p50_ms: float


class Accuracy(NamedTuple):
    """nDCG@10 of BM25 and after reranking on one dataset."""

    dataset: str
    bm25: float
    reranked: float
    queries: int


def rates(results: Path, clients: int = 1) -> list[Rate]:
    """Compute each server's rate with this number of clients: medians over the rounds, the fastest server first."""
    record = json.loads((results / "engine" / "rivals-minilm.json").read_text())
    columns, ending = record["columns"], f", {clients} clients"
    found = []
    for name, rounds in record["found"].items():
        if name.endswith(ending):
            samples = [[dict(zip(columns, row, strict=True)) for row in rows] for rows in rounds.values()]
            rate = statistics.median(map(_documents_per_s, samples))
            found.append(Rate(name.removesuffix(ending), rate, statistics.median(map(_p50_ms, samples))))
    return sorted(found, key=lambda one: -one.documents_per_s)


def accuracies(results: Path) -> list[Accuracy]:
    """Read nDCG@10 of BM25 and of the embedded model reranking its top 50, in the order of `DATASETS`."""
    found = []
    for name, title in DATASETS.items():
        record = json.loads((results / "embedded" / "depth-50" / "accuracy" / name / "embedded.json").read_text())
        before, after = (record[stage]["nDCG@10"]["value"] for stage in ("first_stage", "measures"))
        found.append(Accuracy(title, before, after, record["queries"]))
    return found


def throughput(results: Path) -> str:
    """Draw documents per second of this server and others."""
    found = rates(results)
    scale = (WIDTH - LEFT - 70) / max(rate.documents_per_s for rate in found)
    rows = []
    for number, rate in enumerate(found):
        y, width = TOP + number * ROW, rate.documents_per_s * scale
        kind = "ours" if rate.server.startswith("this server") else "others"
        rows += [
            _text(LEFT - 10, y + 14, rate.server, anchor="end"),
            f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{width:.1f}" height="20" rx="2"/>',
            _text(LEFT + width + 8, y + 14, f"{rate.documents_per_s:.0f}"),
        ]
    notes = (
        "Documents per second on two CPU cores, one client, 50 MS MARCO passages a request",
        "The same random weights in MiniLM-L6's shape for all, in turn in one run: make rivals",
    )
    return _svg("Throughput beside other servers", notes, rows, len(found))


def accuracy(results: Path) -> str:
    """Draw nDCG@10 before and after reranking with the embedded model."""
    rows = []
    found = accuracies(results)
    for number, one in enumerate(found):
        y = TOP + number * ROW + 10
        before, after = (LEFT + value * (WIDTH - LEFT - 60) for value in (one.bm25, one.reranked))
        rows += [
            _text(LEFT - 10, y + 4, one.dataset, anchor="end"),
            f'<line class="line" x1="{before:.1f}" y1="{y}" x2="{after:.1f}" y2="{y}"/>',
            f'<circle class="others" cx="{before:.1f}" cy="{y}" r="6"/>',
            f'<circle class="ours" cx="{after:.1f}" cy="{y}" r="6"/>',
            _text(before - 11, y + 4, _short(one.bm25), anchor="end"),
            _text(after + 11, y + 4, _short(one.reranked)),
        ]
    notes = (
        "nDCG@10 of BM25 (grey) and of the small model that ships here, reranking BM25's top 50 (blue)",
        f"Over HTTP, {len(found)} datasets, {sum(one.queries for one in found):,} queries: rerank-bench run",
    )
    return _svg("Ranking quality before and after", notes, rows, len(found))


def _documents_per_s(samples: Sequence[dict[str, Any]]) -> float:
    seconds = max(one["done_s"] for one in samples) - min(one["planned_s"] for one in samples)
    return float(sum(one["documents"] for one in samples if one["status"] == 200) / seconds)


def _p50_ms(samples: Sequence[dict[str, Any]]) -> float:
    return 1000 * float(statistics.median(one["done_s"] - one["planned_s"] for one in samples if one["status"] == 200))


def _short(share: float) -> str:
    return f"{share:.3f}".removeprefix("0")


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    """Return an SVG text element at a point."""
    kind = f' class="{kind}"' if kind else ""
    return f'<text{kind} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(title: str, notes: Iterable[str], rows: Sequence[str], count: int) -> str:
    height = TOP + count * ROW + 10
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        f' role="img" aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}" rx="8"/>',
        _text(20, 28, title, "title"),
        *(_text(20, 47 + 16 * number, note, "note") for number, note in enumerate(notes)),
    ]
    return "\n".join([*head, *rows, "</svg>", ""])
