"""The latency stage as the commands run it: measures a sweep and writes one profile per contestant.

Requests every server's information before the first measured request. Rounds that are already in the results folder are
not measured again: if none is missing, no server is needed and the figures are computed from the samples on disk. One
process at a time writes a profile: its files are locked from the first reading to the last writing.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import asdict
from pathlib import Path

from bench import provenance
from bench.candidates.candidates import Candidates
from bench.client.client import Client
from bench.contestants.contestant import Contestant
from bench.data.datasets import Dataset
from bench.errors import BenchError, ServerError
from bench.latency import samples
from bench.latency.files import check_same, check_same_reranker, finish, lock, profile_path
from bench.latency.loops import MOST_IN_FLIGHT
from bench.latency.plan import PointJob, Sweep, jobs, repeated_pairs
from bench.latency.records import LatencyRecord, ProfileNote
from bench.latency.samples import Profile
from bench.latency.sweep import ProfileRun, measure, missing, new_run
from bench.storage import check_writable
from bench.wording import counted

Sets = Sequence[tuple[Dataset, Candidates]]
INFO_TIMEOUT_S = 10.0
"""Seconds to wait for GET /info where nothing else is requested."""


def measure_latency(
    contestants: Sequence[Contestant],
    sets: Sets,
    sweep: Sweep,
    results: Path,
    *,
    profile: str | None = None,
    timeout_s: float = 120.0,
    anew: bool = False,
    say: Callable[[str], object] = print,
) -> list[LatencyRecord]:
    """Measure what is missing in every contestant's profile, and return the figures of all profiles.

    Args:
        contestants: the contestants, which take turns.
        sets: datasets with their candidates.
        sweep: the points and the number of requests.
        results: the results folder; profiles go to `latency/<profile>.parquet` and `.json` in it.
        profile: name of the profile instead of the contestant's name; a prefix if there are several contestants.
        timeout_s: request timeout in seconds.
        anew: discard existing samples.
        say: receives a sentence about every profile if nothing was missing, so that nothing was requested.

    Raises:
        BenchError: another process is writing one of the profiles, a profile is of another measurement, the files
            cannot be written, or no reranker answers.
    """
    paths = [_path(contestant, contestants, results, profile) for contestant in contestants]
    planned = [job for dataset, candidates in sets for job in jobs(sweep, dataset, candidates)]
    with ExitStack() as stack:
        for contestant, path in zip(contestants, paths, strict=True):
            _check_limit(contestant, sweep)
            stack.enter_context(lock(path))
            check_writable(path)
        if anew or not all(_is_complete(path, planned) for path in paths):
            try:
                asyncio.run(_measure(contestants, paths, sets, planned, sweep, timeout_s, profile, anew=anew))
            except ServerError:
                _finish(path for path in paths if path.exists())
                raise
        else:
            asyncio.run(_nothing_missing(contestants, paths, say))
        return _finish(paths)


def _finish(paths: Iterable[Path]) -> list[LatencyRecord]:
    return [finish(samples.read(path), path) for path in paths]


def _path(contestant: Contestant, all_of_them: Sequence[Contestant], results: Path, profile: str | None) -> Path:
    """Return the path of a contestant's samples."""
    if profile is None:
        return profile_path(results, contestant.name, contestant.note())
    return profile_path(results, _name(contestant, all_of_them, profile))


def _name(contestant: Contestant, all_of_them: Sequence[Contestant], profile: str | None) -> str:
    if profile is None:
        return contestant.name
    return profile if len(all_of_them) == 1 else f"{profile}-{contestant.name}"


async def _nothing_missing(
    contestants: Sequence[Contestant], paths: Sequence[Path], say: Callable[[str], object]
) -> None:
    """Check that the samples are of these contestants and, if the servers answer, of their present models."""
    for contestant, path in zip(contestants, paths, strict=True):
        async with Client(contestant, timeout_s=INFO_TIMEOUT_S, connections=1) as client:
            server = await client.info()
        note = samples.read(path).note
        check_same_reranker(path, note, contestant.note(), server)
        known = server is not None and note.provenance.server is not None
        same = (
            f"{client.url} still has the same model and settings"
            if known
            else (f"whether {client.url} still has the same model is not known, because its /info does not answer")
        )
        say(f"{path} already has every round, so nothing was requested; {same}")


def _check_limit(contestant: Contestant, sweep: Sweep) -> None:
    if contestant.concurrency and max(sweep.concurrency, default=0) > contestant.concurrency:
        raise BenchError(
            f"{contestant.name} is limited to {counted(contestant.concurrency, 'concurrent request')}, "
            f"so it cannot be measured with --concurrency {max(sweep.concurrency)}"
        )


def _is_complete(path: Path, planned: Sequence[PointJob]) -> bool:
    if not path.exists():
        return False
    profile = samples.read(path)
    return all(job.plan in profile.note.plans for job in planned) and not missing(profile, planned)


async def _measure(
    contestants: Sequence[Contestant],
    paths: Sequence[Path],
    sets: Sets,
    planned: Sequence[PointJob],
    sweep: Sweep,
    timeout_s: float,
    profile: str | None,
    *,
    anew: bool,
) -> None:
    run, repeated = new_run(), repeated_pairs(planned)
    asked: set[str] = set()
    most = max([*sweep.concurrency, MOST_IN_FLIGHT if sweep.rates_per_s else 1])
    async with AsyncExitStack() as stack:
        profile_runs = []
        for contestant, path in zip(contestants, paths, strict=True):
            client = await stack.enter_async_context(Client(contestant, timeout_s=timeout_s, connections=most))
            await client.check()
            note = ProfileNote(
                profile=_name(contestant, contestants, profile),
                contestant=contestant.note(),
                run=run,
                provenance=provenance.gather(client.url, await client.info(), asdict(sweep) | {"timeout_s": timeout_s}),
                datasets=[dataset.note() for dataset, _ in sets],
                candidates={dataset.name: candidates.note() for dataset, candidates in sets},
                plans=[job.plan for job in planned],
                repeated_pairs=[
                    plan.requests * plan.point.documents if contestant.url in asked else count
                    for plan, count in zip((job.plan for job in planned), repeated, strict=True)
                ],
            )
            asked.add(contestant.url)
            profile_runs.append(ProfileRun(client, path, _going_on(path, note, anew=anew)))
        await measure(profile_runs, planned)


def _going_on(path: Path, note: ProfileNote, *, anew: bool) -> Profile:
    """Return a new profile, or the one at `path` with the new points added; BenchError if they do not match."""
    if anew or not path.exists():
        return samples.start(note)
    before = samples.read(path)
    check_same(path, before.note, note)
    return before.with_plans(note)
