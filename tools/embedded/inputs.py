"""Statistics of the inputs of the encoder's products over real text, to which the rounding to int8 is fitted.

The texts are the project's own (the English ones of `models/prepare/pairs.jsonl`, about 4,000 tokens), so a build needs
no dataset. The encoder runs in float64, so every machine measures the same values.
"""

from collections.abc import Iterable

import numpy as np
from tokenizers import Tokenizer

from models.prepare.pairs import read_texts
from models.prepare.rounding import Double, Inputs
from tools.embedded.exact import encode
from tools.embedded.weights import Weights

LANGUAGE = "en"
PEAKS = {"qkv": 3.0, "up": 5.0}
"""The limit to which outlier channels of these products' inputs are scaled down. A few channels reach 10 and 30, while
half of them stay below 2.4; without outliers a token's 127 steps are several times finer. A lower limit for `up`, or a
limit for other products, would lose in the matrix, which is scaled up instead, what the token gains."""


def measure(weights: Weights, tokenizer: bytes) -> dict[str, Inputs]:
    """Measure the inputs of every product over the project's texts; return them by the product's name in the graph."""
    return inputs(weights, _texts(tokenizer, len(weights.positions)))


def inputs(weights: Weights, texts: Iterable[list[int]]) -> dict[str, Inputs]:
    """Measure the inputs of every product over texts given as token ids."""
    grams: dict[str, Double] = {}
    peaks: dict[str, Double] = {}
    tokens = 0

    def see(at: str, x: Double) -> None:
        grams[at] = grams.get(at, 0) + x.T @ x
        peaks[at] = np.maximum(peaks.get(at, 0), np.abs(x).max(axis=0))

    for ids in texts:
        tokens += len(ids)
        encode(weights, ids, see)
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
