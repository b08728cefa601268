"""Text tables: the layout, the format of figures, and the heading lines of every command's tables.

Nothing is computed here. A figure is printed with its interval; a missing one is a dash.
"""

from collections.abc import Sequence

from bench.records import CandidatesNote, DatasetNote, Estimate, Provenance
from bench.wording import counted

ABSENT = "-"


def text_table(rows: Sequence[Sequence[str]], *, indent: int = 2) -> list[str]:
    """Return the rows as lines, each column as wide as its widest cell; all rows have the same length."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows)
    return [" " * indent + "  ".join(row).rstrip() for row in padded]


def measure_cell(estimate: Estimate) -> str:
    """Format a measure with its interval, as the literature prints it."""
    return cell(estimate, 4)


def cell(estimate: Estimate | None, digits: int) -> str:
    """Format a figure with its interval; a dash if there is none."""
    if estimate is None:
        return ABSENT
    value, low, high = (figure(part, digits) for part in (estimate.value, estimate.low, estimate.high))
    return f"{value} [{low}, {high}]"


def figure(value: float, digits: int) -> str:
    """Format a figure; with four digits as the literature prints measures: .5058."""
    text = f"{value:.{digits}f}"
    return text[1:] if digits == 4 and text.startswith("0.") else text


def server_line(provenance: Provenance) -> str:
    """Describe the server from its own information."""
    server = provenance.server or {}
    facts = [f"{key} {server[key]}" for key in ("model_id", "model_dtype", "device", "version") if key in server]
    return f"{', '.join(facts) or 'no server information'}, at {provenance.url}"


def dataset_lines(note: DatasetNote) -> list[str]:
    """Describe the dataset: size, labels and known problems."""
    lines = [
        f"dataset: {note.name} ({note.split}), {counted(note.judged_queries, 'judged query')}, "
        f"{counted(note.documents, 'document')}"
    ]
    if note.labels:
        lines.append(f"  labels: {note.labels}{'' if note.human_labels else ' (NOT human)'}")
    return [*lines, *(f"  note: {doubt}" for doubt in note.doubts)]


def candidates_line(note: CandidatesNote) -> str:
    """Describe the candidates that every contestant reranked."""
    without = (
        f", none for {counted(note.queries_without_candidates, 'query')}" if note.queries_without_candidates else ""
    )
    return f"  candidates   top {note.depth} of {note.source} (sha256 {note.sha256[:12]}){without}"
