"""Formats published figures as text, in columns of their own with label, source and date.

A figure that was not published is a dash; nothing is converted, ranked or averaged.
"""

from collections.abc import Iterable

from bench.published.published import Figures, PublishedRecord, PublishedSource
from bench.tables import ABSENT, text_table


def published_table(record: PublishedRecord) -> str:
    """Format every source as a block of its own."""
    return "\n".join(line for source in record.sources for line in _block(source))


def published_figure(record: PublishedRecord | None, contestant: str, figure: str) -> float | None:
    """Return an overall figure that was published of the contestant."""
    for source in record.sources if record else []:
        for entry in source.contestants:
            if figure in entry.overall and is_of(entry.contestant, contestant):
                return entry.overall[figure]
    return None


def is_of(published: str, contestant: str) -> bool:
    """Tell whether a published name is the contestant's, or its end after a dash or slash; case is ignored."""
    ours, theirs = contestant.lower(), published.lower()
    return ours == theirs or ours.endswith((f"-{theirs}", f"/{theirs}"))


def unmatched_sentence(record: PublishedRecord | None, contestants: Iterable[str]) -> str | None:
    """Return why no imported figure stands beside a contestant; None if one does, or if there are none."""
    sources = record.sources if record else []
    published = sorted({entry.contestant for source in sources for entry in source.contestants})
    if not published or any(is_of(name, contestant) for name in published for contestant in contestants):
        return None
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
