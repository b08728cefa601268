"""The score's two parts in numpy, made of two texts' hidden states: what the graph is held against."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tools.embedded.graph import LEAST_IDF
from tools.embedded.weights import Matrix

Ids = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Text:
    """An encoded text."""

    ids: Ids
    """Its tokens, special ones included: the layout of a pair gives every text some."""
    mean: Vectors
    """The mean of its tokens' vectors as a unit vector [width]."""
    tokens: Vectors
    """Its tokens' vectors as unit vectors [tokens, width]."""

    @classmethod
    def of(cls, ids: Ids, states: Vectors) -> "Text":
        """A text of these tokens with these hidden states [tokens, width]."""
        return cls(ids, _unit(states.mean(axis=0)), _unit(states))


def cosine(query: Text, document: Text) -> float:
    """Cosine of the mean vectors."""
    return float(query.mean @ document.mean)


def best_cosines(query: Text, document: Text) -> Vectors:
    """The best cosine that each token of the query has with a token of the document, [query tokens]."""
    best: Vectors = (query.tokens @ document.tokens.T).max(axis=1)
    return best


def maxsim(query: Text, best: Vectors, idfs: Matrix) -> float:
    """Mean of the query's `best_cosines`, by each token's idf [vocabulary]."""
    weights = idfs[query.ids]
    return float(best @ weights / max(weights.sum(), LEAST_IDF))


def _unit(x: Vectors) -> Vectors:
    unit: Vectors = x / np.linalg.norm(x, axis=-1, keepdims=True)
    return unit
