"""Figures of a report's results folder, recomputed from the raw files by other means than the bench's."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.support.report_results import Rows, Seen

NAMES = ("good", "poor", "bm25", "oracle")
SETS = ("sample", "toy")
SAMPLE_QRELS = Path(__file__).parents[2] / "bench" / "sample" / "qrels" / "test.tsv"


def qrels(results: Path, dataset: str) -> dict[str, dict[str, int]]:
    file = SAMPLE_QRELS if dataset == "sample" else results.parent / "toy" / "qrels" / "test.tsv"
    found: dict[str, dict[str, int]] = {}
    for line in file.read_text().splitlines()[1:]:
        query, document, grade = line.split("\t")
        found.setdefault(query, {})[document] = int(grade)
    return found


def rankings(results: Path, dataset: str, name: str) -> dict[str, list[str]]:
    lines = (results / "accuracy" / dataset / f"{name}.jsonl").read_text().splitlines()
    read = [json.loads(line) for line in lines]
    return {line["query_id"]: line["document_ids"] for line in read if line["line"] == "ranking"}


def ndcg(ranking: list[str], grades: dict[str, int], cut: int = 10) -> float:
    def gain(ordered: list[int]) -> float:
        return sum(grade / math.log2(place + 2) for place, grade in enumerate(ordered[:cut]))

    best = gain(sorted(grades.values(), reverse=True))
    return gain([grades.get(document, 0) for document in ranking]) / best


def recall(ranking: list[str], grades: dict[str, int], cut: int = 10) -> float:
    relevant = {document for document, grade in grades.items() if grade > 0}
    return len(relevant & set(ranking[:cut])) / len(relevant)


def ndcgs(results: Path, dataset: str, name: str) -> dict[str, float]:
    there = rankings(results, dataset, name)
    return {query: ndcg(there.get(query, []), grades) for query, grades in qrels(results, dataset).items()}


def points_of(results: Path, profile: str) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Every point with its measured rows."""
    table = pq.read_table(results / "latency" / f"{profile}.parquet")
    note = json.loads(table.schema.metadata[b"rerank-bench.latency"])
    rows = table.to_pylist()
    for place, plan in enumerate(note["plans"]):
        yield plan["point"], [row for row in rows if row["point"] == place and not row["warm_up"]]


def by_point(rows: Rows) -> dict[tuple[str, float | None, str], dict[str, Seen]]:
    return {(row["profile"].text, row["documents"].value, row["load"].text): row for row in rows.values()}
