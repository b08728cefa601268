"""Candidates: the first-stage lists that every contestant reranks, one per judged query, frozen and hashed.

They come from a TREC run file (by default the dataset's own runs/BM25.trec), from embeddings, or from BM25 over the
corpus. The same dataset, source and depth give the same lists and the same hash everywhere; the source names the
libraries' versions, because a new release of the stemmer changes single ranks. As in ArguAna, whose corpus contains the
queries' own texts, a candidate with the query's own id is dropped in every dataset.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import bm25s
import numpy as np
import Stemmer

from bench.candidates.dense import rank
from bench.candidates.embeddings import EmbeddingsModel, embed
from bench.data.beir import numbered_lines
from bench.data.datasets import Dataset
from bench.errors import DataError
from bench.records import CandidatesNote
from bench.wording import counted

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
        return Candidates(f"run {source}", depth, _from_run(file, dataset, depth))
    source = f"BM25 (bm25s {bm25s.__version__}, k1={K1} b={B}, English stop words, PyStemmer {Stemmer.version()})"
    return Candidates(source, depth, _from_bm25(dataset, depth))


def shipped_run(dataset: Dataset) -> Path | None:
    """Return the dataset's own runs/BM25.trec; None if it has none."""
    file = dataset.folder / SHIPPED_RUN
    return file if file.is_file() else None


def _from_run(file: Path, dataset: Dataset, depth: int) -> dict[str, list[str]]:
    """Return the run's best `depth` documents per query, sorted by score as in trec_eval, then by the run's rank."""
    scored: dict[str, dict[str, tuple[float, int, str]]] = {query_id: {} for query_id in dataset.queries}
    for location, line in numbered_lines(file):
        query_id, document_id, rank, score = _run_line(location, line)
        if query_id not in scored or document_id == query_id:
            continue
        if document_id in scored[query_id]:
            raise DataError(f"{location}: the document {document_id!r} appears twice for the query {query_id!r}")
        scored[query_id][document_id] = (-score, rank, location)
    if not any(scored.values()):
        raise DataError(f"{file} contains none of the judged queries of {dataset.name}")
    lists = {query_id: sorted(ranks, key=ranks.__getitem__)[:depth] for query_id, ranks in scored.items()}
    for query_id, ids in lists.items():
        for i in ids:
            if i not in dataset.documents:
                raise DataError(f"{scored[query_id][i][2]}: the document {i!r} is not in the corpus")
    return lists


def _run_line(location: str, line: str) -> tuple[str, str, int, float]:
    columns = line.split()
    if len(columns) != 6:
        form = "query Q0 document rank score tag"
        raise DataError(f"{location}: {counted(len(columns), 'column')}, but a TREC run has six ({form})")
    try:
        return columns[0], columns[2], int(columns[3]), float(columns[4])
    except ValueError as error:
        raise DataError(f"{location}: rank and score must be numbers: {error}") from error


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
        lists[query_id] = [i for i in best if i != query_id][:depth]
    return lists
