"""Measures of a ranking by trec_eval's definitions, computed by ir_measures.

nDCG has linear gain and the ideal ranking over all judgements; recall divides by all relevant documents; a judged query
without an answer scores 0; an unjudged document is not relevant. Equal scores keep candidate order: ties are broken
here, because the library would break them by id. A measure's key is its name as ir_measures prints it, such as
`nDCG@10` or, for graded judgements, `R(rel=2)@10`. Every further measure is computed by itself, because the library
mixes some of them up: with `nDCG(gains={1:5})@10` beside it, `nDCG@10` would be computed with these gains.
"""

import math
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import ir_measures
import numpy as np
from ir_measures import RR, R, nDCG

from bench.accuracy.measure_names import counting_from, named
from bench.bootstrap import estimate, mean
from bench.errors import BenchError
from bench.records import Estimate
from bench.wording import counted

STANDARD = (nDCG @ 5, nDCG @ 10, R @ 5, R @ 10, RR @ 10)
"""The measures of every run, in the order of the tables. To add a measure, add it here: docs/extending.md."""
PRIMARY = str(nDCG @ 10)
"""The measure by which contestants are sorted, compared pairwise and judged in the arena."""

PerQuery = dict[str, dict[str, float]]
"""Measure to query id to value."""


def order_by_score(document_ids: Sequence[str], scores: Sequence[float]) -> list[int]:
    """Return the indices of the candidates, best score first; equal scores keep the given order."""
    if len(document_ids) != len(scores):
        raise ValueError(f"{counted(len(scores), 'score')} for {counted(len(document_ids), 'document')}")
    return sorted(range(len(scores)), key=lambda index: -scores[index])


def per_query(
    qrels: Mapping[str, Mapping[str, int]],
    rankings: Mapping[str, Sequence[str]],
    relevance_level: int,
    further: Sequence[str] = (),
) -> PerQuery:
    """Return every measure of every judged query.

    Args:
        qrels: query id to document id to grade.
        rankings: query id to document ids, best first, without ties; missing queries score 0.
        relevance_level: the lowest grade that counts as relevant in binary measures.
        further: names of additional measures, such as `AP` or `R@100`.

    Raises:
        BenchError: a name is not that of a measure, or a further measure cannot be computed.
    """
    standard = [counting_from(relevance_level, measure) for measure in STANDARD]
    own = dict.fromkeys(named(name, relevance_level) for name in further)
    # A query without candidates scores 0, and some of the library's programs divide by the number of its documents.
    run = {
        query_id: _falling_scores(ranking) for query_id, ranking in rankings.items() if ranking and query_id in qrels
    }
    # Below 0 is not relevant for trec_eval too, which in its present build crashes where all of a query's grades are.
    judged = {query_id: {i: max(grade, 0) for i, grade in grades.items()} for query_id, grades in qrels.items()}
    values = _computed(standard, judged, run)
    for measure in own:
        if str(measure) not in values:
            values |= _computed_further(measure, judged, run)
    return values


def _computed(measures: Sequence[Any], qrels: dict[str, dict[str, int]], run: dict[str, dict[str, float]]) -> PerQuery:
    values: PerQuery = {str(measure): dict.fromkeys(qrels, 0.0) for measure in measures}
    for metric in ir_measures.iter_calc(measures, qrels, run):
        values[str(metric.measure)][metric.query_id] = float(metric.value)
    return values


def _computed_further(measure: Any, qrels: dict[str, dict[str, int]], run: dict[str, dict[str, float]]) -> PerQuery:
    """Return one measure's values; BenchError if the library or a program that it runs fails or returns nonsense."""
    try:
        values = _computed([measure], qrels, run)
    except (subprocess.SubprocessError, OSError) as error:  # some measures run a program, such as ERR a Perl script
        raise BenchError(f"one of the further measures ({measure}) runs a program that failed here: {error}") from error
    except (ArithmeticError, AssertionError, LookupError, TypeError, ValueError) as error:
        raise BenchError(f"the library that computes {measure} failed: {type(error).__name__}: {error}") from error
    by_query = values[str(measure)]
    if by_query.keys() != qrels.keys() or not all(math.isfinite(value) for value in by_query.values()):
        raise BenchError(f"the library that computes {measure} returned no finite number for each of the queries")
    return values


def means(values: PerQuery, seed: int = 0) -> dict[str, Estimate]:
    """Return the mean of every measure over the queries, with a bootstrap interval over queries."""
    return {
        name: estimate(np.array(list(by_query.values()), dtype=np.float64), mean, seed)
        for name, by_query in values.items()
    }


def check(names: Sequence[str]) -> None:
    """Raise BenchError if one of `names` is not a measure or cannot be computed here."""
    for name in names:
        named(name)


def _falling_scores(ranking: Sequence[str]) -> dict[str, float]:
    return {document_id: float(-rank) for rank, document_id in enumerate(ranking)}
