"""Formats published figures as text, in columns of their own with label, source and date.

A figure that was not published is a dash; nothing is converted, ranked or averaged.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bench.published.published import Figures, PublishedRecord, PublishedSource
from bench.tables import ABSENT, text_table


def published_table(record: PublishedRecord) -> str:
    """Format every source as a block of its own."""
    return "\n".join(line for source in record.sources for line in _block(source))


class PublishedFigure(NamedTuple):
    """An overall figure of a contestant, and who published it."""

    value: float
    source: PublishedSource


def published_figure(record: PublishedRecord | None, contestant: str, figure: str) -> PublishedFigure | None:
    """Return an overall figure that was published of the contestant; None if there is none.

    If several published names fit (`m3` and `bge-reranker-v2-m3`), the longest is the contestant's: the shorter ones
    are of other models. If several sources have it, the first counts.
    """
    fitting = [
        (entry, source)
        for source in (record.sources if record else [])
        for entry in source.contestants
        if figure in entry.overall and is_of(entry.contestant, contestant)
    ]
    if not fitting:
        return None
    entry, source = max(fitting, key=lambda of: len(of[0].contestant))
    return PublishedFigure(entry.overall[figure], source)


def is_of(published: str, contestant: str) -> bool:
    """Tell whether a published name is the contestant's, or its end after a dash or slash; case is ignored."""
    ours, theirs = contestant.lower(), published.lower()
    return ours == theirs or ours.endswith((f"-{theirs}", f"/{theirs}"))


def unmatched_sentence(
    record: PublishedRecord | None, contestants: Iterable[str], figures: Sequence[str]
) -> str | None:
    """Return why none of the overall figures stands beside a contestant; None if one does, or if there are none."""
    entries = [entry for source in (record.sources if record else []) for entry in source.contestants]
    named = [entry for entry in entries if any(is_of(entry.contestant, contestant) for contestant in contestants)]
    if not entries or any(figure in entry.overall for entry in named for figure in figures):
        return None
    if named:
        names = ", ".join(sorted({entry.contestant for entry in named}))
        return f"the imported figures of {names} are others, or of single datasets only"
    published = sorted({entry.contestant for entry in entries})
    return (
        f"the imported figures are of {', '.join(published)}, and no contestant has such a name or one that ends with "
        "it after a dash or slash"
    )


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
