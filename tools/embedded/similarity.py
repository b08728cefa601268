"""The score's two parts in numpy, computed from the hidden states of two texts: the reference for the graph."""

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
    """The token ids, including the special tokens of the text's segment of a pair."""
    mean: Vectors
    """The mean of the token vectors, normalised to a unit vector [width]."""
    tokens: Vectors
    """The token vectors, normalised to unit vectors [tokens, width]."""

    @classmethod
    def of(cls, ids: Ids, states: Vectors) -> "Text":
        """Make a text from its token ids and hidden states [tokens, width]."""
        return cls(ids, _unit(states.mean(axis=0)), _unit(states))


def cosine(query: Text, document: Text) -> float:
    """Return the cosine of the mean vectors."""
    return float(query.mean @ document.mean)


def best_cosines(query: Text, document: Text) -> Vectors:
    """Return the highest cosine of each query token with any document token, [query tokens]."""
    best: Vectors = (query.tokens @ document.tokens.T).max(axis=1)
    return best


def maxsim(query: Text, best: Vectors, idfs: Matrix) -> float:
    """Return the mean of the query's `best_cosines`, weighted by the tokens' idf [vocabulary]."""
    weights = idfs[query.ids]
    return float(best @ weights / max(weights.sum(), LEAST_IDF))


def _unit(x: Vectors) -> Vectors:
    unit: Vectors = x / np.linalg.norm(x, axis=-1, keepdims=True)
    return unit
