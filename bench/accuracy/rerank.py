"""The requests of an accuracy run: queries through a reranker, at most so many at a time, every outcome logged.

One client, a progress bar on stderr, a line in the log for every answer as it comes. It promises a ranking or a
recorded failure for every query that it is given, and drops none. Where one query after the other fails it stops, and
the rest is for the next run.
"""

import asyncio
from collections.abc import Container, Iterator, Sequence

from tqdm import tqdm

from bench.accuracy.measures import order_by_score
from bench.accuracy.rankings import Line
from bench.candidates.candidates import Candidates
from bench.client.client import Client
from bench.contestants.reference import Reference
from bench.data.datasets import Dataset
from bench.errors import ServerError
from bench.records import Failure, Ranking, Sample
from bench.storage import JsonLog

RETRIES = 8
STOP_AFTER = 10
"""Failed queries in a row after which a server is taken to be gone."""


async def rerank(
    client: Client,
    dataset: Dataset,
    candidates: Candidates,
    query_ids: Sequence[str],
    log: JsonLog[Line],
    concurrency: int,
    failed_before: Container[str] = (),
) -> None:
    """Rerank the candidates of some queries and log every outcome.

    Args:
        client: of the reranker.
        dataset: its texts are sent.
        candidates: of every query.
        query_ids: which queries, in this order.
        log: gets a line for each.
        concurrency: requests at a time.
        failed_before: the queries of which a failure is on record.

    Raises:
        ServerError: STOP_AFTER queries in a row failed, and one of those that were then not sent has no failure on
            record yet. Where all have, the failures on record stand.
    """
    failed_in_a_row = 0
    error: str | None = None
    remaining = iter(query_ids)
    name = f"{client.contestant.name} on {dataset.name}"
    with tqdm(total=len(query_ids), desc=name, unit="query", disable=None) as bar:

        async def work() -> None:
            nonlocal failed_in_a_row, error
            while failed_in_a_row < STOP_AFTER and (query_id := next(remaining, None)) is not None:
                document_ids = candidates.lists[query_id]
                texts = [dataset.documents[document_id] for document_id in document_ids]
                answer = await client.rerank(query_id, dataset.queries[query_id], texts, retries=RETRIES)
                if answer.scores is None:
                    log.append(Failure(query_id, answer.sample))
                    failed_in_a_row, error = failed_in_a_row + 1, answer.sample.error
                else:
                    log.append(_ranking(query_id, document_ids, answer.scores, answer.sample))
                    failed_in_a_row = 0
                bar.update()

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(concurrency):
                    group.create_task(work())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
    _check_all_sent(remaining, failed_before, f"{failed_in_a_row} queries in a row failed ({error})")


def _check_all_sent(remaining: Iterator[str], failed_before: Container[str], why: str) -> None:
    """ServerError where one of the remaining queries was never sent, in this run or in an earlier one."""
    never_sent = [query_id for query_id in remaining if query_id not in failed_before]
    if never_sent:
        raise ServerError(f"{why}, so {len(never_sent)} queries were not sent; run the same command again to resume")


def rank_by_reference(
    reference: Reference, dataset: Dataset, candidates: Candidates, query_ids: Sequence[str], log: JsonLog[Line]
) -> None:
    """Log the rankings of a reference, for which no server is asked."""
    for query_id in query_ids:
        document_ids = candidates.lists[query_id]
        scores = reference.scores(document_ids, dataset.qrels[query_id])
        log.append(_ranking(query_id, document_ids, scores, None))


def _ranking(query_id: str, document_ids: list[str], scores: list[float], sample: Sample | None) -> Ranking:
    order = order_by_score(document_ids, scores)
    return Ranking(query_id, [document_ids[index] for index in order], [scores[index] for index in order], sample)
