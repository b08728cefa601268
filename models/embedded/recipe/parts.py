"""States what each part of the score ranks by itself, offline: `cosine` (the bi-encoder), `maxsim`, and `both`.

`python -m models.embedded.recipe.parts --data DIR --dataset scifact --depth 50 --depth 100 [--model FOLDER]`

In the graph no text sees the other, so here each is encoded once, however many pairs it is in, and the two parts are
computed in numpy: minutes where the artefact, which encodes every pair, takes an hour. `both` is the artefact's score,
in int8 but for values on the edge of two steps (`tests/models/test_embedded_parts.py`). A JSON line per dataset and
depth: nDCG@10 over first-stage candidates with 95 % intervals over queries (percentile bootstrap, 2,000 resamples).
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

from models.catalog import EMBEDDED
from models.cpus import usable_cpus
from models.embedded.recipe.beir import Dataset
from models.embedded.recipe.evaluate import Lists, ndcgs, reranked
from models.embedded.recipe.graph import LEAST_IDF, WORST_COSINE
from models.embedded.recipe.idf import idf
from models.embedded.recipe.score import SCORE
from models.embedded.recipe.weights import Matrix
from models.tokenise import Tokeniser

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

RESAMPLES = 2000
MAX_TOKENS = 512


class Encoder:
    """The artefact's encoder, without the score behind it."""

    def __init__(self, folder: Path) -> None:
        model = onnx.load(folder / "model.onnx")
        states = [node for node in model.graph.node if node.op_type == "LayerNormalization"][-1].output[0]
        del model.graph.output[:]
        model.graph.output.append(helper.make_tensor_value_info(states, TensorProto.FLOAT, None))
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def states(self, ids: Ids) -> Matrix:
        """One text's hidden states [tokens, width], float32."""
        ones = np.ones((1, len(ids)), np.int64)
        feeds = {"input_ids": ids[np.newaxis], "attention_mask": ones, "token_type_ids": ones}
        states: Matrix = self._session.run(None, feeds)[0][0]
        return states


@dataclass(frozen=True)
class Text:
    """An encoded text."""

    ids: Ids
    mean: Matrix
    """The mean of its tokens' vectors as a unit vector [width]."""
    tokens: Matrix
    """Its tokens' vectors as unit vectors [tokens, width]."""

    @classmethod
    def encode(cls, encoder: Encoder, ids: Ids) -> "Text":
        """Encode token ids, special tokens included; without any, nothing is like it."""
        if not len(ids):
            return cls(ids, np.zeros(1, np.float32), np.zeros((0, 1), np.float32))
        states = encoder.states(ids)
        return cls(ids, _unit(states.mean(axis=0)), _unit(states))


def _unit(x: Matrix) -> Matrix:
    unit: Matrix = x / np.linalg.norm(x, axis=-1, keepdims=True)
    return unit


def similarities(query: Text, document: Text, idfs: Matrix) -> tuple[float, float]:
    """Cosine and MaxSim of a query and a document, given the idf of every token [vocabulary]."""
    if not len(document.ids):
        return 0.0, WORST_COSINE
    weights = idfs[query.ids]
    best = (query.tokens @ document.tokens.T).max(axis=1, initial=WORST_COSINE)
    return float(query.mean @ document.mean), float(best @ weights / max(weights.sum(), LEAST_IDF))


def score(
    folder: Path, queries: dict[str, str], documents: dict[str, str], candidates: Lists
) -> dict[str, dict[str, Floats]]:
    """Both parts of every candidate's score, by part and query: {"cosine": {query: [candidates]}, "maxsim": …}."""
    tokeniser = Tokeniser.open(folder / "tokenizer.json", MAX_TOKENS)
    encoder, idfs = Encoder(folder), idf((folder / "tokenizer.json").read_bytes())
    found = {part: {query: np.zeros(len(ids)) for query, ids in candidates.items()} for part in ("cosine", "maxsim")}
    asked: dict[str, Ids] = {}
    pairs_of: dict[bytes, list[tuple[str, int]]] = defaultdict(list)
    for query, ids in candidates.items():
        for place, pair in enumerate(tokeniser.pairs(queries[query], [documents[i] for i in ids])):
            asked[query] = pair.ids[pair.types == 0].astype(np.int64)
            pairs_of[pair.ids[pair.types == 1].astype(np.int64).tobytes()].append((query, place))
    with ThreadPoolExecutor(usable_cpus()) as threads:
        texts = dict(zip(asked, threads.map(lambda ids: Text.encode(encoder, ids), asked.values()), strict=True))

        def fill(key: bytes) -> None:
            document = Text.encode(encoder, np.frombuffer(key, np.int64))
            for query, place in pairs_of[key]:
                cosine, maxsim = similarities(texts[query], document, idfs)
                found["cosine"][query][place], found["maxsim"][query][place] = cosine, maxsim

        for _ in threads.map(fill, pairs_of):
            pass
    return found


def measure(dataset: Dataset, depths: Sequence[int], folder: Path) -> Iterator[dict[str, Any]]:
    """The figures of one dataset, by depth."""
    deepest = dataset.candidates(max(depths), list(dataset.queries))
    parts = score(folder, dataset.queries, dataset.documents, deepest)
    parts["both"] = {
        query: cosine + SCORE.maxsim_weight * parts["maxsim"][query] for query, cosine in parts["cosine"].items()
    }
    for depth in depths:
        lists = {"first_stage": {query: ids[:depth] for query, ids in deepest.items()}}
        for part, scores in parts.items():
            lists[part] = reranked(lists["first_stage"], {query: found[:depth] for query, found in scores.items()})
        figures = {part: interval(ndcgs(dataset, ranking)) for part, ranking in lists.items()}
        yield {"queries": len(deepest), "depth": depth, **figures}


def interval(values: Floats) -> dict[str, float]:
    """The mean over queries with its 95 % interval, by percentile bootstrap."""
    draw = np.random.default_rng(0)
    means = [draw.choice(values, len(values)).mean() for _ in range(RESAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    figures = {"nDCG@10": values.mean(), "low": low, "high": high}
    return {name: round(float(figure), 4) for name, figure in figures.items()}


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m models.embedded.recipe.parts", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of datasets")
    parser.add_argument("--dataset", action="append", required=True, help="a dataset's name; may be repeated")
    parser.add_argument("--depth", type=int, action="append", help="candidates per query; repeatable (default: 50)")
    parser.add_argument("--model", type=Path, default=EMBEDDED, help="artefact folder (default: the embedded model)")
    options = parser.parse_args()
    for name in options.dataset:
        for figures in measure(Dataset.read(options.data / name, "test"), options.depth or [50], options.model):
            print(json.dumps({"dataset": name, **figures}), flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
