"""Real datasets with the BM25 candidates that most figures over them start from."""

from collections.abc import Callable
from pathlib import Path

from bench.candidates.candidates import Candidates, freeze
from bench.data import datasets
from bench.data.datasets import Dataset

BM25 = Callable[[str], tuple[Dataset, Candidates]]
"""A dataset of that name and its candidates."""


def bm25_top_100(name: str, data_dir: Path) -> tuple[Dataset, Candidates]:
    """The dataset and BM25's first 100 of every query."""
    dataset = datasets.load(datasets.find(name, data_dir))
    return dataset, freeze(dataset, 100)
