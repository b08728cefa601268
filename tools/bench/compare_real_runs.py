"""Measure how often `compare` errs on recorded runs of the same build.

    python -m tools.bench.compare_real_runs A.parquet B.parquet

A and B were measured alternately by one command. If they do not differ, the names of the two turns of a round can be
swapped. For each of 100 seeds the turns are swapped at random and compared; the same is done with A's own rounds split
at random into two halves. Then B is slowed by a fifth, with its recorded noise, and compared again. All figures of all
points are included, and those of the server's stages.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from bench.latency import samples
from bench.latency.observations import Integers, Observations
from bench.latency.ratios import PointPair, ratios
from bench.latency.records import Point, Ratio

SEEDS = 100
SLOWED = 1.2
Both = dict[Point, tuple[Observations, Observations]]


@click.command()
@click.argument("a_file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("b_file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(a_file: Path, b_file: Path) -> None:
    """Compare two recorded runs, A_FILE and B_FILE, many times and print how often a difference is shown.

    Prints how many comparisons show no difference where there is none, and by which figures a slowdown is shown.
    """
    a, b = samples.read(a_file), samples.read(b_file)
    both = {plan.point: (a.observations(place), b.observations(place)) for place, plan in enumerate(a.note.plans)}
    for way, made in (("turns swapped", _swapped), ("A's rounds split into halves", _halves)):
        runs = [_compare(made(both, np.random.default_rng(seed)), same_plan=made is _swapped) for seed in range(SEEDS)]
        silent = sum(all(ratio.verdict == "no difference shown" for ratio in run) for run in runs)
        click.echo(f"{way}: no difference shown in {silent} of {SEEDS} ({len(runs[0])} figures each)")
    runs = [_compare(_slowed(_swapped(both, np.random.default_rng(seed))), same_plan=True) for seed in range(SEEDS)]
    for point in both:
        shown = {
            ratio.figure: sum(_of(run, point, ratio.figure).verdict == "slower" for run in runs)
            for ratio in runs[0]
            if ratio.point == point and not ratio.stage and ratio.why_not_judged is None
        }
        click.echo(f"slowed by a fifth, {point}: shown in {shown} of {SEEDS}")


def _compare(both: Both, *, same_plan: bool) -> list[Ratio]:
    return ratios([PointPair(point, a, b, same_plan) for point, (a, b) in both.items()])


def _of(run: Sequence[Ratio], point: Point, figure: str) -> Ratio:
    return next(ratio for ratio in run if (ratio.point, ratio.figure) == (point, figure))


def _swapped(both: Both, draw: np.random.Generator) -> Both:
    made: Both = {}
    for point, (a, b) in both.items():
        swap = draw.random(int(a.round.max()) + 1) < 0.5
        made[point] = (_mixed(a, b, swap[a.round]), _mixed(b, a, swap[a.round]))
    return made


def _mixed(a: Observations, b: Observations, of_b: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Observations:
    """Return A's rows, or B's where `of_b`; both have the same requests in the same rounds."""
    columns = {
        name: np.where(of_b, getattr(b, name), getattr(a, name))
        for name in ("planned_s", "sent_s", "first_byte_s", "done_s", "documents", "tokens", "busy")
    }
    errors = [right if other else left for left, right, other in zip(a.errors, b.errors, of_b, strict=True)]
    stages = {stage: np.where(of_b, b.stages_ms[stage], a.stages_ms[stage]) for stage in a.stages_ms}
    return replace(a, errors=errors, stages_ms=stages, **columns)


def _halves(both: Both, draw: np.random.Generator) -> Both:
    made: Both = {}
    for point, (a, _) in both.items():
        order = draw.permutation(int(a.round.max()) + 1)
        half = len(order) // 2
        made[point] = (_rounds(a, order[:half]), _rounds(a, order[half:]))
    return made


def _rounds(of: Observations, numbers: Integers) -> Observations:
    rows = np.concatenate([np.flatnonzero(of.round == number) for number in numbers])
    columns = {
        name: getattr(of, name)[rows]
        for name in ("planned_s", "sent_s", "first_byte_s", "done_s", "documents", "tokens", "busy")
    }
    renumbered = np.concatenate([np.full((of.round == n).sum(), place) for place, n in enumerate(numbers)])
    stages = {stage: values[rows] for stage, values in of.stages_ms.items()}
    return replace(of, round=renumbered, errors=[of.errors[row] for row in rows], stages_ms=stages, **columns)


def _slowed(both: Both) -> Both:
    """Make every duration of B longer by a fifth; in a closed loop the next request is also sent that much later."""
    made: Both = {}
    for point, (a, b) in both.items():
        planned_s = b.planned_s * (SLOWED if point.loop == "closed" else 1)
        slow = replace(
            b,
            planned_s=planned_s,
            sent_s=planned_s,
            first_byte_s=planned_s + SLOWED * (b.first_byte_s - b.planned_s),
            done_s=planned_s + SLOWED * (b.done_s - b.planned_s),
            stages_ms={stage: SLOWED * values for stage, values in b.stages_ms.items()},
        )
        made[point] = (a, slow)
    return made


if __name__ == "__main__":
    main()
