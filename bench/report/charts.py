"""The charts: small SVG figures drawn by matplotlib and coloured by the page's style sheet.

All are made for a column of 360 pixels, so that a phone shows one and a wide screen several side by side. A contestant
has the same colour throughout the site, and every chart's figures are in a table as well.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from bench.records import Estimate
from bench.report.svg import INK, MUTED, STYLE, inline, series_colour

WIDTH_IN = 5.0
"""360 points."""
STAGE_ORDER = ("tokenise", "queue", "inference")


@dataclass(frozen=True)
class Chart:
    """A chart with its caption, and the names of its series with their colour numbers."""

    svg: Markup
    caption: str
    legend: Sequence[tuple[str, int]] = ()


@dataclass(frozen=True)
class Series:
    """A named series with the number of its colour."""

    name: str
    colour: int


@dataclass(frozen=True)
class Dot:
    """A row of a dot chart."""

    label: str
    estimate: Estimate
    colour: int = 0


@dataclass(frozen=True)
class Line:
    """A line: estimates `y` at the coordinates `x`."""

    series: Series
    x: Sequence[float]
    y: Sequence[Estimate]


def dots(key: str, caption: str, rows: Sequence[Dot], axis: str, reference: float | None = None) -> Chart:
    """Draw a figure with its interval for each row, the first row on top."""

    def draw(axes: Axes) -> None:
        heights = list(range(len(rows)))[::-1]
        for height, row in zip(heights, rows, strict=True):
            colour, at = series_colour(row.colour), row.estimate
            axes.plot([at.low, at.high], [height, height], color=colour, linewidth=1.5, solid_capstyle="butt")
            axes.plot([at.value], [height], "o", color=colour, markersize=5)
        axes.set_yticks(heights, [row.label for row in rows])
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.tick_params(axis="y", labelcolor=INK)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(axis)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        if reference is not None:
            axes.axvline(reference, color=MUTED, linewidth=1, linestyle=(0, (3, 3)))

    return Chart(_drawn(key, caption, draw, height_in=0.62 + 0.27 * max(2, len(rows))), caption)


def ecdf(key: str, caption: str, samples: Sequence[tuple[Series, NDArray[np.float64]]], axis: str) -> Chart:
    """Draw empirical distribution functions on a logarithmic axis."""

    def draw(axes: Axes) -> None:
        for series, values in samples:
            axes.step(*_steps(values), where="post", color=series_colour(series.colour))
        axes.set_xscale("log")
        _plain_log(axes, np.concatenate([values for _, values in samples]))
        axes.set_ylim(0, 1.02)
        axes.set_yticks([0, 0.5, 0.9, 1], ["0", ".5", ".9", "1"])
        axes.set_xlabel(axis)
        axes.set_ylabel("share of answers")

    return Chart(_drawn(key, caption, draw), caption, _legend([series for series, _ in samples]))


def lines(key: str, caption: str, drawn: Sequence[Line], axes_names: tuple[str, str]) -> Chart:
    """Draw lines with their intervals as bands."""

    def draw(axes: Axes) -> None:
        for line in drawn:
            colour = series_colour(line.series.colour)
            low, value, high = ([getattr(at, part) for at in line.y] for part in ("low", "value", "high"))
            axes.fill_between(line.x, low, high, color=colour, alpha=0.18, linewidth=0)
            axes.plot(line.x, value, "o-", color=colour, markersize=4)
        ticks = sorted({tick for line in drawn for tick in line.x})
        if len(ticks) > 1 and ticks[-1] / ticks[0] >= 8:
            axes.set_xscale("log")
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel(axes_names[0])
        axes.set_ylabel(axes_names[1])

    return Chart(_drawn(key, caption, draw), caption, _legend([line.series for line in drawn]))


def bars(key: str, caption: str, rows: Sequence[tuple[str, dict[str, float]]], axis: str) -> Chart:
    """Draw one group of bars per row, one bar per stage."""
    present = dict.fromkeys(stage for _, stages in rows for stage in stages)
    stages = sorted(present, key=lambda name: STAGE_ORDER.index(name) if name in STAGE_ORDER else len(STAGE_ORDER))

    def draw(axes: Axes) -> None:
        thick = 0.8 / len(stages)
        for number, stage in enumerate(stages):
            heights = [len(rows) - 1 - row + 0.4 - thick * (number + 0.5) for row in range(len(rows))]
            axes.barh(heights, [of.get(stage, 0.0) for _, of in rows], height=thick * 0.86, color=series_colour(number))
        axes.set_yticks(range(len(rows))[::-1], [name for name, _ in rows])
        axes.tick_params(axis="y", labelcolor=INK)
        axes.set_ylim(-0.5, len(rows) - 0.5)
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel(axis)

    height_in = 0.62 + 0.17 * len(rows) * (len(stages) + 0.6)
    legend = [(stage, number) for number, stage in enumerate(stages)]
    return Chart(_drawn(key, caption, draw, height_in=height_in), caption, legend)


def histogram(key: str, caption: str, series: Sequence[tuple[Series, Sequence[float]]], axis: str) -> Chart:
    """Draw a histogram of a measure over queries in ten bins; the second series is an outline over the first."""
    edges = np.linspace(0, 1, 11)

    def draw(axes: Axes) -> None:
        for number, (of, values) in enumerate(series):
            counts, _ = np.histogram(values, bins=edges)
            colour = series_colour(of.colour) if number == 0 else INK
            axes.stairs(counts, edges, fill=number == 0, color=colour, alpha=0.55 if number == 0 else 1, linewidth=1.2)
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.set_xlabel(axis)
        axes.set_ylabel("queries")

    return Chart(_drawn(key, caption, draw, height_in=2.0), caption)


def _drawn(key: str, title: str, draw: Callable[[Axes], None], height_in: float = 2.6) -> Markup:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
        axes = figure.add_subplot()
        draw(axes)
    return inline(figure, key, title)


def _legend(series: Sequence[Series]) -> list[tuple[str, int]]:
    return [(each.name, each.colour) for each in series]


def _steps(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    ordered = np.sort(values)
    return np.concatenate([ordered[:1], ordered]), np.linspace(0, 1, len(ordered) + 1)


def _plain_log(axes: Axes, values: NDArray[np.float64]) -> None:
    """Set ticks at 1, 2 and 5 times powers of ten, labelled as plain numbers."""
    low, high = float(values.min()), float(values.max())
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    ticks = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
    shown = [tick for tick in ticks if low / 1.5 <= tick <= high * 1.5]
    axes.set_xlim(low / 1.15, high * 1.15)
    axes.xaxis.set_major_locator(FixedLocator(shown))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
