"""Ratios of two profiles' figures, with the decision whether a difference is shown.

**The rule.** At every point both profiles are resampled by blocks (`blocks.py`), with the same draws where they have
the same plan: then block i of both was the same requests at the same moments, and in one run the same minutes, and
what they share cancels. The standard error of a ratio's logarithm is the standard deviation of its resamples, times
√(k / (k-1)) for k blocks. Its interval is the ratio times or over e^(c · error), where c is such that all intervals of
the comparison hold at once in 95 of 100 repetitions: the 95 % quantile of the largest |deviation| over its error in a
resample, widened by √((k-1) / χ²(k-1)) because k blocks tell the error only so well (the maximum modulus of Romano and
Wolf, 2005, with Student's correction). A difference is shown where the interval excludes 1. So many figures may be
looked at without one of them being "slower" by luck.

A percentile needs at least five answers beyond it in both profiles; with less its ratio is given and never judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

import numpy as np

from bench.bootstrap import RESAMPLES
from bench.latency import figures
from bench.latency.blocks import blocks, draws
from bench.latency.observations import Floats, Integers, Observations
from bench.latency.records import Point, Ratio
from bench.wording import counted

LEVEL = 0.95
NEEDED = {"P50": 10, "P90": 50, "P99": 500}
"""Minimum number of answers for judging a percentile; all other figures need as many as P50."""
FEWEST_BLOCKS = 5
SMALLEST = 1e-3
"""In milliseconds: a stage of 0 is replaced by a microsecond, the resolution of Server-Timing."""
HEADLINE = ("P50", "P90", "P99", "mean", "documents/s")


@dataclass(frozen=True)
class PointPair:
    """The observations of two profiles at one point."""

    point: Point
    a: Observations
    b: Observations
    same_plan: bool


@dataclass(frozen=True)
class _Figure:
    """One figure at one point, in every resample."""

    point: Point
    name: str
    stage: bool
    a: float
    b: float
    log_ratios: Floats
    blocks: int
    why_not_judged: str | None


def ratios(pairs: Sequence[PointPair], seed: int = 0) -> list[Ratio]:
    """Return the ratio of every figure that both profiles have at every point, with its interval."""
    every = [figure for index, pair in enumerate(pairs) for figure in _figures(pair, [seed, index])]
    judged = [figure for figure in every if figure.why_not_judged is None]
    widths = dict(zip(map(id, judged), _half_widths(judged, seed), strict=True))
    return [_ratio(figure, widths.get(id(figure))) for figure in every]


def is_slower_than(ratio: Ratio, factor: float) -> bool:
    """Tell whether B is shown to be slower than `factor` times A: the whole interval lies beyond it."""
    if ratio.low is None or ratio.high is None:
        return False
    return ratio.high < 1 / factor if ratio.figure in figures.RATES else ratio.low > factor


def _ratio(figure: _Figure, half_width: float | None) -> Ratio:
    ratio = figure.b / figure.a
    low, high = (None, None) if half_width is None else (ratio * exp(-half_width), ratio * exp(half_width))
    return Ratio(
        point=figure.point,
        figure=figure.name,
        stage=figure.stage,
        a=figure.a,
        b=figure.b,
        ratio=ratio,
        low=low,
        high=high,
        verdict=_verdict(figure.name, low, high),
        why_not_judged=figure.why_not_judged,
    )


def _verdict(figure: str, low: float | None, high: float | None) -> str:
    if low is None or high is None or low <= 1 <= high:
        return "no difference shown"
    return "faster" if (low > 1) == (figure in figures.RATES) else "slower"


def _half_widths(judged: Sequence[_Figure], seed: int) -> list[float]:
    """Return half the width of every interval of the logarithms, such that all intervals hold at once."""
    if not judged:
        return []
    resampled = np.stack([figure.log_ratios for figure in judged], axis=1)
    count = np.array([figure.blocks for figure in judged], dtype=np.float64)
    spread = resampled.std(axis=0, ddof=1)
    deviations = np.abs(resampled - resampled.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    draw = np.random.default_rng(seed)
    chi2 = {name: draw.chisquare(k - 1, RESAMPLES) / (k - 1) for name, k in {f.point: f.blocks for f in judged}.items()}
    widened = deviations / np.sqrt(np.stack([chi2[figure.point] for figure in judged], axis=1))
    critical = float(np.quantile(widened.max(axis=1), LEVEL))
    return list(critical * spread * np.sqrt(count / (count - 1)))


def _figures(pair: PointPair, seed: Sequence[int]) -> list[_Figure]:
    a, b = _resampled(pair.a, seed), _resampled(pair.b, seed if pair.same_plan else [*seed, 1])
    fewest = min(a.blocks, b.blocks)
    answers = min(int(pair.a.succeeded.sum()), int(pair.b.succeeded.sum()))
    shared = []
    for name in a.values:
        if name in b.values and min(a.values[name], b.values[name]) >= 0:
            log_ratios = _log(b.resampled[name]) - _log(a.resampled[name])
            shared.append(
                _Figure(
                    point=pair.point,
                    name=name,
                    stage=name not in HEADLINE,
                    a=max(a.values[name], SMALLEST),
                    b=max(b.values[name], SMALLEST),
                    log_ratios=log_ratios,
                    blocks=fewest,
                    why_not_judged=_why_not(name, answers, fewest, log_ratios),
                )
            )
    return shared


def _why_not(name: str, answers: int, count: int, log_ratios: Floats) -> str | None:
    needed = NEEDED.get(name.rpartition(" ")[2], NEEDED["P50"])
    if answers < needed:
        return f"{counted(answers, 'answer')}, but {needed} are needed"
    if count < FEWEST_BLOCKS or not np.isfinite(log_ratios).all():
        return "too few answers to estimate its variation"
    return None


@dataclass(frozen=True)
class _Resampled:
    values: dict[str, float]
    resampled: figures.Resampled
    blocks: int


def _resampled(of: Observations, seed: Sequence[int]) -> _Resampled:
    block = blocks(of.round)
    count = int(block.max()) + 1
    whole: Integers = np.ones((1, len(block)), dtype=np.int64)
    values = {name: float(figure[0]) for name, figure in _named(of, whole).items()}
    return _Resampled(values, _named(of, draws(count, seed)[:, block]), count)


def _named(of: Observations, weights: Integers) -> figures.Resampled:
    """Return the compared figures by name; a stage's figures are named after the stage."""
    headline = figures.headline(of, weights)
    named = {name: headline[name] for name in HEADLINE if name in headline}
    for stage, at in figures.stages(of, weights).items():
        named |= {f"{stage} P50": at.p50, f"{stage} P90": at.p90}
    return named


def _log(values: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(values, SMALLEST)), dtype=np.float64)
