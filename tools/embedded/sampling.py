"""Samples of a dataset's judged queries, over the whole corpus: the same ones every time."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from bench.data.datasets import Dataset

SEED = 20


def sample(dataset: Dataset, most: int | None) -> Dataset:
    """The dataset with at most so many of its judged queries, in their order; with all of them where `most` is None."""
    queries = list(dataset.queries)
    if most is None or most >= len(queries):
        return dataset
    drawn = np.random.default_rng(SEED).choice(len(queries), most, replace=False)
    return restricted(dataset, [queries[index] for index in sorted(drawn)])


def restricted(dataset: Dataset, queries: Sequence[str]) -> Dataset:
    """The dataset with these of its judged queries, in the order given."""
    return dataclasses.replace(
        dataset,
        queries={query: dataset.queries[query] for query in queries},
        qrels={query: dataset.qrels[query] for query in queries},
    )
