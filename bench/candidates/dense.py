"""Dense candidates: the documents whose embeddings have the largest inner product with the query's (exact search).

There is no index and no approximation: every query is compared with every document. Vectors are used as the server
returns them; those of OpenAI and most others have length 1, so that the inner product is the cosine. Documents without
text are never candidates. Products that agree to six decimals count as equal and keep corpus order, because smaller
differences are rounding errors.
"""

from collections.abc import Callable, Sequence

import numpy as np

from bench.candidates.embeddings import Vectors
from bench.data.datasets import Dataset

DECIMALS = 6
Embed = Callable[[Sequence[str]], Vectors]
"""Texts to vectors, [texts, dimensions]."""


def rank(dataset: Dataset, depth: int, embed: Embed) -> dict[str, list[str]]:
    """Return the best `depth` documents of every judged query, best first, without the query's own document."""
    ids = [document_id for document_id, text in dataset.documents.items() if text]
    vectors = embed([dataset.documents[i] for i in ids] + list(dataset.queries.values()))
    documents, queries = vectors[: len(ids)], vectors[len(ids) :]
    lists: dict[str, list[str]] = {}
    for query_id, query in zip(dataset.queries, queries, strict=True):
        products = np.round(documents @ query, DECIMALS)
        best = [ids[position] for position in np.argsort(-products, kind="stable")[: depth + 1]]
        lists[query_id] = [i for i in best if dataset.may_be_candidate(query_id, i)][:depth]
    return lists
