"""Real datasets with the BM25 candidates that most figures over them start from."""

from bench.candidates.candidates import Candidates
from bench.data import catalogue
from bench.data.datasets import Dataset

BM25 = tuple[Dataset, Candidates]
"""A dataset and BM25's first 100 of every query."""
MEASURED = [known for known in catalogue.KNOWN if known.bm25_ndcg10]
"""The datasets whose BM25 figure is known."""
