"""The accuracy stage: obtains one contestant's missing rankings of one dataset and computes the record.

    dataset ─ select ─▶ Selection ─ missing ─▶ rerank ─▶ <contestant>.jsonl ─ compute_record ─▶ <contestant>.json

Shared by `rerank-bench run` and `bench.quickstart`, so that both measure in the same way. The stage checks that a
reranker answers at the URL before it sends the first measured request. It requests only the rankings that are missing
in the results folder; if none are, it says so and computes the record again, for which no server is needed. A
contestant's files are locked from the first reading to the last writing, so that one process at a time does this.
"""

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import provenance
from bench.accuracy.owners import dataset_name, of_contestant, of_dataset
from bench.accuracy.rankings import Rankings, if_locked, open_log, read, read_if_there
from bench.accuracy.record import compute_record
from bench.accuracy.rerank import rank_by_reference, rerank
from bench.accuracy.resume import check_same_run, check_same_server, missing, model_sentence
from bench.accuracy.selection import Selection, select
from bench.candidates.candidates import Candidates
from bench.client.client import Client
from bench.contestants.contestant import Contestant
from bench.contestants.reference import Reference
from bench.data.datasets import Dataset
from bench.file_lock import FileLock
from bench.names import own_path
from bench.records import AccuracyRecord, Provenance, RankingsHeader
from bench.storage import check_writable, write_json

INFO_TIMEOUT_S = 10.0
"""Seconds to wait for GET /info where nothing else is requested."""


@dataclass(frozen=True)
class AccuracySettings:
    """The settings of an accuracy run."""

    concurrency: int = 2
    limit: int | None = None
    seed: int = 0
    timeout_s: float = 120.0
    measures: tuple[str, ...] = ()
    """Names of additional measures."""


def accuracy_folder(results: Path, dataset: Dataset) -> Path:
    """Return the folder of a dataset's candidates, rankings and accuracy records, one per split."""
    name, split = dataset.name, dataset.split
    is_own = of_dataset(name, split)
    return own_path(results / "accuracy", dataset_name(name, split), "", is_own, exact=f"{name}/{split}")


def measure_accuracy(
    contestant: Contestant | Reference,
    dataset: Dataset,
    candidates: Candidates,
    folder: Path,
    settings: AccuracySettings,
    say: Callable[[str], object] = print,
) -> AccuracyRecord:
    """Obtain the rankings that `folder` lacks, and compute the record of all of them.

    Args:
        contestant: the contestant to measure.
        dataset: the whole split, from which `settings.limit` samples.
        candidates: the candidates frozen in `folder`.
        folder: the dataset's results folder; `<contestant>.jsonl` and `<contestant>.json` are written to it.
        settings: the settings of this run.
        say: receives a sentence if nothing was missing, so that nothing was requested.

    Raises:
        BenchError: the folder has results of another run, cannot be written, another process is writing these results,
            no reranker answers, or the server now has another model than the one whose rankings are in the folder.
    """
    rankings_path = own_path(folder, contestant.name, ".jsonl", of_contestant(contestant.note()))
    record_path = rankings_path.with_suffix(".json")
    with FileLock(record_path, if_locked(rankings_path)):
        check_writable(record_path)
        rankings = _complete(contestant, dataset, candidates, rankings_path, settings, say)
        record = _record(contestant, dataset, candidates, rankings, settings)
        write_json(record, record_path)
    return record


def _complete(
    contestant: Contestant | Reference,
    dataset: Dataset,
    candidates: Candidates,
    path: Path,
    settings: AccuracySettings,
    say: Callable[[str], object],
) -> Rankings:
    """Return the rankings in the file after those that it lacked were added."""
    selection = select(dataset, settings.limit, settings.seed)
    rankings = read_if_there(path)
    check_same_run(path, rankings, contestant.note(), dataset, candidates)
    if rankings is not None and not missing(selection, candidates, rankings):
        say(asyncio.run(_nothing_missing(contestant, dataset, path, rankings, settings)))
        return rankings
    if isinstance(contestant, Reference):
        _add_missing_by_reference(contestant, selection, candidates, path, settings)
    else:
        asyncio.run(_add_missing(contestant, selection, candidates, path, settings))
    return read(path)


async def _nothing_missing(
    contestant: Contestant | Reference, dataset: Dataset, path: Path, rankings: Rankings, settings: AccuracySettings
) -> str:
    """Check that the server still has the model of the rankings, if it answers, and describe what was done."""
    what = f"{contestant.name} on {dataset.name}: {path} already has every ranking, so nothing was requested"
    if isinstance(contestant, Reference):
        return what
    async with Client(contestant, timeout_s=min(settings.timeout_s, INFO_TIMEOUT_S), connections=1) as client:
        server = await client.info()
    check_same_server(path, rankings, server)
    return f"{what}; {model_sentence(rankings, server, contestant.url)}"


def _record(
    contestant: Contestant | Reference,
    dataset: Dataset,
    candidates: Candidates,
    rankings: Rankings,
    settings: AccuracySettings,
) -> AccuracyRecord:
    session = rankings.headers[-1].provenance
    return compute_record(
        rankings,
        select(dataset, settings.limit, settings.seed),
        candidates,
        provenance.gather(session.url, session.server, asdict(settings)),
        price=contestant.price if isinstance(contestant, Contestant) else None,
        seed=settings.seed,
        further=settings.measures,
    )


async def _add_missing(
    contestant: Contestant, selection: Selection, candidates: Candidates, path: Path, settings: AccuracySettings
) -> None:
    """Request the missing rankings from the server; if it cannot be reached, nothing is written to the file."""
    concurrency = contestant.concurrency or settings.concurrency
    async with Client(contestant, timeout_s=settings.timeout_s, connections=concurrency) as client:
        await client.check()
        server = await client.info()
        with open_log(path) as log:
            rankings = read_if_there(path)  # read again: the file is locked from here on
            check_same_server(path, rankings, server)
            used = asdict(settings) | {"concurrency": concurrency, "per_minute": contestant.per_minute}
            session = provenance.gather(client.url, server, used)
            log.append(_header(session, contestant, selection, candidates))
            query_ids = missing(selection, candidates, rankings)
            failed_before = rankings.failures.keys() if rankings else ()
            await rerank(client, selection.dataset, candidates, query_ids, log, concurrency, failed_before)


def _add_missing_by_reference(
    reference: Reference, selection: Selection, candidates: Candidates, path: Path, settings: AccuracySettings
) -> None:
    """Add the rankings of a reference that the file lacks."""
    with open_log(path) as log:
        query_ids = missing(selection, candidates, read_if_there(path))
        session = provenance.gather(None, None, asdict(settings))
        log.append(_header(session, reference, selection, candidates))
        rank_by_reference(reference, selection.dataset, candidates, query_ids, log)


def _header(
    session: Provenance, contestant: Contestant | Reference, selection: Selection, candidates: Candidates
) -> RankingsHeader:
    return RankingsHeader(session, contestant.note(), selection.dataset.note(), candidates.note())
