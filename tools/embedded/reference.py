"""Make the artefact's reference, `parity.json`: the encoder's logits in float64 on the pairs of every prepared model.

`rerank models verify embedded` compares with it on any machine, and `build` does not seal an artefact that is too far
from it.
"""

from pathlib import Path

import numpy as np

from models.pair import Logits, Pair
from models.prepare.pairs import read_texts, samples
from models.prepare.reference import Reference
from models.prepare.reference import make as put_together
from models.prepare.rounding import Double
from tools.embedded.exact import encode
from tools.embedded.score import Score
from tools.embedded.similarity import Ids, Text, best_cosines, cosine, maxsim
from tools.embedded.weights import Matrix, Weights

BY = "the recipe's encoder, numpy in float64"
DIGITS = 6
"""The decimal places of a logit: coarser than differences between machines, far finer than any gate."""


def make(
    weights: Weights, idfs: Matrix, score: Score, tokenizer: Path, max_tokens: int, sources: dict[str, str]
) -> Reference:
    """Make the reference; `sources` are the sha256 of the weights' source files, by name."""
    texts = read_texts()
    found = samples(tokenizer, max_tokens, texts)
    return put_together(BY, sources, texts, found, logits(weights, idfs, score, [sample.pair for sample in found]))


def logits(weights: Weights, idfs: Matrix, score: Score, pairs: list[Pair]) -> Logits:
    """Compute the logits of pairs, [pairs], whose texts are encoded separately."""
    return np.array([round(_logit(weights, idfs, score, pair), DIGITS) for pair in pairs], np.float32)


def _logit(weights: Weights, idfs: Matrix, score: Score, pair: Pair) -> float:
    query, document = (_text(weights, pair.ids[pair.types == kind].astype(np.int64)) for kind in (0, 1))
    similarity = cosine(query, document) + score.maxsim_weight * maxsim(query, best_cosines(query, document), idfs)
    return score.scale * similarity + score.offset


def _unseen(at: str, x: Double) -> None:
    """Ignore the inputs of the products."""


def _text(weights: Weights, ids: Ids) -> Text:
    return Text.of(ids, encode(weights, ids.tolist(), _unseen))
