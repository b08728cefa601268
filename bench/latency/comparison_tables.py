"""Formats a comparison as text: a table for the terminal, or Markdown for a web page or a review."""

from collections.abc import Sequence

from bench.latency.records import Comparison, Ratio
from bench.tables import ABSENT, text_table
from bench.wording import counted

HEAD = ("", "A", "B", "B / A", "interval", "verdict")


def comparison_table(comparison: Comparison) -> str:
    """Format one block per point with one figure per line."""
    lines = [f"A = {comparison.a}, B = {comparison.b}; times in ms", *_remarks(comparison)]
    for point, rows in _by_point(comparison.ratios):
        lines += [point, *text_table([HEAD, *(_cells(ratio) for ratio in rows)])]
    return "\n".join([*lines, summary(comparison)])


def comparison_markdown(comparison: Comparison) -> str:
    """Format the same as Markdown."""
    lines = [
        f"**{comparison.b} compared with {comparison.a}** (times in ms)",
        "",
        *(f"- {r}" for r in _remarks(comparison)),
    ]
    for point, rows in _by_point(comparison.ratios):
        lines += ["", f"{point}", "", _pipes(["figure", *HEAD[1:]]), _pipes(["---", *["---:"] * 4, "---"])]
        lines += [_pipes(_cells(ratio)) for ratio in rows]
    return "\n".join([*lines, "", summary(comparison)])


def summary(comparison: Comparison) -> str:
    """Return how many figures differ, stages not counted."""
    of = [ratio for ratio in comparison.ratios if not ratio.stage]
    counts = {verdict: sum(ratio.verdict == verdict for ratio in of) for verdict in ("faster", "slower")}
    shown = ", ".join(f"{verdict} in {count}" for verdict, count in counts.items() if count)
    return (
        f"{comparison.b} compared with {comparison.a}: {shown or 'no difference shown'} (of "
        f"{counted(len(of), 'figure')})"
    )


def _remarks(comparison: Comparison) -> list[str]:
    return [
        *(f"DIFFERS: {line}" for line in comparison.differing),
        *(f"note: {line}" for line in comparison.noted),
        *(f"not compared: {line}" for line in comparison.not_compared),
        *(f"more errors: {line}" for line in comparison.more_errors),
    ]


def _by_point(ratios: Sequence[Ratio]) -> list[tuple[str, list[Ratio]]]:
    by_point: dict[str, list[Ratio]] = {}
    for ratio in ratios:
        by_point.setdefault(str(ratio.point), []).append(ratio)
    return list(by_point.items())


def _cells(ratio: Ratio) -> tuple[str, ...]:
    interval = ABSENT if ratio.low is None or ratio.high is None else f"[{ratio.low:.3f}, {ratio.high:.3f}]"
    verdict = f"{ratio.verdict} ({ratio.why_not_judged})" if ratio.why_not_judged else ratio.verdict
    digits = 3 if ratio.stage else 1
    return (ratio.figure, f"{ratio.a:.{digits}f}", f"{ratio.b:.{digits}f}", f"{ratio.ratio:.3f}", interval, verdict)


def _pipes(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
