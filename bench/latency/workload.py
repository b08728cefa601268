"""The workload: one real request per judged query, with the requested number and length of documents.

A request has the query's own first-stage candidates first and further passages of the corpus after them, so that all
requests have the same number of documents. Lengths are in characters, because the bench has no tokenizer. The same
dataset, candidates, number and length give the same requests everywhere; their hash is recorded.
"""

import hashlib
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.candidates.candidates import Candidates
from bench.data.datasets import Dataset
from bench.errors import BenchError, DataError

QUARTERS = {"any": (0.0, 1.0), "short": (0.0, 0.25), "long": (0.75, 1.0)}
"""Length classes as quantiles of the dataset's own document lengths, because lengths differ between datasets."""
BOUNDS = re.compile(r"(\d+)-(\d*)")


@dataclass(frozen=True)
class Request:
    """One request of the workload."""

    query_id: str
    query: str
    documents: list[str]
    filled: int = 0
    """Number of documents taken from the corpus for lack of candidates."""


@dataclass(frozen=True)
class Lengths:
    """The allowed document lengths, from `low` to `high` characters."""

    name: str
    """As given by the user: `any`, `short`, `long`, or bounds such as `200-400` or `2000-`."""
    low: int
    high: int

    def __contains__(self, text: str) -> bool:
        """Tell whether the text has an allowed length."""
        return self.low <= len(text) <= self.high


def lengths(name: str, dataset: Dataset) -> Lengths:
    """Return the bounds of a length class in this dataset; BenchError for an invalid name."""
    bounds = BOUNDS.fullmatch(name)
    sizes = [len(text) for text in dataset.documents.values() if text] or [0]
    if bounds:
        return Lengths(name, max(1, int(bounds[1])), int(bounds[2]) if bounds[2] else max(sizes))
    if name not in QUARTERS:
        raise BenchError(
            f"invalid --length {name!r}: give any, short (the shortest quarter of the dataset's documents), "
            f"long (its longest quarter), or bounds in characters such as 200-400 or 2000-"
        )
    low, high = np.quantile(sizes, QUARTERS[name], method="nearest")
    return Lengths(name, int(low), int(high))


def workload(dataset: Dataset, candidates: Candidates, documents: int, allowed: Lengths) -> list[Request]:
    """Make one request per judged query: its first `documents` candidates, then passages from the corpus if needed.

    Only texts of the allowed length are used. Passages are taken from the corpus in order, continuing from query to
    query and starting again at its end, so that a corpus smaller than a request suffices.
    """
    texts = [text for text in dataset.documents.values() if text and text in allowed]
    if not dataset.queries:
        raise DataError(f"{dataset.name} has no judged query to send")
    if not texts:
        raise DataError(f"{dataset.name} has no document of {allowed.low} to {allowed.high} characters")
    filling = itertools.cycle(texts)
    requests = []
    for query_id, query in dataset.queries.items():
        texts_of_query = (dataset.documents[i] for i in candidates.lists[query_id])
        own = list(itertools.islice((text for text in texts_of_query if text in allowed), documents))
        missing = documents - len(own)
        requests.append(Request(query_id, query, own + list(itertools.islice(filling, missing)), missing))
    return requests


def sha256(requests: Sequence[Request]) -> str:
    """Hash the requests' texts in their order, each prefixed with its length."""
    digest = hashlib.sha256()
    for request in requests:
        for text in (request.query, *request.documents):
            encoded = text.encode()
            digest.update(b"%d:" % len(encoded))
            digest.update(encoded)
        digest.update(b"\n")
    return digest.hexdigest()
