"""Results folders as `rerank-bench run` leaves them, written from rankings, and the dataset that they are of."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.accuracy.stage import accuracy_folder
from bench.arena.entrants import Entrants, read_entrants
from bench.data import datasets

SHA = "c" * 64


def write_dataset(folder: Path, queries: int = 6, documents: int = 12, name: str = "toy") -> Path:
    """A BEIR folder whose query qN has dN as its one relevant document."""
    place = folder / name
    (place / "qrels").mkdir(parents=True)
    texts = [{"_id": f"d{n}", "title": "", "text": f"document {n} " + "word " * n} for n in range(documents)]
    (place / "corpus.jsonl").write_text("".join(json.dumps(each) + "\n" for each in texts))
    asked = [{"_id": f"q{n}", "text": f"query {n}"} for n in range(queries)]
    (place / "queries.jsonl").write_text("".join(json.dumps(each) + "\n" for each in asked))
    judged = "".join(f"q{n}\td{n}\t1\n" for n in range(queries))
    (place / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + judged)
    return place


def write_run(
    results: Path,
    dataset: Path,
    contestant: str,
    rankings: Mapping[str, Sequence[str] | None],
    candidates: str = SHA,
    dataset_sha256: str | None = None,
    split: str = "test",
) -> Path:
    """One contestant's raw rankings; None is a failure."""
    loaded = datasets.load(dataset, split)
    note = json.loads(json.dumps({f: getattr(loaded.note(), f) for f in loaded.note().__struct_fields__}))
    note["sha256"] = dataset_sha256 or note["sha256"]
    provenance: dict[str, object] = {
        "created_utc": "2026-01-01T00:00:00+00:00", "commit": None, "command": [], "settings": {}, "client_cpu": "",
        "client_cores": 1, "client_system": "", "versions": {}, "url": "", "server": None,
    }  # fmt: skip
    header = {
        "line": "header",
        "provenance": provenance,
        "contestant": {"name": contestant, "dialect": "rerank", "model": None, "url": None},
        "dataset": note,
        "candidates": {"source": "test", "depth": 10, "sha256": candidates, "queries_without_candidates": 0},
        "format": 1,
    }
    lines: list[dict[str, object]] = [header]
    for query_id, ids in rankings.items():
        sample = {"query_id": query_id, "documents": 3, "planned_s": 0, "sent_s": 0, "done_s": 1}
        if ids is None:
            lines.append({"line": "failure", "query_id": query_id, "sample": sample | {"error": "status 500: broken"}})
        else:
            scores = [-float(rank) for rank in range(len(ids))]
            lines.append(
                {"line": "ranking", "query_id": query_id, "document_ids": ids, "scores": scores, "sample": sample}
            )
    file = accuracy_folder(results, loaded) / f"{contestant}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def good(number: int) -> list[str]:
    """The relevant document of query `number` first."""
    return [f"d{number}", *(f"d{n}" for n in range(12) if n != number)]


def bad(number: int) -> list[str]:
    """The relevant document last, beyond the tenth place."""
    return [*(f"d{n}" for n in range(12) if n != number), f"d{number}"]


def load_from(root: Path) -> dict[str, Entrants]:
    """The entrants of `root/results` over the datasets beside it."""
    return read_entrants(root / "results", lambda note: datasets.load(root / note.name, note.split))
