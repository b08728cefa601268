"""Estimate the idf, by which MaxSim weights each token of the query, from the vocabulary alone.

A BERT vocabulary is ordered by frequency: [PAD], unused and special tokens first, then single characters, then words
and word pieces, the most common ("the") first. By Zipf's law a word's frequency is about one over its rank, so the
logarithm of the rank approximates its idf, and no corpus is needed.
"""

import json

import numpy as np
import numpy.typing as npt

CHARACTER = 5.0
"""The idf of a single letter or digit, like a rare function word's: they are ordered by code point, not frequency."""
PUNCTUATION = 0.3


def idf(tokenizer: bytes) -> npt.NDArray[np.float32]:
    """Return the idf of every token of a BERT tokenizer.json, float32 [vocabulary]; 0 for special and unused tokens."""
    vocabulary: dict[str, int] = json.loads(tokenizer)["model"]["vocab"]
    first_word = 1 + max(place for token, place in vocabulary.items() if len(token) == 1)
    weights = np.zeros(len(vocabulary), np.float32)
    for token, place in vocabulary.items():
        weights[place] = _weight(token, place - first_word)
    return weights


def _weight(token: str, rank: int) -> float:
    if len(token) > 2 and token.startswith("[") and token.endswith("]"):
        return 0.0
    if len(token) == 1:
        return CHARACTER if token.isalnum() else PUNCTUATION
    return float(np.log(max(rank, 0) + 2))
