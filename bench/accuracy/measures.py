"""Measures of a ranking by trec_eval's definitions, computed by ir_measures.

nDCG has linear gain and the ideal ranking over all judgements; recall divides by all relevant documents; a judged query
without an answer scores 0; an unjudged document is not relevant. Equal scores keep candidate order: ties are broken
here, because the library would break them by id. A measure's key is its name as ir_measures prints it, such as
`nDCG@10` or, for graded judgements, `R(rel=2)@10`.
"""

import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import ir_measures
import numpy as np
from ir_measures import RR, R, nDCG

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
        BenchError: a name is not that of a measure, or the program that computes a measure fails.
    """
    measures = list(dict.fromkeys([*STANDARD, *(_named(name) for name in further)]))
    measures = [_counting_from(relevance_level, measure) for measure in measures]
    values: PerQuery = {str(measure): dict.fromkeys(qrels, 0.0) for measure in measures}
    run = {query_id: _falling_scores(ranking) for query_id, ranking in rankings.items() if query_id in qrels}
    # Below 0 is not relevant for trec_eval too, which in its present build crashes where all of a query's grades are.
    judged = {query_id: {i: max(grade, 0) for i, grade in grades.items()} for query_id, grades in qrels.items()}
    try:
        for metric in ir_measures.iter_calc(measures, judged, run):
            values[str(metric.measure)][metric.query_id] = float(metric.value)
    except (subprocess.SubprocessError, OSError) as error:  # some measures run a program, such as ERR a Perl script
        names = ", ".join(further)
        raise BenchError(f"one of the further measures ({names}) runs a program that failed here: {error}") from error
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
        _named(name)


def _named(name: str) -> Any:
    try:
        measure = ir_measures.parse_measure(name)
    except (NameError, ValueError) as error:
        raise BenchError(f"unknown measure {name!r}: use a name such as AP, P@5 or R@100") from error
    try:
        computable = ir_measures.DefaultPipeline.supports(measure)
    except AssertionError:  # raised by the library if a parameter is missing
        computable = False
    if not computable:
        raise BenchError(f"the measure {name!r} needs a parameter or a library that is missing; an example is P@5")
    return measure


def _counting_from(relevance_level: int, measure: Any) -> Any:
    """Return the measure with its relevance level, unless it has none or the level is the default of 1."""
    return measure(rel=relevance_level) if relevance_level != 1 and "rel" in measure.SUPPORTED_PARAMS else measure


def _falling_scores(ranking: Sequence[str]) -> dict[str, float]:
    return {document_id: float(-rank) for rank, document_id in enumerate(ranking)}
