"""Fit the scale and offset of the score: `python -m tools.embedded.calibrate --data DIR [--model FOLDER]`.

DIR contains fiqa, nfcorpus and tatqa-dev in BEIR layout. The fit uses FiQA's train split, NFCorpus' dev split and
TAT-QA, so no figure of the model card is measured on the same data. For each query there is one document of the
dataset's highest grade and one that is not relevant: from the BM25 top 50 for every second query, any document for the
others. (NFCorpus' train split has only the lower grade, "shares a topic", which is not relevance.) A maximum-likelihood
logistic fit of the label on the similarity gives the two constants for `score.py`.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.candidates.candidates import freeze
from bench.data.datasets import Dataset, load
from models.catalogue import EMBEDDED
from models.scorer import Scorer
from models.wording import counted
from tools.embedded.sampling import restricted
from tools.embedded.score import SCORE

Floats = npt.NDArray[np.float64]

SETS = (("fiqa", "train"), ("nfcorpus", "dev"), ("tatqa-dev", "test"))
QUERIES_PER_SET = 600
HARD_DEPTH = 50
SEED = 20
NEWTON_STEPS = 30


def pairs(dataset: Dataset, queries: int, seed: int) -> list[tuple[str, str, int]]:
    """Draw queries, with a relevant and an irrelevant document each; return (query, document, label) triples."""
    random = np.random.default_rng(seed)
    best = max(grade for judged in dataset.qrels.values() for grade in judged.values())
    relevant = {
        query: [i for i, grade in judged.items() if grade == best and i in dataset.documents]
        for query, judged in dataset.qrels.items()
    }
    answerable = [query for query, ids in relevant.items() if ids]
    drawn = [answerable[i] for i in random.permutation(len(answerable))[:queries]]
    hard = freeze(restricted(dataset, drawn), HARD_DEPTH).lists
    everything = list(dataset.documents)
    labelled = []
    for index, query in enumerate(drawn):
        pool = hard[query] if index % 2 else everything
        others = [i for i in pool if not dataset.qrels[query].get(i) and i != query] or everything
        positive, negative = str(random.choice(relevant[query])), str(random.choice(others))
        text = dataset.queries[query]
        labelled += [(text, dataset.documents[positive], 1), (text, dataset.documents[negative], 0)]
    return labelled


def similarities(scorer: Scorer, drawn: list[tuple[str, str, int]]) -> Floats:
    """Return the similarity of each pair: the artefact's logit without scale and offset."""
    ready = [scorer.tokeniser.pairs(query, [document])[0] for query, document, _ in drawn]
    return (scorer.run(ready).astype(np.float64) - SCORE.offset) / SCORE.scale


def fit(x: Floats, labels: Floats) -> tuple[float, float]:
    """Return the maximum-likelihood (scale, offset) of P(label) = sigmoid(scale · x + offset)."""
    design = np.stack([x, np.ones_like(x)], axis=1)
    line = np.zeros(2)
    for _ in range(NEWTON_STEPS):
        chance = 1 / (1 + np.exp(-design @ line))
        curvature = design.T @ (design * (chance * (1 - chance))[:, np.newaxis])
        line += np.linalg.solve(curvature, design.T @ (labels - chance))
    return float(line[0]), float(line[1])


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.embedded.calibrate", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with fiqa, nfcorpus and tatqa-dev")
    parser.add_argument("--model", type=Path, default=EMBEDDED, help="artefact folder (default: the embedded model)")
    options = parser.parse_args()
    with Scorer.open(options.model, device="cpu") as scorer:
        x, labels = [], []
        for name, split in SETS:
            drawn = pairs(load(options.data / name, split), QUERIES_PER_SET, SEED)
            x.append(similarities(scorer, drawn))
            labels.append(np.array([label for _, _, label in drawn], np.float64))
            scale, offset = fit(x[-1], labels[-1])
            print(f"{name} {split}: {counted(len(drawn), 'pair')}, fitted alone: scale {scale:.4f} offset {offset:.4f}")  # noqa: T201
    scale, offset = fit(np.concatenate(x), np.concatenate(labels))
    chance = 1 / (1 + np.exp(-(scale * np.concatenate(x) + offset)))
    right = np.mean((chance > 0.5) == (np.concatenate(labels) > 0.5))
    count = counted(len(chance), "pair")
    print(f"scale {scale:.4f} offset {offset:.4f}; accuracy at a threshold of 0.5: {right:.3f} on {count}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
