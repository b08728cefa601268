"""The plain tables that the command lines print: figures beside their intervals, never a bare figure.

Reads records and makes text; computes nothing. What could not be measured is printed as a dash, and every oddity a
reader must know of (failed queries, judged passages outside the corpus, filled-up requests) has its line.
"""

import re

from bench.records import AccuracyRecord, CandidatesNote, DatasetNote, Estimate, LatencyRecord, Record

ABSENT = "-"
NUMBER = re.compile(r"\d+")
FEW = 20
"""Successes below which percentiles stand on too little to be printed without a word."""


def heading(record: Record) -> str:
    """What was measured on what: the lines that every figure below them needs."""
    return "\n".join([*_server_lines(record), *dataset_lines(record.dataset)])


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


def accuracy_table(record: AccuracyRecord) -> str:
    """The measures of an accuracy record, the candidates' own order in the row below."""
    names = list(record.measures)
    rows = [
        ("", names),
        ("reranked", [_cell(record.measures[name], 4) for name in names]),
        (
            "BM25" if "bm25" in record.candidates.source.lower() else "first stage",
            [_cell(record.first_stage[name], 4) for name in names],
        ),
    ]
    lines = [
        f"accuracy: {record.queries} of {record.dataset.judged_queries} judged queries; [95 % interval over queries]",
        _candidates_line(record.candidates),
        *(f"  {head:<12} " + " ".join(f"{cell:<24}" for cell in cells).rstrip() for head, cells in rows),
    ]
    if record.failures:
        lines.append(f"  {len(record.failures)} of {record.queries} queries failed and count 0")
    lines += _reasons([sample.error for sample in record.failures if sample.error])
    return "\n".join(lines)


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


def dataset_lines(note: DatasetNote) -> list[str]:
    """What a reader of any figure on this dataset must know of it."""
    lines = [f"dataset: {note.name} ({note.split}), {note.judged_queries} judged queries, {note.documents} documents"]
    if note.labels:
        lines.append(f"  labels: {note.labels}{'' if note.human_labels else ' (NOT human)'}")
    return [*lines, *(f"  note: {doubt}" for doubt in note.doubts)]


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
