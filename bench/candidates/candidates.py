"""Candidates: the first-stage lists that every contestant reranks, one per judged query, frozen and hashed.

They come from a TREC run file (by default the dataset's own runs/BM25.trec), from embeddings, or from BM25 over the
corpus. The same dataset, source and depth give the same lists and the same hash everywhere; the source names the
libraries' versions, because a new release of the stemmer changes single ranks. As in ArguAna, whose corpus contains the
queries' own texts, a candidate with the query's own id is dropped in every dataset, unless it is judged relevant.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import bm25s
import numpy as np
import Stemmer

from bench.candidates import trec_run
from bench.candidates.dense import rank
from bench.candidates.embeddings import EmbeddingsModel, embed
from bench.data.datasets import Dataset
from bench.data.files import what_lies_at
from bench.records import CandidatesNote

SHIPPED_RUN = Path("runs") / "BM25.trec"
K1, B = 0.9, 0.4
"""Anserini's defaults, which BEIR's published BM25 rows use (Thakur et al., 2021)."""


@dataclass(frozen=True)
class Candidates:
    """The candidate document ids of every judged query, best first."""

    source: str
    depth: int
    lists: dict[str, list[str]]

    @property
    def sha256(self) -> str:
        """Hash of the frozen lists: `query <tab> document <newline>` in order, queries sorted by id."""
        lines = (f"{query_id}\t{i}\n" for query_id in sorted(self.lists) for i in self.lists[query_id])
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def note(self) -> CandidatesNote:
        """The description of these candidates in a record."""
        without = sum(not documents for documents in self.lists.values())
        return CandidatesNote(self.source, self.depth, self.sha256, without)


@dataclass(frozen=True)
class Dense:
    """The source of dense candidates: an embeddings model and the cache of its vectors."""

    model: EmbeddingsModel
    cache: Path
    """The SQLite file that stores the vectors."""


def freeze(dataset: Dataset, depth: int, run_file: Path | None = None, dense: Dense | None = None) -> Candidates:
    """Return the top `depth` candidates from `dense` or `run_file` if given, else from runs/BM25.trec or BM25."""
    if dense:
        lists = rank(dataset, depth, lambda texts: embed(dense.model, texts, dense.cache))
        return Candidates(f"dense {dense.model.model} (exact inner product)", depth, lists)
    file = run_file or shipped_run(dataset)
    if file:
        source = str(SHIPPED_RUN) if file == shipped_run(dataset) else file.name
        return Candidates(f"run {source}", depth, trec_run.best(trec_run.read(file, dataset), dataset, depth))
    source = f"BM25 (bm25s {bm25s.__version__}, k1={K1} b={B}, English stop words, PyStemmer {Stemmer.version()})"
    return Candidates(source, depth, _from_bm25(dataset, depth))


def shipped_run(dataset: Dataset) -> Path | None:
    """Return the dataset's own runs/BM25.trec; None if it has none."""
    file = dataset.folder / SHIPPED_RUN
    return file if file.is_file() else None


def check_shipped_run(dataset: Dataset, depth: int) -> str | None:
    """Return a remark about the dataset's own run file, if there is one to make; DataError if the file is damaged."""
    file = shipped_run(dataset)
    if file is None:
        expected = dataset.folder / SHIPPED_RUN
        return what_lies_at([expected], expected).removeprefix("; ") or None
    run = trec_run.read(file, dataset)
    trec_run.best(run, dataset, depth)
    count = trec_run.contradictions(run)
    remark = f"in {SHIPPED_RUN} the ranks contradict the scores of {count} of {len(run)} queries: the scores decide"
    return remark if count else None


def _from_bm25(dataset: Dataset, depth: int) -> dict[str, list[str]]:
    """Rank by Lucene's BM25 as bm25s computes it: only documents that share a term, equal scores in corpus order."""
    ids = list(dataset.documents)
    stemmer = Stemmer.Stemmer("english")
    index = bm25s.BM25(k1=K1, b=B)
    texts = [*dataset.documents.values(), *dataset.queries.values()]
    tokens = bm25s.tokenize(texts, stopwords="en", stemmer=stemmer, return_ids=False, show_progress=False)
    index.index(tokens[: len(ids)], show_progress=False)
    lists: dict[str, list[str]] = {}
    for query_id, terms in zip(dataset.queries, tokens[len(ids) :], strict=True):
        # All scores, sorted stably: the library's own top-k returns equal scores in no fixed order.
        scores = index.get_scores(terms) if terms else np.zeros(len(ids))
        best = [ids[i] for i in np.argsort(-scores, kind="stable")[: depth + 1] if scores[i] > 0]
        lists[query_id] = [i for i in best if dataset.may_be_candidate(query_id, i)][:depth]
    return lists
