"""The encoder in numpy in float64: independent of the graph, with results equal to nine digits on every machine."""

import math
from collections.abc import Callable

import numpy as np

from models.prepare.rounding import Double
from tools.embedded.graph import NORM_EPSILON
from tools.embedded.weights import Layer, Matrix, Weights


def encode(weights: Weights, ids: list[int], see: Callable[[str, Double], None]) -> Double:
    """Return the hidden states [tokens, width] of one text's token ids.

    `see` is called with the name that `graph.build` gives to each product and the product's input [tokens, in].
    """
    x = weights.words[ids].astype(np.float64) + weights.positions[: len(ids)]
    x = _norm(x, weights.norm)
    for index, layer in enumerate(weights.layers):
        at = f"layer{index}"
        see(f"{at}.attention.qkv", x)
        context = _attend(x, layer)
        see(f"{at}.out", context)
        x = _norm(_product(context + layer.value_bias, layer.out) + layer.out_bias + x, layer.out_norm)
        see(f"{at}.up", x)
        wide = _product(x, layer.up) + layer.up_bias
        active = wide * 0.5 * (1 + erf(wide / math.sqrt(2)))
        see(f"{at}.down", active)
        x = _norm(_product(active, layer.down) + layer.down_bias + x, layer.down_norm)
    return x


def _attend(x: Double, layer: Layer) -> Double:
    """Return the attention's output without the values' bias, which the graph adds after the next matrix."""
    query, key, value = (_product(x, matrix) for matrix in (layer.query, layer.key, layer.value))
    query += layer.query_bias
    heads = []
    for start in range(0, query.shape[1], layer.head_width):
        head = slice(start, start + layer.head_width)
        logits = query[:, head] @ key[:, head].T / math.sqrt(layer.head_width)
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        heads.append(shares / shares.sum(axis=1, keepdims=True) @ value[:, head])
    return np.concatenate(heads, axis=1)


def _product(x: Double, matrix: Matrix) -> Double:
    """Return the product in float64, widening the matrix first: numpy multiplies mixed types without BLAS, slowly."""
    product: Double = x @ matrix.astype(np.float64)
    return product


def erf(x: Double) -> Double:
    """Return the error function to 2e-7 (Abramowitz and Stegun 1964, 7.1.26), which numpy does not have."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    powers = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.sign(x) * (1 - powers * np.exp(-(x**2)))


def _norm(x: Double, norm: tuple[Matrix, Matrix]) -> Double:
    centred = x - x.mean(axis=1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=1, keepdims=True) + NORM_EPSILON)
    normed: Double = centred / deviation * norm[0] + norm[1]
    return normed
