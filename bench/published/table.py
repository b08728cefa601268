"""Formats published figures as text, in columns of their own with label, source and date.

A figure that was not published is a dash; nothing is converted, ranked or averaged.
"""

from bench.published.published import Figures, PublishedRecord, PublishedSource
from bench.tables import ABSENT, text_table


def published_table(record: PublishedRecord) -> str:
    """Format every source as a block of its own."""
    return "\n".join(line for source in record.sources for line in _block(source))


def published_figure(record: PublishedRecord | None, contestant: str, figure: str) -> float | None:
    """Return an overall figure of the contestant with this name, or whose name ends with the published one."""
    ours = contestant.lower()
    for source in record.sources if record else []:
        for entry in source.contestants:
            theirs = entry.contestant.lower()
            if figure in entry.overall and (ours == theirs or ours.endswith(f"-{theirs}")):
                return entry.overall[figure]
    return None


def _block(source: PublishedSource) -> list[str]:
    rows = [
        (entry.contestant, name or "overall", figures)
        for entry in source.contestants
        for name, figures in [("", entry.overall), *entry.by_dataset.items()]
        if figures
    ]
    names = list(dict.fromkeys(name for _, _, figures in rows for name in figures))
    head = ["contestant", "dataset", *names]
    cells = [head, *([contestant, dataset, *_cells(figures, names)] for contestant, dataset, figures in rows)]
    return [f"{source.label}: {source.source}, {source.date}", *text_table(cells)]


def _cells(figures: Figures, names: list[str]) -> list[str]:
    return [f"{figures[name]:g}" if name in figures else ABSENT for name in names]
