"""Selection: the judged queries that a run is about, all of a split's or a seeded draw from them.

The whole dataset goes along, because it is what the figures of a draw stand on too: its documents, its hash, and the
grade from which a document is relevant, which a draw may by chance not hold.
"""

import random
from dataclasses import dataclass

from bench.data.datasets import Dataset, Qrels


@dataclass(frozen=True)
class Selection:
    """Judged queries of one dataset, in the dataset's order."""

    dataset: Dataset
    query_ids: tuple[str, ...]

    @property
    def qrels(self) -> Qrels:
        """The judgements of these queries."""
        return {query_id: self.dataset.qrels[query_id] for query_id in self.query_ids}

    @property
    def relevance_level(self) -> int:
        """The grade from which a document is relevant in binary measures: the whole split's."""
        return self.dataset.relevance_level


def select(dataset: Dataset, limit: int | None = None, seed: int = 0) -> Selection:
    """At most `limit` of the judged queries: all of them, or a draw by `seed`."""
    query_ids = tuple(dataset.queries)
    if limit is not None and limit < len(query_ids):
        drawn = set(random.Random(seed).sample(query_ids, limit))  # a sample, not a secret
        query_ids = tuple(query_id for query_id in query_ids if query_id in drawn)
    return Selection(dataset, query_ids)
