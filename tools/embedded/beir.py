"""Datasets in BEIR layout, read for calibration and evaluation: corpus.jsonl, queries.jsonl, qrels/<split>.tsv.

Reads only what the two need and trusts the files; the bench has the reader that checks everything. A document is its
title and its text, as BEIR joins them. First-stage candidates are the dataset's own runs/BM25.trec or else BM25 by
bm25s with Anserini's constants, English stop words and stemming; a candidate with the query's own id is dropped.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
import Stemmer

K1, B = 0.9, 0.4


@dataclass(frozen=True)
class Dataset:
    """One split's judged queries, over the whole corpus."""

    folder: Path
    documents: dict[str, str]
    queries: dict[str, str]
    qrels: dict[str, dict[str, int]]

    @classmethod
    def read(cls, folder: Path, split: str) -> "Dataset":
        """Read a folder; judged queries that have no text are left out."""
        texts = {row["_id"]: row["text"] for row in _rows(folder / "queries.jsonl")}
        qrels: dict[str, dict[str, int]] = {}
        for line in (folder / "qrels" / f"{split}.tsv").read_text(encoding="utf-8").splitlines():
            query, *_, document, grade = line.split("\t")
            if query != "query-id" and query in texts:
                qrels.setdefault(query, {})[document] = int(grade)
        documents = {
            row["_id"]: f"{row.get('title') or ''} {row['text']}".strip() for row in _rows(folder / "corpus.jsonl")
        }
        return cls(folder, documents, {query: texts[query] for query in qrels}, qrels)

    def candidates(self, depth: int, queries: list[str]) -> dict[str, list[str]]:
        """First-stage lists, best first: of runs/BM25.trec if it is there, else of BM25."""
        shipped = self.folder / "runs" / "BM25.trec"
        lists = _of_run(shipped, queries) if shipped.is_file() else self._by_bm25(depth, queries)
        return {query: [i for i in lists[query] if i != query][:depth] for query in queries}

    def _by_bm25(self, depth: int, queries: list[str]) -> dict[str, list[str]]:
        ids = list(self.documents)
        texts = [*self.documents.values(), *(self.queries[query] for query in queries)]
        stemmer = Stemmer.Stemmer("english")
        tokens = bm25s.tokenize(texts, stopwords="en", stemmer=stemmer, return_ids=False, show_progress=False)
        index = bm25s.BM25(k1=K1, b=B)
        index.index(tokens[: len(ids)], show_progress=False)
        lists = {}
        for query, terms in zip(queries, tokens[len(ids) :], strict=True):
            scores = index.get_scores(terms) if terms else np.zeros(len(ids))
            best = np.argsort(-scores, kind="stable")[: depth + 1]
            lists[query] = [ids[i] for i in best if scores[i] > 0]
        return lists


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _of_run(path: Path, queries: list[str]) -> dict[str, list[str]]:
    ranked: dict[str, list[tuple[int, str]]] = {query: [] for query in queries}
    for line in path.read_text(encoding="utf-8").splitlines():
        query, _, document, rank, *_ = line.split()
        if query in ranked:
            ranked[query].append((int(rank), document))
    return {query: [document for _, document in sorted(found)] for query, found in ranked.items()}
