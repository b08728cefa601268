"""The text tables of accuracy: measures with their intervals, and paired comparisons of contestants.

Formats records and computes nothing. Everything a reader must know (failed queries, the source of the cost) has a line.
"""

from collections.abc import Mapping, Sequence

from bench.accuracy.measures import PRIMARY
from bench.accuracy.paired import Paired
from bench.contestants.reference import BM25
from bench.reasons import reasons
from bench.records import AccuracyRecord, Estimate
from bench.tables import ABSENT, candidates_line, dataset_lines, measure_cell, server_line, text_table
from bench.wording import counted


def accuracy_table(records: Sequence[AccuracyRecord]) -> str:
    """Format the measures of all contestants on one dataset, best nDCG@10 first, including the candidates' own order.

    All records must have the same dataset, queries and candidates.
    """
    first = records[0]
    best_first = sorted(records, key=lambda record: -record.measures[PRIMARY].value)
    rows = [["", *first.measures, "tokens/1000 queries", "$/1000 queries"]]
    rows += [[record.contestant.name, *_measure_cells(record.measures), *_cost_cells(record)] for record in best_first]
    if not any(record.contestant.dialect == BM25 for record in records):
        first_stage = "BM25" if "bm25" in first.candidates.source.lower() else "first stage"
        rows.append([first_stage, *_measure_cells(first.first_stage), ABSENT, ABSENT])
    return "\n".join(
        [
            f"accuracy: {first.queries} of {counted(first.dataset.judged_queries, 'judged query')}; [95 % interval "
            f"over queries]",
            candidates_line(first.candidates),
            *text_table(rows),
            *(line for record in best_first for line in _failure_lines(record)),
        ]
    )


def paired_line(pair: Paired) -> str:
    """Format the paired comparison of two contestants: the mean difference, its interval and significance."""
    sign = "+" if pair.difference.value >= 0 else ""
    effect = ABSENT if pair.effect_size is None else f"{pair.effect_size:.2f}"
    return (
        f"  paired: {pair.first} - {pair.second}: {pair.measure} {sign}{measure_cell(pair.difference)}, "
        f"p = {pair.p_value:.4f}, effect size {effect}, "
        f"better on {pair.wins}, worse on {pair.losses}, equal on {pair.ties} of {counted(pair.queries, 'query')}"
    )


def accuracy_heading(records: Sequence[AccuracyRecord]) -> str:
    """Format the lines above an accuracy table: dataset, candidates and contestants."""
    return "\n".join(
        [*(line for record in records for line in _contestant_lines(record)), *dataset_lines(records[0].dataset)]
    )


def _measure_cells(measures: Mapping[str, Estimate]) -> list[str]:
    return [measure_cell(estimate) for estimate in measures.values()]


def _cost_cells(record: AccuracyRecord) -> tuple[str, str]:
    tokens, usd = record.tokens_per_1000_queries, record.usd_per_1000_queries
    return ABSENT if tokens is None else f"{tokens:,.0f}", ABSENT if usd is None else f"{usd:.4f}"


def _failure_lines(record: AccuracyRecord) -> list[str]:
    """Format the number of failed queries and the reasons."""
    if not record.failures:
        return []
    failed = len(record.failures)
    count = f"{failed} of {counted(record.queries, 'query')} failed and {'scores' if failed == 1 else 'score'} 0"
    errors = [sample.error for sample in record.failures if sample.error]
    return [f"  {record.contestant.name}: {count}", *(f"  {reason}" for reason in reasons(errors))]


def _contestant_lines(record: AccuracyRecord) -> list[str]:
    """Format the server's own information and the source of the cost."""
    name = record.contestant.name
    lines = [f"{name}: {server_line(record.provenance)}"] if record.provenance.url else []
    if record.cost_source:
        lines.append(f"  note: source of the cost of {name}: {record.cost_source}")
    return lines
