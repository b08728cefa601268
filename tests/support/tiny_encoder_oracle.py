"""BERT in plain numpy, one text at a time: the oracle that the embedded model's graph is tested against.

Written from the paper (Devlin et al. 2019, arXiv 1810.04805; post-norm, erf GELU) and from nothing of the recipe's.
"""

import math

import numpy as np

from tests.support.tiny_encoder import HEAD_WIDTH, LAYERS
from tools.embedded.weights import Matrix


def similarity(
    tensors: dict[str, Matrix], idf: Matrix, query: list[int], document: list[int], maxsim_weight: float
) -> float:
    """Cosine of the mean token vectors plus weighted MaxSim by idf, of two texts encoded apart."""
    q, d = encode(tensors, query), encode(tensors, document)
    best = (_unit(q) @ _unit(d).T).max(axis=1)
    return float(_unit(q.mean(0)) @ _unit(d.mean(0)) + maxsim_weight * np.average(best, weights=idf[query]))


def encode(tensors: dict[str, Matrix], ids: list[int], layers: int = LAYERS) -> Matrix:
    """Hidden states [tokens, width] of one text behind so many layers, all tokens of type 0."""
    x = tensors["embeddings.word_embeddings.weight"][ids]
    x = x + tensors["embeddings.position_embeddings.weight"][: len(ids)]
    x = _norm(tensors, "embeddings", x + tensors["embeddings.token_type_embeddings.weight"][0])
    for layer in range(layers):
        at = f"encoder.layer.{layer}"
        attended = _linear(tensors, f"{at}.attention.output.dense", _attend(tensors, f"{at}.attention.self", x))
        x = _norm(tensors, f"{at}.attention.output", x + attended)
        wide = _linear(tensors, f"{at}.intermediate.dense", x)
        active = wide * 0.5 * (1 + np.vectorize(math.erf)(wide / math.sqrt(2)))
        x = _norm(tensors, f"{at}.output", x + _linear(tensors, f"{at}.output.dense", active))
    return x


def _attend(tensors: dict[str, Matrix], at: str, x: Matrix) -> Matrix:
    query, key, value = (_linear(tensors, f"{at}.{part}", x) for part in ("query", "key", "value"))
    heads = []
    for start in range(0, x.shape[1], HEAD_WIDTH):
        head = slice(start, start + HEAD_WIDTH)
        weights = np.exp(query[:, head] @ key[:, head].T / math.sqrt(HEAD_WIDTH))
        heads.append(weights / weights.sum(axis=1, keepdims=True) @ value[:, head])
    return np.concatenate(heads, axis=1)


def _linear(tensors: dict[str, Matrix], at: str, x: Matrix) -> Matrix:
    product: Matrix = x @ tensors[f"{at}.weight"].T + tensors[f"{at}.bias"]
    return product


def _norm(tensors: dict[str, Matrix], at: str, x: Matrix) -> Matrix:
    centred = x - x.mean(axis=1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=1, keepdims=True))
    normed: Matrix = centred / deviation * tensors[f"{at}.LayerNorm.weight"] + tensors[f"{at}.LayerNorm.bias"]
    return normed


def _unit(x: Matrix) -> Matrix:
    unit: Matrix = x / np.linalg.norm(x, axis=-1, keepdims=True)
    return unit
