"""The two stages as the commands run them: dataset and candidates in, one record out.

Shared by `rerank-bench` and by `bench.quickstart`, so that both measure the same way. A stage makes sure that a
reranker answers at the URL before it sends its first measured request, and asks the server what it is while it runs.
The accuracy stage asks only for what its results folder lacks; with nothing missing it computes the record again and
asks nobody.
"""

import asyncio
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import provenance
from bench.accuracy import rankings, resume
from bench.accuracy import rerank as run
from bench.candidates.candidates import Candidates
from bench.client.client import Client
from bench.contestants.contestant import Contestant, file_name
from bench.contestants.reference import Reference
from bench.data.datasets import Dataset
from bench.records import AccuracyRecord, Provenance, RankingsHeader
from bench.storage import check_writable, write_json


@dataclass(frozen=True)
class AccuracySettings:
    """What an accuracy run may be told."""

    concurrency: int = 2
    limit: int | None = None
    seed: int = 0
    timeout_s: float = 120.0
    measures: tuple[str, ...] = ()
    """Further measures, by their names in the literature."""


def accuracy_folder(results: Path, dataset: Dataset) -> Path:
    """Where a dataset's candidates, rankings and accuracy records lie; a split other than `test` has its own."""
    name = dataset.name if dataset.split == "test" else f"{dataset.name}-{dataset.split}"
    return results / "accuracy" / file_name(name)


def measure_accuracy(
    contestant: Contestant | Reference, dataset: Dataset, frozen: Candidates, folder: Path, settings: AccuracySettings
) -> AccuracyRecord:
    """Rank the judged queries' candidates where `folder` lacks them, and measure what it then holds.

    Args:
        contestant: who ranks.
        dataset: the whole split; `settings.limit` draws from it.
        frozen: the folder's candidates.
        folder: of the dataset's results; gets `<contestant>.jsonl` and `<contestant>.json`.
        settings: of this run.
    """
    drawn = run.limited(dataset, settings.limit, settings.seed)
    raw_file, record_file = (folder / f"{contestant.name}{ending}" for ending in (".jsonl", ".json"))
    check_writable(record_file)
    there = rankings.read_if_there(raw_file)
    resume.check(raw_file, there, contestant.note(), dataset, frozen)
    if there is None or run.missing(drawn, frozen, there):
        if isinstance(contestant, Reference):
            _compute(contestant, drawn, dataset, frozen, raw_file, settings)
        else:
            asyncio.run(_ask(contestant, drawn, dataset, frozen, raw_file, settings))
    raw = rankings.read(raw_file)
    asked = raw.headers[-1].provenance
    made = provenance.gather(asked.url, asked.server, asdict(settings))
    price = contestant.price if isinstance(contestant, Contestant) else None
    record = run.record(made, drawn, dataset, frozen, raw, price, settings.seed, settings.measures)
    write_json(record, record_file)
    return record


def _compute(
    reference: Reference,
    drawn: Dataset,
    whole: Dataset,
    frozen: Candidates,
    raw_file: Path,
    settings: AccuracySettings,
) -> None:
    """Add what a reference ranks and the file lacks."""
    with rankings.open_log(raw_file) as log:
        queries = run.missing(drawn, frozen, rankings.read_if_there(raw_file))
        log.append(_header(reference, whole, frozen, provenance.gather(None, None, asdict(settings))))
        run.rank_all(reference, drawn, frozen, queries, log)


async def _ask(
    contestant: Contestant,
    drawn: Dataset,
    whole: Dataset,
    frozen: Candidates,
    raw_file: Path,
    settings: AccuracySettings,
) -> None:
    """Ask for what the file lacks; a server that cannot be asked leaves no trace in it."""
    concurrency = contestant.concurrency or settings.concurrency
    async with Client(contestant, timeout_s=settings.timeout_s, connections=concurrency) as client:
        await client.check()
        server = await client.info()
        with rankings.open_log(raw_file) as log:
            there = rankings.read_if_there(raw_file)  # once more: nobody else can add to it from here on
            resume.check_server(raw_file, there, server)
            told = asdict(settings) | {"concurrency": concurrency, "per_minute": contestant.per_minute}
            log.append(_header(contestant, whole, frozen, provenance.gather(client.url, server, told)))
            queries = run.missing(drawn, frozen, there)
            failed_before = there.failures if there else ()
            await run.rerank_all(client, drawn, frozen, queries, log, concurrency, failed_before)


def _header(
    contestant: Contestant | Reference, dataset: Dataset, frozen: Candidates, made: Provenance
) -> RankingsHeader:
    return RankingsHeader(made, contestant.note(), dataset.note(), frozen.note())
