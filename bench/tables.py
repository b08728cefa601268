"""The plain tables that the command lines print: figures beside their intervals, never a bare figure.

Reads records and makes text; computes nothing. What could not be measured is printed as a dash, and every oddity a
reader must know of (failed queries, judged passages outside the corpus, filled-up requests) has its line.
"""

import re
from collections.abc import Mapping, Sequence

from bench.contestants.reference import BM25
from bench.records import AccuracyRecord, CandidatesNote, DatasetNote, Estimate, LatencyRecord, Record

ABSENT = "-"
NUMBER = re.compile(r"\d+")
FEW = 20
"""Successes below which percentiles stand on too little to be printed without a word."""


def heading(record: Record) -> str:
    """What was measured on what: the lines that every figure below them needs."""
    return "\n".join([*_server_lines(record), *_dataset_lines(record.dataset)])


def latency_table(record: LatencyRecord) -> str:
    """The figures of a latency record."""
    plan, summary = record.plan, record.summary
    cells = [
        ("P50 ms", _cell(summary.p50_ms, 1)),
        ("P90 ms", _cell(summary.p90_ms, 1)),
        ("P99 ms", _cell(summary.p99_ms, 1)),
        ("mean ms", _cell(summary.mean_ms, 1)),
        ("documents/s", _cell(summary.documents_per_s, 1)),
        ("errors", f"{summary.errors} of {summary.requests} ({summary.error_rate:.1%})"),
    ]
    lines = [
        f"latency: {plan.documents_per_request} documents a request, {plan.loop} loop, {plan.concurrency} at a time, "
        f"{plan.requests} requests after {plan.warm_up} to warm up; [95 % interval]",
        *(f"  {name:<12} {cell}" for name, cell in cells),
    ]
    if plan.filled_documents:
        lines.append(f"  note: {plan.filled_documents} documents in all were filled up from further corpus passages")
    successes = summary.requests - summary.errors
    if 0 < successes < FEW:
        lines.append(f"  note: the percentiles are of {successes} answers only")
    lines += _reasons([sample.error for sample in record.samples if sample.error])
    return "\n".join(lines)


def accuracy_table(records: Sequence[AccuracyRecord]) -> str:
    """The measures of all contestants on one dataset, best nDCG@10 first; the candidates' own order among them.

    The records are of the same queries of the same dataset with the same candidates.
    """
    first = records[0]
    names = list(first.measures)
    best_first = sorted(records, key=lambda record: -record.measures["nDCG@10"].value)
    rows = [("", [*names, "$/1000 queries"])]
    rows += [
        (record.contestant.name, [*_measure_cells(record.measures), _usd(record.usd_per_1000_queries)])
        for record in best_first
    ]
    if not any(record.contestant.dialect == BM25 for record in records):
        head = "BM25" if "bm25" in first.candidates.source.lower() else "first stage"
        rows.append((head, [*_measure_cells(first.first_stage), ABSENT]))
    width = max(12, *(len(head) for head, _ in rows))
    lines = [
        f"accuracy: {first.queries} of {first.dataset.judged_queries} judged queries; [95 % interval over queries]",
        _candidates_line(first.candidates),
        *(f"  {head:<{width}} " + " ".join(f"{cell:<24}" for cell in cells).rstrip() for head, cells in rows),
    ]
    for record in best_first:
        if record.failures:
            lines.append(
                f"  {record.contestant.name}: {len(record.failures)} of {record.queries} queries failed and count 0"
            )
            lines += _reasons([sample.error for sample in record.failures if sample.error])
    return "\n".join(lines)


def accuracy_heading(records: Sequence[AccuracyRecord]) -> str:
    """Who was measured on what: the lines that an accuracy table needs above it."""
    return "\n".join(
        [*(line for record in records for line in _contestant_lines(record)), *_dataset_lines(records[0].dataset)]
    )


def _measure_cells(measures: Mapping[str, Estimate]) -> list[str]:
    return [_cell(estimate, 4) for estimate in measures.values()]


def _usd(usd: float | None) -> str:
    return ABSENT if usd is None else f"{usd:.4f}"


def _contestant_lines(record: AccuracyRecord) -> list[str]:
    """What the server tells of itself, and where the cost comes from."""
    lines = _server_lines(record) if record.provenance.url else []
    name = record.contestant.name
    if record.cost_source:
        lines.append(f"  note: the cost of {name} is by {record.cost_source}")
    return [line.replace("reranker:", f"{name}:", 1) for line in lines]


def _cell(estimate: Estimate | None, digits: int) -> str:
    if estimate is None:
        return ABSENT
    value, low, high = (_figure(part, digits) for part in (estimate.value, estimate.low, estimate.high))
    return f"{value} [{low}, {high}]"


def _figure(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text[1:] if digits == 4 and text.startswith("0.") else text  # .5058, as the literature prints measures


def _server_lines(record: Record) -> list[str]:
    server = record.provenance.server or {}
    told = [f"{key} {server[key]}" for key in ("model_id", "model_dtype", "device", "version") if key in server]
    return [f"reranker: {', '.join(told) or 'tells nothing of itself'}, at {record.provenance.url}"]


def _dataset_lines(note: DatasetNote) -> list[str]:
    odd = []
    if note.judgements_outside_corpus:
        odd.append(f"{note.judgements_outside_corpus} judged passages are not in the corpus")
    if note.empty_documents:
        odd.append(f"{note.empty_documents} documents are empty")
    lines = [f"dataset: {note.name} ({note.split}), {note.judged_queries} judged queries, {note.documents} documents"]
    return lines + ([f"  note: {' and '.join(odd)}"] if odd else [])


def _candidates_line(note: CandidatesNote) -> str:
    without = f", none for {note.queries_without_candidates} queries" if note.queries_without_candidates else ""
    return f"  candidates   top {note.depth} of {note.source} (sha256 {note.sha256[:12]}){without}"


def _reasons(errors: list[str]) -> list[str]:
    """The three most frequent kinds of reason; texts that differ in their numbers only are of one kind."""
    kinds: dict[str, list[str]] = {}
    for error in sorted(errors):
        status, _, text = error.partition(": ")
        kinds.setdefault(f"{status}: {NUMBER.sub('#', text)}", []).append(error)
    worst = sorted(kinds.values(), key=len, reverse=True)
    return [f"  {len(same)} times: {same[0]}" for same in worst[:3]]
