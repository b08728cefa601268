"""The accuracy stage: obtains one contestant's missing rankings of one dataset and computes the record.

    dataset ─ select ─▶ Selection ─ missing ─▶ rerank ─▶ <contestant>.jsonl ─ compute_record ─▶ <contestant>.json

Shared by `rerank-bench run` and `bench.quickstart`, so that both measure in the same way. The stage checks that a
reranker answers at the URL before it sends the first measured request. It requests only the rankings that are missing
in the results folder; if none are, it computes the record again without a server.
"""

import asyncio
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import provenance
from bench.accuracy.rankings import open_log, read, read_if_there
from bench.accuracy.record import compute_record
from bench.accuracy.rerank import rank_by_reference, rerank
from bench.accuracy.resume import check_same_run, check_same_server, missing
from bench.accuracy.selection import Selection, select
from bench.candidates.candidates import Candidates
from bench.client.client import Client
from bench.contestants.contestant import Contestant, file_name
from bench.contestants.reference import Reference
from bench.data.datasets import Dataset
from bench.records import AccuracyRecord, Provenance, RankingsHeader
from bench.storage import check_writable, write_json


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
    name = dataset.name if dataset.split == "test" else f"{dataset.name}-{dataset.split}"
    return results / "accuracy" / file_name(name)


def measure_accuracy(
    contestant: Contestant | Reference,
    dataset: Dataset,
    candidates: Candidates,
    folder: Path,
    settings: AccuracySettings,
) -> AccuracyRecord:
    """Obtain the rankings that `folder` lacks, and compute the record of all of them.

    Args:
        contestant: the contestant to measure.
        dataset: the whole split, from which `settings.limit` samples.
        candidates: the candidates frozen in `folder`.
        folder: the dataset's results folder; `<contestant>.jsonl` and `<contestant>.json` are written to it.
        settings: the settings of this run.

    Raises:
        BenchError: the folder has results of another run, cannot be written, or no reranker answers.
    """
    rankings_path, record_path = (folder / f"{contestant.name}{ending}" for ending in (".jsonl", ".json"))
    check_writable(record_path)
    selection = select(dataset, settings.limit, settings.seed)
    rankings = read_if_there(rankings_path)
    check_same_run(rankings_path, rankings, contestant.note(), dataset, candidates)
    if rankings is None or missing(selection, candidates, rankings):
        if isinstance(contestant, Reference):
            _add_missing_by_reference(contestant, selection, candidates, rankings_path, settings)
        else:
            asyncio.run(_add_missing(contestant, selection, candidates, rankings_path, settings))
        rankings = read(rankings_path)
    session = rankings.headers[-1].provenance
    record = compute_record(
        rankings,
        selection,
        candidates,
        provenance.gather(session.url, session.server, asdict(settings)),
        price=contestant.price if isinstance(contestant, Contestant) else None,
        seed=settings.seed,
        further=settings.measures,
    )
    write_json(record, record_path)
    return record


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
