"""Measure the artefact on datasets in BEIR layout, offline, and print one JSON line for each dataset.

`python -m tools.embedded.evaluate --data DIR --dataset msmarco-dl19 --depth 50 [--reference FOLDER]`

Datasets, first-stage candidates and measures are those of the bench. The figures are nDCG@10 of the candidates in their
first-stage order and as ranked by the model. With a reference folder (`build --precision fp32`) the line also has the
agreement with the reference: the largest and mean difference of logits, Kendall's tau and the overlap of the top 10.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.accuracy.measures import PRIMARY, order_by_score, per_query
from bench.candidates.candidates import freeze
from bench.data import datasets
from bench.data.datasets import Dataset
from models.catalogue import EMBEDDED
from models.pair import Logits
from models.prepare.gates import kendall_tau, top_shared
from models.scorer import Scorer
from tools.embedded.sampling import sample

Floats = npt.NDArray[np.float64]
Lists = dict[str, list[str]]


def ndcgs(dataset: Dataset, rankings: Lists) -> Floats:
    """Return nDCG@10 of each of the dataset's queries, [queries]; 0 for an empty list."""
    return np.array(list(per_query(dataset.qrels, rankings, dataset.relevance_level)[PRIMARY].values()))


def logits(scorer: Scorer, dataset: Dataset, candidates: Lists) -> dict[str, Logits]:
    """Score every query's candidates."""
    return {
        query: scorer.logits(dataset.queries[query], [dataset.documents[i] for i in documents])
        for query, documents in candidates.items()
        if documents
    }


def reranked(candidates: Lists, scores: Mapping[str, npt.NDArray[np.floating]]) -> Lists:
    """Sort each list by score; equal scores keep their order."""
    return {
        query: [documents[i] for i in order_by_score(documents, scores[query].tolist())] if documents else []
        for query, documents in candidates.items()
    }


def parity(scores: dict[str, Logits], reference: dict[str, Logits]) -> dict[str, float]:
    """Measure the agreement with the reference: differences over all pairs, rank agreement averaged over queries."""
    difference = np.abs(np.concatenate([scores[query] - reference[query] for query in scores]))
    taus = [kendall_tau(reference[query], scores[query]) for query in scores if len(scores[query]) > 1]
    shared = [top_shared(reference[query], scores[query]) for query in scores]
    return {
        "logit_deviation": round(float(np.concatenate(list(reference.values())).std()), 4),
        "worst_logit_difference": round(float(difference.max()), 4),
        "mean_logit_difference": round(float(difference.mean()), 4),
        "kendall_tau": round(float(np.mean(taus)), 4),
        "top_10_agreement": round(float(np.mean(shared)), 4),
    }


def measure(dataset: Dataset, depth: int, model: Path, reference: Path | None) -> dict[str, Any]:
    """Rerank the candidates of every query and return the figures."""
    candidates = freeze(dataset, depth).lists
    with Scorer.open(model, device="cpu") as scorer:
        start = time.perf_counter()
        scores = logits(scorer, dataset, candidates)
        elapsed_s = time.perf_counter() - start
    figures: dict[str, Any] = {
        "queries": len(dataset.queries),
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
    parser.add_argument("--data", type=Path, required=True, help="folder of the datasets")
    parser.add_argument("--dataset", action="append", required=True, help="name of a dataset; repeatable")
    parser.add_argument("--depth", type=int, default=50, help="candidates per query (default: %(default)s)")
    parser.add_argument("--queries", type=int, help="size of a sample of queries (default: all queries)")
    parser.add_argument("--model", type=Path, default=EMBEDDED, help="artefact folder (default: the embedded model)")
    parser.add_argument("--reference", type=Path, help="fp32 artefact folder to compare the logits with")
    options = parser.parse_args()
    for name in options.dataset:
        dataset = sample(datasets.load(options.data / name), options.queries)
        figures = measure(dataset, options.depth, options.model, options.reference)
        print(json.dumps({"dataset": name, **figures}), flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
