"""Measure the ranking by each part of the score and by other weightings of the parts, offline.

`python -m tools.embedded.parts --data DIR --dataset scifact --depth 50 --depth 100 [--model FOLDER]`
`python -m tools.embedded.parts --data DIR --dataset fiqa --split train --queries 300`

`cosine` is the bi-encoder's score, `maxsim` the idf-weighted MaxSim and `alike` the unweighted one. `cosine + 1 maxsim`
is the artefact's score, up to int8 values on the edge between two steps (`tests/tools/embedded/test_parts.py`). In the
graph the two texts are encoded independently, so here each text is encoded only once and the parts are computed in
numpy. This takes minutes, where the artefact, which encodes every pair, takes an hour. A long document is cut
differently in every pair, depending on the query's length, unless `--alone` reads it separately as a bi-encoder does.
The output is a JSON line per dataset and depth: nDCG@10 over first-stage candidates with 95 % confidence intervals over
queries (percentile bootstrap, 2,000 resamples).
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

from bench import bootstrap
from bench.candidates.candidates import freeze
from bench.data import datasets
from bench.data.datasets import Dataset
from models.artefact import load
from models.catalogue import EMBEDDED
from models.cpus import usable_cpus
from models.pair import Pair
from models.tokenise import Tokeniser
from tools.embedded.evaluate import Lists, ndcgs, reranked
from tools.embedded.idf import idf
from tools.embedded.sampling import sample
from tools.embedded.similarity import Ids, Text, best_cosines, cosine, maxsim
from tools.embedded.weights import Matrix

Floats = npt.NDArray[np.float64]

PARTS = ("cosine", "maxsim", "alike")
WEIGHTS = (0.5, 1.0, 2.0)
"""The weights of MaxSim relative to the cosine."""


class Encoder:
    """The artefact's encoder without the score."""

    def __init__(self, graph: Path) -> None:
        model = onnx.load(graph)
        states = [node for node in model.graph.node if node.op_type == "LayerNormalization"][-1].output[0]
        del model.graph.output[:]
        model.graph.output.append(helper.make_tensor_value_info(states, TensorProto.FLOAT, None))
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def text(self, ids: Ids) -> Text:
        """Encode one text, given as token ids."""
        ones = np.ones((1, len(ids)), np.int64)
        feeds = {"input_ids": ids[np.newaxis], "attention_mask": ones, "token_type_ids": ones}
        states: Matrix = self._session.run(None, feeds)[0][0]
        return Text.of(ids, states)


def score(
    folder: Path, queries: dict[str, str], documents: dict[str, str], candidates: Lists, *, alone: bool = False
) -> dict[str, dict[str, Floats]]:
    """Compute every part of every candidate's score: {"cosine": {query: [candidates]}, "maxsim": …}.

    With `alone`, each text is read up to the model's context window, which the two texts of a pair otherwise share.
    """
    artefact = load(folder)
    tokeniser = Tokeniser.open(artefact.tokenizer, artefact.manifest.max_tokens)
    encoder, idfs = Encoder(artefact.graph), idf(artefact.tokenizer.read_bytes())
    all_alike = np.ones_like(idfs)
    found = {part: {query: np.zeros(len(ids)) for query, ids in candidates.items()} for part in PARTS}
    asked: dict[str, Ids] = {}
    pairs_of: dict[bytes, list[tuple[str, int]]] = defaultdict(list)
    for query, ids in candidates.items():
        asked[query], read = _read(tokeniser, queries[query], [documents[i] for i in ids], alone=alone)
        for place, document in enumerate(read):
            pairs_of[document.tobytes()].append((query, place))
    with ThreadPoolExecutor(usable_cpus()) as threads:
        texts = dict(zip(asked, threads.map(encoder.text, asked.values()), strict=True))

        def fill(key: bytes) -> None:
            document = encoder.text(np.frombuffer(key, np.int64))
            for query, place in pairs_of[key]:
                best = best_cosines(texts[query], document)
                found["cosine"][query][place] = cosine(texts[query], document)
                found["maxsim"][query][place] = maxsim(texts[query], best, idfs)
                found["alike"][query][place] = maxsim(texts[query], best, all_alike)

        for _ in threads.map(fill, pairs_of):
            pass
    return found


def _read(tokeniser: Tokeniser, query: str, documents: list[str], *, alone: bool) -> tuple[Ids, list[Ids]]:
    """Return the token ids of the query and its documents, as cut in pairs or, with `alone`, as cut separately."""

    def of(pairs: list[Pair], kind: int) -> list[Ids]:
        return [pair.ids[pair.types == kind].astype(np.int64) for pair in pairs]

    if alone:
        asked, *read = of(tokeniser.pairs("", [query, *documents]), 1)
        return asked, read
    pairs = tokeniser.pairs(query, documents or [""])
    return of(pairs[:1], 0)[0], of(pairs, 1)[: len(documents)]


def together(parts: dict[str, dict[str, Floats]]) -> dict[str, dict[str, Floats]]:
    """Return the parts, and the sums of the cosine and either kind of MaxSim with every weight."""
    whole = dict(parts)
    for weight in WEIGHTS:
        for part in PARTS[1:]:
            whole[f"cosine + {weight:g} {part}"] = {
                query: scores + weight * parts[part][query] for query, scores in parts["cosine"].items()
            }
    return whole


def measure(dataset: Dataset, depths: Sequence[int], folder: Path, *, alone: bool = False) -> Iterator[dict[str, Any]]:
    """Yield the figures of one dataset for each depth."""
    deepest = freeze(dataset, max(depths)).lists
    whole = together(score(folder, dataset.queries, dataset.documents, deepest, alone=alone))
    for depth in depths:
        lists = {"first_stage": {query: ids[:depth] for query, ids in deepest.items()}}
        for part, scores in whole.items():
            lists[part] = reranked(lists["first_stage"], {query: found[:depth] for query, found in scores.items()})
        figures = {part: interval(ndcgs(dataset, ranking)) for part, ranking in lists.items()}
        yield {"queries": len(deepest), "depth": depth, **figures}


def interval(values: Floats) -> dict[str, float]:
    """Return the mean over queries with its 95 % confidence interval, by percentile bootstrap."""
    estimate = bootstrap.estimate(values, bootstrap.mean)
    figures = {"nDCG@10": estimate.value, "low": estimate.low, "high": estimate.high}
    return {name: round(figure, 4) for name, figure in figures.items()}


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.embedded.parts", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the datasets")
    parser.add_argument("--dataset", action="append", required=True, help="name of a dataset; repeatable")
    parser.add_argument("--depth", type=int, action="append", help="candidates per query; repeatable (default: 50)")
    parser.add_argument("--split", default="test", help="split of the qrels (default: %(default)s)")
    parser.add_argument("--queries", type=int, help="size of a sample of queries (default: all queries)")
    parser.add_argument(
        "--alone", action="store_true", help="read each text separately, up to 512 tokens, instead of as in a pair"
    )
    parser.add_argument("--model", type=Path, default=EMBEDDED, help="artefact folder (default: the embedded model)")
    options = parser.parse_args()
    for name in options.dataset:
        dataset = sample(datasets.load(options.data / name, options.split), options.queries)
        for figures in measure(dataset, options.depth or [50], options.model, alone=options.alone):
            print(json.dumps({"dataset": name, "split": options.split, **figures}), flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
