"""The text tables of latency profiles: figures with their intervals, the kind of loop in every row.

A missing figure is a dash; a point whose plan the generator did not keep has the reason instead of percentiles.
"""

from bench.latency.records import LatencyRecord, LatencySummary, PointFigures, ProfileNote
from bench.records import Estimate
from bench.tables import ABSENT, cell, dataset_lines, server_line, text_table
from bench.wording import counted

FEW = 20
"""With fewer successes, a note on the percentiles is printed."""
COLUMNS = ("documents", "P50 ms", "P90 ms", "P99 ms", "mean ms", "documents/s", "errors")


def latency_table(record: LatencyRecord) -> str:
    """Format a profile: rows by dataset, with stages and the generator's sending delay below each row."""
    note = record.note
    lines = [f"latency of {note.profile}, {note.provenance.created_utc}: {server_line(note.provenance)}"]
    for dataset in note.datasets:
        points = [
            at for at in record.points if (at.plan.point.dataset, at.plan.point.split) == (dataset.name, dataset.split)
        ]
        if points:
            lines += [*dataset_lines(dataset), *_rows(points, note)]
    return "\n".join(lines)


def repeated_line(at: PointFigures, note: ProfileNote) -> str | None:
    """Say how many of a point's pairs had been sent before; None if none had, or if they were not counted."""
    repeated, pairs = note.repeated(at.plan), at.plan.requests * at.plan.point.documents
    if not repeated:
        return None
    return (
        f"{repeated} of {pairs} pairs of query and passage ({repeated / pairs:.0%}) were sent before in the same run; "
        f"a server that caches scores did not compute them again"
    )


def _rows(points: list[PointFigures], note: ProfileNote) -> list[str]:
    rows = [("[95 % interval]", *COLUMNS), *((_head(at), *_cells(at)) for at in points)]
    head, *body = text_table(rows)
    lines = [head]
    for row, at in zip(body, points, strict=True):
        repeated = repeated_line(at, note)
        lines += [row, *(f"    {line}" for line in [*_notes(at), *([f"note: {repeated}"] if repeated else [])])]
    return lines


def _head(at: PointFigures) -> str:
    point = at.plan.point
    return point.load if point.length == "any" else f"{point.load}, {point.length}"


def _cells(at: PointFigures) -> tuple[str, ...]:
    of = at.summary
    measured = (of.p50_ms, of.p90_ms, of.p99_ms, of.mean_ms, of.documents_per_s)
    return (
        str(at.plan.point.documents),
        *(cell(estimate, 1) for estimate in measured),
        f"{of.errors} of {of.requests} ({of.error_rate:.1%})",
    )


def _notes(at: PointFigures) -> list[str]:
    plan, of = at.plan, at.summary
    late = of.lateness
    rounds = f" in {counted(plan.rounds, 'round')}" if plan.rounds > 1 else ""
    kept = f"sending delay P50 {late.p50_ms:.1f}, P99 {late.p99_ms:.1f}, max {late.max_ms:.1f} ms"
    lines = [f"{counted(plan.requests, 'request')}{rounds} after {counted(plan.warm_up, 'warm-up request')}; {kept}"]
    if plan.point.length != "any":
        lines.append(f"documents of {plan.low_characters} to {plan.high_characters} characters")
    if of.refused:
        lines.append(f"no percentiles: {of.refused}")
    if of.first_byte_p50_ms and of.first_byte_p90_ms:
        first_byte = f"first byte P50 {of.first_byte_p50_ms.value:.1f}, P90 {of.first_byte_p90_ms.value:.1f} ms"
        lines.append(f"{first_byte}; tokens/s {cell(of.tokens_per_s, 0)}")
    if of.stages_p50_ms:
        lines.append(f"stages P50 / P90 ms: {_stages(of)}")
    if plan.filled_documents:
        lines.append(f"note: {counted(plan.filled_documents, 'document')} taken from the corpus for lack of candidates")
    successes = of.requests - of.errors
    if 0 < successes < FEW and not of.refused:
        lines.append(f"note: the percentiles are of only {counted(successes, 'answer')}")
    return lines + of.reasons


def _stages(of: LatencySummary) -> str:
    def value(estimate: Estimate | None) -> str:
        return ABSENT if estimate is None else f"{estimate.value:.2f}"

    return ", ".join(
        f"{stage} {value(p50)} / {value(of.stages_p90_ms.get(stage))}" for stage, p50 in of.stages_p50_ms.items()
    )
