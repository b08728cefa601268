"""Text in columns, each as wide as its widest cell: how every plain table of the bench is set."""

from collections.abc import Sequence


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows as lines, indented by two; all rows are of one length."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    padded = ([f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)] for row in rows)
    return ["  " + "  ".join(row).rstrip() for row in padded]
