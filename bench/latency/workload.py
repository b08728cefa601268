"""The workload: real requests of the judged queries, with the requested number and length of documents.

A request has the query's own first-stage candidates first and further passages of the corpus after them, so that all
requests have the same number of documents. No text occurs twice in a request, whatever its ids, and no passage is sent
twice with a query: a server need not compute the same pair again, and would seem faster than it is (decision 0018).
Lengths are in characters, because the bench has no tokenizer. The same dataset, candidates, number and length give the
same requests everywhere; their hash is recorded.
"""

import hashlib
import itertools
import re
from collections.abc import Iterable, Sequence
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
        if bounds[2] and int(bounds[1]) > int(bounds[2]):
            raise BenchError(f"invalid --length {name!r}: the first bound is above the second")
        return Lengths(name, max(1, int(bounds[1])), int(bounds[2]) if bounds[2] else max(sizes))
    if name not in QUARTERS:
        raise BenchError(
            f"invalid --length {name!r}: give any, short (the shortest quarter of the dataset's documents), "
            f"long (its longest quarter), or bounds in characters such as 200-400 or 2000-"
        )
    low, high = np.quantile(sizes, QUARTERS[name], method="nearest")
    return Lengths(name, int(low), int(high))


def workload(
    dataset: Dataset, candidates: Candidates, documents: int, allowed: Lengths, count: int = 0
) -> list[Request]:
    """Make one request per judged query, or more up to about `count`, without repeating a pair of query and passage.

    A query's first request has its first `documents` candidates, then passages of the corpus, which are taken in order,
    continuing from query to query and starting again at its end. Its further requests have what comes next. There are
    fewer than `count` if every query has been paired with the whole corpus. Only texts of the allowed length are used.

    Raises:
        DataError: there is no query, or fewer distinct documents of the allowed length than a request needs.
    """
    if not dataset.queries:
        raise DataError(f"{dataset.name} has no judged query to send")
    passages = distinct_passages(dataset, allowed)
    _check_enough(dataset, passages, documents, allowed)
    filling = itertools.cycle(passages)
    sent: dict[str, set[str]] = {query: set() for query in dataset.queries.values()}
    own = {
        query_id: [text for i in candidates.lists[query_id] if (text := dataset.documents[i]) and text in allowed]
        for query_id in dataset.queries
    }
    requests: list[Request] = []
    while True:
        before = len(requests)
        for query_id, query in dataset.queries.items():
            if len(passages) - len(sent[query]) >= documents:
                chosen = _unsent(own[query_id], sent[query], documents)
                filled = _unsent(filling, sent[query], documents - len(chosen))
                requests.append(Request(query_id, query, chosen + filled, len(filled)))
        if len(requests) == before or len(requests) >= count:
            return requests


def distinct_passages(dataset: Dataset, allowed: Lengths) -> list[str]:
    """Return the dataset's texts of the allowed length without empty and repeated ones, in their order."""
    return list(dict.fromkeys(text for text in dataset.documents.values() if text and text in allowed))


def _unsent(texts: Iterable[str], sent: set[str], count: int) -> list[str]:
    """Take up to `count` distinct texts that are not in `sent`, and add them to it."""
    taken: list[str] = []
    if count:
        for text in texts:
            if text not in sent:
                sent.add(text)
                taken.append(text)
                if len(taken) == count:
                    break
    return taken


def _check_enough(dataset: Dataset, passages: Sequence[str], documents: int, allowed: Lengths) -> None:
    """Raise DataError if a request of `documents` distinct passages cannot be made."""
    length = f" of {allowed.low} to {allowed.high} characters"
    if not passages and allowed.low > allowed.high:
        raise DataError(
            f"{dataset.name} has no document of {allowed.low} characters or more: its longest has {allowed.high}"
        )
    if not passages:
        raise DataError(f"{dataset.name} has no document{length}")
    if documents > len(passages):
        of_length, widen = ("", "") if allowed.name == "any" else (length, ", allow other lengths")
        raise DataError(
            f"a request of {documents} documents would repeat some, which a server need not compute again: the number "
            f"of distinct documents{of_length} in {dataset.name} is {len(passages)}; lower --documents to "
            f"{len(passages)}{widen}, or give a larger dataset"
        )


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
