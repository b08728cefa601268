"""Measures the artefact on datasets in BEIR layout, offline, one pair per run, and prints one JSON line for each.

`python -m tools.embedded.evaluate --data DIR --dataset msmarco-dl19 --depth 50 [--reference FOLDER]`

nDCG@10 by ir_measures over first-stage candidates, theirs beside the model's; equal scores keep the candidates' order
and a judged query without an answer counts 0. With a reference folder (`build --precision fp32`) it also states how far
the int8 logits are from the reference's: worst and mean difference, Kendall's tau and the agreement of the ten best.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
import numpy.typing as npt
from ir_measures import nDCG

from models.catalogue import EMBEDDED
from models.pair import Logits
from models.scorer import Scorer
from tools.embedded.beir import Dataset

MEASURE = nDCG @ 10
SEED = 20

Floats = npt.NDArray[np.float64]
Lists = dict[str, list[str]]


def judged_queries(dataset: Dataset, most: int | None, seed: int) -> list[str]:
    """The queries to measure: all that are judged, or a sample of them."""
    queries = list(dataset.queries)
    if most is None or most >= len(queries):
        return queries
    places = np.random.default_rng(seed).choice(len(queries), most, replace=False)
    return [queries[place] for place in sorted(places)]


def ndcgs(dataset: Dataset, ranking: Lists) -> Floats:
    """nDCG@10 of each of the ranking's queries, 0 for an empty list."""
    qrels = [
        ir_measures.Qrel(query, document, grade)
        for query in ranking
        for document, grade in dataset.qrels[query].items()
    ]
    # the place stands for the score: ir_measures would order equal scores by id
    run = [
        ir_measures.ScoredDoc(query, document, -float(place))
        for query, documents in ranking.items()
        for place, document in enumerate(documents)
    ]
    found = {metric.query_id: metric.value for metric in ir_measures.iter_calc([MEASURE], qrels, run)}
    return np.array([found.get(query, 0.0) for query in ranking])


def logits(scorer: Scorer, dataset: Dataset, candidates: Lists) -> dict[str, Logits]:
    """Score every query's candidates."""
    return {
        query: scorer.logits(dataset.queries[query], [dataset.documents[i] for i in documents])
        for query, documents in candidates.items()
        if documents
    }


def reranked(candidates: Lists, scores: Mapping[str, npt.NDArray[np.floating]]) -> Lists:
    """Order each list by score, equal scores as they stood."""
    return {
        query: [documents[i] for i in np.argsort(-scores[query], kind="stable")] if documents else []
        for query, documents in candidates.items()
    }


def parity(scores: dict[str, Logits], reference: dict[str, Logits]) -> dict[str, float]:
    """How far logits are from the reference's, over all pairs and, for order, the mean over queries."""
    apart = np.abs(np.concatenate([scores[query] - reference[query] for query in scores]))
    taus = [kendall_tau(scores[query], reference[query]) for query in scores if len(scores[query]) > 1]
    shared = [len(_best(scores[query]) & _best(reference[query])) / len(_best(reference[query])) for query in scores]
    return {
        "logit_deviation": round(float(np.concatenate(list(reference.values())).std()), 4),
        "worst_logit_difference": round(float(apart.max()), 4),
        "mean_logit_difference": round(float(apart.mean()), 4),
        "kendall_tau": round(float(np.mean(taus)), 4),
        "top_10_agreement": round(float(np.mean(shared)), 4),
    }


def kendall_tau(left: Logits, right: Logits) -> float:
    """Share of the pairs in like order less the share in unlike order; a pair tied on either side counts 0."""
    i, j = np.triu_indices(len(left), 1)
    return float(np.mean(np.sign(left[i] - left[j]) * np.sign(right[i] - right[j])))


def _best(scores: Logits) -> set[int]:
    return set(np.argsort(-scores, kind="stable")[:10].tolist())


def measure(dataset: Dataset, queries: list[str], depth: int, model: Path, reference: Path | None) -> dict[str, Any]:
    """Rerank the candidates of these queries and state the figures."""
    candidates = dataset.candidates(depth, queries)
    with Scorer.open(model, device="cpu") as scorer:
        start = time.perf_counter()
        scores = logits(scorer, dataset, candidates)
        elapsed_s = time.perf_counter() - start
    figures: dict[str, Any] = {
        "queries": len(queries),
        "depth": depth,
        "first_stage_nDCG@10": round(float(ndcgs(dataset, candidates).mean()), 4),
        "nDCG@10": round(float(ndcgs(dataset, reranked(candidates, scores)).mean()), 4),
        "documents_per_second": round(sum(map(len, scores.values())) / elapsed_s, 1),
    }
    if reference:
        with Scorer.open(reference, device="cpu") as scorer:
            exact = logits(scorer, dataset, candidates)
        figures["reference_nDCG@10"] = round(float(ndcgs(dataset, reranked(candidates, exact)).mean()), 4)
        figures |= parity(scores, exact)
    return figures


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.embedded.evaluate", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of datasets")
    parser.add_argument("--dataset", action="append", required=True, help="a dataset's name; may be repeated")
    parser.add_argument("--depth", type=int, default=50, help="candidates per query (default: %(default)s)")
    parser.add_argument("--queries", type=int, help="measure a sample of this many queries (default: all)")
    parser.add_argument("--model", type=Path, default=EMBEDDED, help="artefact folder (default: the embedded model)")
    parser.add_argument("--reference", type=Path, help="fp32 artefact folder to compare the logits with")
    options = parser.parse_args()
    for name in options.dataset:
        dataset = Dataset.read(options.data / name, "test")
        queries = judged_queries(dataset, options.queries, SEED)
        figures = measure(dataset, queries, options.depth, options.model, options.reference)
        print(json.dumps({"dataset": name, **figures}), flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
