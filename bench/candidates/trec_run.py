"""TREC run files: `query Q0 document rank score tag`, read as trec_eval reads them.

The score decides and the rank only breaks ties. Whatever cannot be ranked (a score that is not a number, a document
that appears twice) is a DataError with file and line.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from bench.data.datasets import Dataset
from bench.data.lines import numbered_lines
from bench.errors import DataError
from bench.wording import counted


@dataclass(frozen=True)
class Entry:
    """One document of one query in a run file."""

    score: float
    rank: float
    location: str

    @property
    def order(self) -> tuple[float, float]:
        """The sort key: highest score first, equal scores by rank."""
        return -self.score, self.rank


Run = dict[str, dict[str, Entry]]
"""Judged query id to document id to entry, in the order of the file; a query without a line has no documents."""


def read(file: Path, dataset: Dataset) -> Run:
    """Read the lines of the judged queries; DataError if the file is damaged or has none of these queries."""
    run: Run = {query_id: {} for query_id in dataset.queries}
    for location, line in numbered_lines(file):
        query_id, document_id, entry = _entry(location, line)
        if query_id not in run or not dataset.may_be_candidate(query_id, document_id):
            continue
        if document_id in run[query_id]:
            raise DataError(f"{location}: the document {document_id!r} appears twice for the query {query_id!r}")
        run[query_id][document_id] = entry
    if not any(run.values()):
        raise DataError(f"{file} contains none of the judged queries of {dataset.name}")
    return run


def best(run: Run, dataset: Dataset, depth: int) -> dict[str, list[str]]:
    """Return the best `depth` documents of every query; DataError if one of them is not in the corpus."""
    lists = {
        query_id: sorted(entries, key=lambda document_id: entries[document_id].order)[:depth]
        for query_id, entries in run.items()
    }
    for query_id, document_ids in lists.items():
        for document_id in document_ids:
            if document_id not in dataset.documents:
                location = run[query_id][document_id].location
                raise DataError(f"{location}: the document {document_id!r} is not in the corpus")
    return lists


def contradictions(run: Run) -> int:
    """Return the number of queries in which a document has a better rank but a lower score than another."""
    return sum(
        any(better.rank > worse.rank for better, worse in pairwise(sorted(entries.values(), key=lambda e: e.order)))
        for entries in run.values()
    )


def _entry(location: str, line: str) -> tuple[str, str, Entry]:
    columns = line.split()
    if len(columns) != 6:
        form = "query Q0 document rank score tag"
        raise DataError(f"{location}: {counted(len(columns), 'column')}, but a TREC run has six ({form})")
    try:
        rank, score = float(columns[3]), float(columns[4])
    except ValueError as error:
        raise DataError(f"{location}: rank and score must be numbers: {error}") from error
    if math.isnan(rank) or math.isnan(score):
        raise DataError(f"{location}: rank {columns[3]} and score {columns[4]} must be numbers: NaN cannot be ranked")
    return columns[0], columns[2], Entry(score, rank, location)
