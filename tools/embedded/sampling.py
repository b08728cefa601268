"""Reproducible samples of a dataset's judged queries, over the whole corpus."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from bench.data.datasets import Dataset

SEED = 20


def sample(dataset: Dataset, most: int | None) -> Dataset:
    """Return the dataset with at most `most` of its judged queries, in their order; all of them if `most` is None."""
    queries = list(dataset.queries)
    if most is None or most >= len(queries):
        return dataset
    drawn = np.random.default_rng(SEED).choice(len(queries), most, replace=False)
    return restricted(dataset, [queries[index] for index in sorted(drawn)])


def restricted(dataset: Dataset, queries: Sequence[str]) -> Dataset:
    """Return the dataset with only these judged queries, in the given order."""
    return dataclasses.replace(
        dataset,
        queries={query: dataset.queries[query] for query in queries},
        qrels={query: dataset.qrels[query] for query in queries},
    )
