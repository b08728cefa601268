"""Selection: the judged queries of a run, all of a split's or a seeded sample of them.

It keeps the whole dataset, because the figures of a sample depend on it too: its documents, its hash, and the relevance
level, which follows from the highest grade of the whole split.
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
        """The lowest grade that counts as relevant in binary measures, by the whole split."""
        return self.dataset.relevance_level


def select(dataset: Dataset, limit: int | None = None, seed: int = 0) -> Selection:
    """Select all judged queries, or a sample of at most `limit` drawn with `seed`."""
    query_ids = tuple(dataset.queries)
    if limit is not None and limit < len(query_ids):
        drawn = set(random.Random(seed).sample(query_ids, limit))  # a sample, not a secret
        query_ids = tuple(query_id for query_id in query_ids if query_id in drawn)
    return Selection(dataset, query_ids)
