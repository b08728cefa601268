"""`rerank-bench compare`: tells whether one latency profile is faster than another beyond chance."""

from collections.abc import Callable
from pathlib import Path

import click
import msgspec

from bench.commands.flags import RESULTS, FiniteRange
from bench.errors import BenchError, DataError
from bench.latency import samples
from bench.latency.comparison import compare, failures
from bench.latency.comparison_tables import comparison_markdown, comparison_table
from bench.latency.files import FIGURES, SAMPLES, profile_path
from bench.latency.records import Comparison
from bench.names import typed_name

SHOWN: dict[str, Callable[[Comparison], str]] = {"table": comparison_table, "markdown": comparison_markdown}


@click.command("compare", short_help="Compare latency profiles.")
@click.argument("profiles", nargs=-1, required=True, metavar="A B [C …]")
@RESULTS
@click.option(
    "--format", "shape", type=click.Choice(["table", "json", "markdown"]), default="table", help="Output format."
)
@click.option(
    "--fail-over",
    type=FiniteRange(min=1),
    metavar="FACTOR",
    help="Exit with code 1 if P50, P90, P99, mean or documents/s is worse than A's by more than this factor (the whole "
    "interval lies beyond it), if more requests fail, or if a point of A cannot be compared.",
)
@click.option("--force", is_flag=True, help="Compare even if the texts, the machine or the device differ.")
@click.option("--seed", type=int, default=0, help="Random seed for the resampling.")
def compare_command(
    profiles: tuple[str, ...], results: Path, shape: str, fail_over: float | None, force: bool, seed: int
) -> None:
    """Compare the latency, throughput and stage times of B, C … with those of A, each with an interval and a verdict.

    A profile is a name in --results, or a path to its .parquet or .json file. A difference counts as shown if the
    ratio's interval excludes 1. The intervals are simultaneous: all of them hold in 95 of 100 repetitions, however many
    figures are compared.
    """
    if len(profiles) < 2:
        raise click.UsageError("give at least two profiles: A and one or more to compare with it")
    first, *others = [samples.read(_find(profile, results)) for profile in profiles]
    comparisons = [compare(first, other, seed) for other in others]
    _refuse(comparisons, force=force)
    _show(comparisons, shape)
    if fail_over is not None:
        _gate(comparisons, fail_over)


def _find(profile: str, results: Path) -> Path:
    """Return the samples file of a profile that is given as a path or a name."""
    path = Path(profile)
    if path.suffix in (SAMPLES, FIGURES):
        return path.with_suffix(SAMPLES)
    samples_path = profile_path(results, typed_name(profile))
    if samples_path.exists():
        return samples_path
    folder = samples_path.parent
    files = {other.stem: other for other in sorted(folder.glob(f"*{SAMPLES}"))}
    if profile in files:  # renamed since it was measured
        return files[profile]
    profiles = ", ".join(note.profile for other in files.values() if (note := samples.read_note(other))) or "none"
    raise DataError(f"there is no profile {profile!r} in {folder}; available profiles: {profiles}")


def _refuse(comparisons: list[Comparison], *, force: bool) -> None:
    for of in comparisons:
        if of.differing and not force:
            raise BenchError(
                f"{of.a} and {of.b} cannot be compared: {'; '.join(of.differing)}. Use --force to compare them anyway"
            )
        if not of.ratios:
            raise BenchError(
                f"{of.a} and {of.b} have no point in common: {'; '.join(of.not_compared) or 'both are empty'}"
            )


def _show(comparisons: list[Comparison], shape: str) -> None:
    if shape == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(comparisons), indent=1))
    else:
        click.echo("\n\n".join(SHOWN[shape](comparison) for comparison in comparisons))


def _gate(comparisons: list[Comparison], factor: float) -> None:
    worse = [f"{of.b}, {line}" for of in comparisons for line in failures(of, factor)]
    if worse:
        raise BenchError(f"--fail-over {factor:g} failed: " + "; ".join(worse))
    click.echo(f"--fail-over {factor:g} passed", err=True)
