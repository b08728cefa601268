"""`rerank-bench latency`: measures how fast rerankers answer."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from bench.candidates import candidates
from bench.commands.flags import (
    DATA,
    MODEL,
    RESULTS,
    RUN_FILE,
    SPLIT,
    TIMEOUT,
    URL,
    FiniteRange,
    parse_contestants,
    say,
)
from bench.commands.lists import listed
from bench.contestants.contestant import FORM, Contestant
from bench.contestants.reference import Reference
from bench.data import datasets
from bench.errors import BenchError, ContestantError
from bench.latency.files import profile_path
from bench.latency.plan import ARRIVALS, Sweep
from bench.latency.records import LatencyRecord
from bench.latency.stage import measure_latency
from bench.latency.tables import latency_table
from bench.names import typed_name
from bench.settings import Settings

DEPTH = 100
"""Candidates per query; a request with fewer documents takes the first of them."""
ROUNDS = 10
"""Rounds in which several contestants take turns: enough to estimate the noise between rounds."""


@click.command("latency", short_help="Measure latency and throughput.")
@click.option(
    "--contestant",
    "specs",
    multiple=True,
    metavar="SPEC",
    help=f"Contestant to measure: {FORM}; may be repeated, and the contestants then take turns in one run.",
)
@URL
@DATA
@SPLIT
@RUN_FILE
@MODEL
@TIMEOUT
@click.option(
    "--documents",
    callback=listed(click.IntRange(min=1)),
    default="50",
    help="Documents per request; a list such as 1,10,50 measures each.",
)
@click.option(
    "--length",
    "lengths",
    callback=listed(),
    default="any",
    help="Document length: any, short or long (the shortest or longest quarter of the dataset's documents), or bounds "
    "in characters such as 200-400; may be a list.",
)
@click.option(
    "--concurrency",
    callback=listed(click.IntRange(min=1)),
    help="Closed loop: number of clients, each with one request in flight; may be a list such as 1,8.  "
    "[default: 1, without --rate]",
)
@click.option(
    "--rate",
    "rates_per_s",
    callback=listed(FiniteRange(min=0, min_open=True)),
    help="Open loop: requests per second, sent at their planned times however the server responds; may be a list such "
    "as 2,5,10.",
)
@click.option(
    "--arrivals", type=click.Choice(ARRIVALS), default="poisson", help="Arrival process of the open-loop requests."
)
@click.option("--requests", type=click.IntRange(min=1), default=50, help="Measured requests per point.")
@click.option("--warm-up", type=click.IntRange(min=0), default=5, help="Warm-up requests per point, not measured.")
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    help="Number of rounds into which each point's requests are divided; several contestants alternate by round.  "
    f"[default: {ROUNDS} with several contestants, otherwise 1]",
)
@click.option("--seed", type=int, default=0, help="Random seed for the arrival times and the bootstrap.")
@RESULTS
@click.option(
    "--profile", help="Name of the profile; with several contestants, a prefix.  [default: the contestant's name]"
)
@click.option("--anew", is_flag=True, help="Discard the profiles' existing samples and measure everything again.")
def latency_command(
    specs: tuple[str, ...],
    url: str | None,
    names: tuple[str, ...],
    split: str,
    run_file: Path | None,
    model: str | None,
    timeout_s: float,
    documents: tuple[int, ...],
    lengths: tuple[str, ...],
    concurrency: tuple[int, ...],
    rates_per_s: tuple[float, ...],
    arrivals: str,
    requests: int,
    warm_up: int,
    rounds: int | None,
    seed: int,
    results: Path,
    profile: str | None,
    anew: bool,
) -> None:
    """Measure latency percentiles and throughput with real queries and passages, at every point of a sweep.

    Latency is measured from the planned sending time. Failed requests are counted separately, never in the percentiles.
    Every finished round is saved in latency/<profile>.parquet in --results; run the same command again to resume. The
    exit code is 1 if a point has no percentiles: no request succeeded, or the load generator could not keep to its
    plan.
    """
    profile = None if profile is None else typed_name(profile)
    if profile == "":
        raise BenchError("--profile needs a name that is not empty")
    environment = Settings.from_environment()
    contestants = _with_servers(parse_contestants(specs, url, model, environment))
    sweep = Sweep(
        documents=documents,
        lengths=lengths,
        concurrency=concurrency or (() if rates_per_s else (1,)),
        rates_per_s=rates_per_s,
        arrivals=arrivals,
        requests=requests,
        rounds=rounds or (ROUNDS if len(contestants) > 1 else 1),
        warm_up=warm_up,
        seed=seed,
    )
    loaded = [datasets.load(folder, split) for folder in datasets.find_each(names, environment.data_root)]
    sets = [(dataset, candidates.freeze(dataset, max(DEPTH, *documents), run_file)) for dataset in loaded]
    begin_utc = datetime.now(UTC).isoformat(timespec="seconds")
    measured = measure_latency(
        contestants, sets, sweep, results, profile=profile, timeout_s=timeout_s, anew=anew, say=say
    )  # fmt: skip
    _report(measured, results, begin_utc)


def _with_servers(contestants: Sequence[Contestant | Reference]) -> list[Contestant]:
    for reference in contestants:
        if not isinstance(reference, Contestant):
            raise ContestantError(f"{reference.name} has no server, so it has no latency")
    return [contestant for contestant in contestants if isinstance(contestant, Contestant)]


def _report(measured: Sequence[LatencyRecord], results: Path, begin_utc: str) -> None:
    for record in measured:
        click.echo(latency_table(record))
        click.echo(f"profile: {profile_path(results, record.note.profile)}", err=True)
        if record.note.provenance.created_utc < begin_utc:
            click.echo(
                f"  started at {record.note.provenance.created_utc}; existing samples were kept (--anew measures all)",
                err=True,
            )
    empty = [
        f"{record.note.profile}, {at.plan.point}: {at.summary.refused or 'no request succeeded'}"
        for record in measured
        for at in record.points
        if at.summary.p50_ms is None
    ]
    if empty:
        raise BenchError("no latency percentiles for " + "; nor for ".join(empty))
