"""How much each token of the query counts in MaxSim, from the vocabulary alone.

A BERT vocabulary is ordered by how often its words were seen: [PAD], unused places and special tokens first, then
single characters, then words and word pieces, the commonest ("the") first. By Zipf's law a word's frequency is about
one over its rank, so the logarithm of the rank stands for its idf, and no corpus is needed.
"""

import json

import numpy as np
import numpy.typing as npt

CHARACTER = 5.0
"""A single letter or digit, which stand by code point and not by frequency: about the idf of a rare function word."""
PUNCTUATION = 0.3


def idf(tokenizer: bytes) -> npt.NDArray[np.float32]:
    """The weight of every token of a BERT tokenizer.json, float32 [vocabulary]; special and unused tokens weigh 0."""
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
