"""Measures of a ranking by trec_eval's definitions, computed by ir_measures.

nDCG has linear gain and its ideal over all judgements; recall divides by all relevant documents; a judged query
without an answer counts 0; an unjudged document is not relevant. Equal scores keep candidate order: ties are broken
here, before ranks go to the library, which would order them by id. A measure's key is its name in the literature as
ir_measures prints it, such as `nDCG@10` or, for a graded set, `R(rel=2)@10`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import ir_measures
import numpy as np
from ir_measures import RR, R, nDCG

from bench.bootstrap import estimate, mean
from bench.records import Estimate

PerQuery = dict[str, dict[str, float]]
"""Measure to query id to value."""


def order_by_score(document_ids: Sequence[str], scores: Sequence[float]) -> list[int]:
    """Positions of the candidates, best score first; equal scores keep the order given."""
    if len(document_ids) != len(scores):
        raise ValueError(f"{len(scores)} scores for {len(document_ids)} documents")
    return sorted(range(len(scores)), key=lambda position: -scores[position])


def per_query(
    qrels: Mapping[str, Mapping[str, int]], rankings: Mapping[str, Sequence[str]], relevance_level: int
) -> PerQuery:
    """Every measure of every judged query.

    Args:
        qrels: query id to document id to grade.
        rankings: query id to document ids, best first, without ties; queries that are absent count 0.
        relevance_level: the grade from which a document is relevant in recall and reciprocal rank.
    """
    measures = _measures(relevance_level)
    values: PerQuery = {str(measure): dict.fromkeys(qrels, 0.0) for measure in measures}
    run = {query_id: _falling_scores(ranking) for query_id, ranking in rankings.items() if query_id in qrels}
    judged = {query_id: dict(grades) for query_id, grades in qrels.items()}
    for metric in ir_measures.iter_calc(measures, judged, run):
        values[str(metric.measure)][metric.query_id] = float(metric.value)
    return values


def means(values: PerQuery, seed: int = 0) -> dict[str, Estimate]:
    """The mean of every measure over its queries, with a bootstrap interval over queries."""
    return {name: estimate(np.array(list(of.values()), dtype=np.float64), mean, seed) for name, of in values.items()}


def _measures(relevance_level: int) -> list[Any]:
    recall, reciprocal_rank = (R, RR) if relevance_level == 1 else (R(rel=relevance_level), RR(rel=relevance_level))
    return [nDCG @ 5, nDCG @ 10, recall @ 5, recall @ 10, reciprocal_rank @ 10]


def _falling_scores(ranking: Sequence[str]) -> dict[str, float]:
    return {document_id: float(-rank) for rank, document_id in enumerate(ranking)}
