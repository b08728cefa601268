"""What `train` trains on, and the queries that it is measured on and never trained on."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tools.embedded.beir import Dataset
from tools.embedded.evaluate import Lists

SPLITS = {"fiqa": ("train", "dev"), "nfcorpus": ("train", "dev"), "tatqa-dev": ("test", "test")}
"""What is trained on and what is measured on; of a set with one split every third query is held out."""
DEPTH, HARD_DEPTH = 50, 40
OTHERS, RELEVANT = 7, 2


class Example(NamedTuple):
    """A query's texts: some that are relevant, some of BM25's that are not."""

    query: str
    relevant: list[str]
    others: list[str]


class HeldOut(NamedTuple):
    """Queries that nothing is trained on, with BM25's candidates."""

    name: str
    dataset: Dataset
    candidates: Lists


def examples(dataset: Dataset, queries: Sequence[str], random: np.random.Generator) -> list[Example]:
    """One example for each query that has a relevant document and enough others; relevant is the highest grade."""
    found = []
    for query, ids in dataset.candidates(HARD_DEPTH, list(queries)).items():
        judged = dataset.qrels[query]
        best = [i for i, grade in judged.items() if 0 < grade == max(judged.values()) and i in dataset.documents]
        others = [i for i in ids if not judged.get(i)]
        if best and len(others) >= OTHERS:
            drawn = [random.permutation(best)[:RELEVANT], random.permutation(others)[:OTHERS]]
            found.append(
                Example(dataset.queries[query], *([dataset.documents[str(i)] for i in some] for some in drawn))
            )
    return found


def split(folder: Path, name: str, queries: int, random: np.random.Generator) -> tuple[list[Example], HeldOut]:
    """Draw at most so many queries of a set to train on, and a quarter as many to measure on."""
    train, held = SPLITS[name]
    shown = Dataset.read(folder / name, train)
    hidden = shown if held == train else Dataset.read(folder / name, held)
    seen = [q for place, q in enumerate(shown.queries) if held != train or place % 3]
    unseen = [q for place, q in enumerate(hidden.queries) if held != train or not place % 3]
    seen, unseen = ([some[i] for i in random.permutation(len(some))] for some in (seen, unseen))
    asked = unseen[: queries // 4]
    return examples(shown, seen[:queries], random), HeldOut(name, hidden, hidden.candidates(DEPTH, asked))


def texts(shown: Sequence[Example], held: Sequence[HeldOut]) -> list[str]:
    """Every text that training and measuring need, each once."""
    found = {text: None for query, relevant, others in shown for text in (query, *relevant, *others)}
    for _, dataset, candidates in held:
        found |= {dataset.queries[query]: None for query in candidates}
        found |= {dataset.documents[i]: None for ids in candidates.values() for i in ids}
    return list(found)
