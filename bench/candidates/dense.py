"""Dense candidates: the documents whose embeddings have the largest inner product with the query's, exactly.

No index and no approximation: every query meets every document. Vectors are taken as the server gives them, so that
a model made for the inner product is ranked by it (OpenAI's and most others have length 1, where it is the cosine).
Documents without text are never candidates. Products that agree to six decimals count as equal and keep corpus order:
what lies below is the arithmetic's noise, not the model's word.
"""

from collections.abc import Callable, Sequence

import numpy as np

from bench.candidates.embeddings import Vectors
from bench.data.datasets import Dataset

DECIMALS = 6
Embed = Callable[[Sequence[str]], Vectors]
"""Texts to vectors, [texts, dimensions]."""


def rank(dataset: Dataset, depth: int, embed: Embed) -> dict[str, list[str]]:
    """The best `depth` documents of every judged query, best first, without the query's own."""
    ids = [document_id for document_id, text in dataset.documents.items() if text]
    vectors = embed([dataset.documents[i] for i in ids] + list(dataset.queries.values()))
    documents, queries = vectors[: len(ids)], vectors[len(ids) :]
    lists: dict[str, list[str]] = {}
    for query_id, query in zip(dataset.queries, queries, strict=True):
        products = np.round(documents @ query, DECIMALS)
        best = [ids[position] for position in np.argsort(-products, kind="stable")[: depth + 1]]
        lists[query_id] = [i for i in best if i != query_id][:depth]
    return lists
