"""What the encoder's products are fed with, over real text: what their rounding to int8 is fitted to.

The texts are the project's own (the English ones of `models/prepare/pairs.jsonl`, about 4,000 tokens): no dataset is
needed to build, and none is looked at. The encoder runs in numpy in float64, so every machine measures the same.
"""

import math
from collections.abc import Iterable, Iterator

import numpy as np
from tokenizers import Tokenizer

from models.embedded.recipe.graph import NORM_EPSILON
from models.embedded.recipe.weights import Layer, Matrix, Weights
from models.prepare.pairs import read_texts
from models.prepare.rounding import Double, Inputs

LANGUAGE = "en"
PEAKS = {"qkv": 3.0, "up": 5.0}
"""Channels that reach higher than this in the inputs of these products are divided down to it. A few do (up to 10 and
30, where half the channels stay below 2.4), and without them a token's 127 steps are several times as fine. No
lower for `up`, and not the other products: the matrix, which takes the factor up, would lose what the token wins."""


def measure(weights: Weights, tokenizer: bytes) -> dict[str, Inputs]:
    """The inputs of every product, by the name that `graph.build` gives it."""
    return inputs(weights, _texts(tokenizer, len(weights.positions)))


def inputs(weights: Weights, texts: Iterable[list[int]]) -> dict[str, Inputs]:
    """The same over texts that are given as token ids."""
    grams: dict[str, Double] = {}
    peaks: dict[str, Double] = {}
    tokens = 0
    for ids in texts:
        tokens += len(ids)
        for at, x in _products(weights, ids):
            grams[at] = grams.get(at, 0) + x.T @ x
            peaks[at] = np.maximum(peaks.get(at, 0), np.abs(x).max(axis=0))
    return {at: Inputs(gram / tokens, _divisors(at, peaks[at])) for at, gram in grams.items()}


def _divisors(at: str, peaks: Double) -> Double | None:
    bound = PEAKS.get(at.rpartition(".")[2])
    return np.maximum(peaks / bound, 1) if bound else None


def _texts(tokenizer: bytes, most: int) -> list[list[int]]:
    reader = Tokenizer.from_buffer(tokenizer)
    reader.no_padding()
    reader.enable_truncation(most)
    english = [text for text in read_texts() if text.language == LANGUAGE]
    return [reader.encode(text).ids for pair in english for text in (pair.query, pair.passage)]


def _products(weights: Weights, ids: list[int]) -> Iterator[tuple[str, Double]]:
    """Encode one text; yield the input [tokens, in] of every product, in order."""
    x = weights.words[ids].astype(np.float64) + weights.positions[: len(ids)]
    x = _norm(x, weights.norm)
    for index, layer in enumerate(weights.layers):
        at = f"layer{index}"
        yield f"{at}.attention.qkv", x
        context = _attend(x, layer)
        yield f"{at}.out", context
        x = _norm((context + layer.value_bias) @ layer.out + layer.out_bias + x, layer.out_norm)
        yield f"{at}.up", x
        wide = x @ layer.up + layer.up_bias
        active = wide * 0.5 * (1 + _erf(wide / math.sqrt(2)))
        yield f"{at}.down", active
        x = _norm(active @ layer.down + layer.down_bias + x, layer.down_norm)


def _attend(x: Double, layer: Layer) -> Double:
    """The attention's output, without the values' bias, which the graph adds behind the next matrix."""
    heads = []
    for start in range(0, layer.query.shape[1], layer.head_width):
        head = slice(start, start + layer.head_width)
        query = x @ layer.query[:, head] + layer.query_bias[head]
        logits = query @ (x @ layer.key[:, head]).T / math.sqrt(layer.head_width)
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        heads.append(shares / shares.sum(axis=1, keepdims=True) @ (x @ layer.value[:, head]))
    return np.concatenate(heads, axis=1)


def _erf(x: Double) -> Double:
    """The error function to 2e-7 (Abramowitz and Stegun 1964, 7.1.26): numpy has none, and math's is slow on arrays."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    powers = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.sign(x) * (1 - powers * np.exp(-(x**2)))


def _norm(x: Double, norm: tuple[Matrix, Matrix]) -> Double:
    centred = x - x.mean(axis=1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=1, keepdims=True) + NORM_EPSILON)
    normed: Double = centred / deviation * norm[0] + norm[1]
    return normed
