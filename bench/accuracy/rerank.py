"""Sends the requests of an accuracy run, with limited concurrency, and logs every outcome.

One client, a progress bar on stderr, and a line in the log for every answer as it arrives. Every query gets a ranking
or a recorded failure. If too many queries in a row fail, the run stops and the next run continues with the rest.
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
from bench.wording import are, counted

RETRIES = 8
STOP_AFTER = 10
"""After this many failed queries in a row, the server counts as gone."""


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
        client: client of the reranker.
        dataset: the dataset whose texts are sent.
        candidates: candidates of every query.
        query_ids: the queries to send, in this order.
        log: receives one line per query.
        concurrency: maximum number of concurrent requests.
        failed_before: queries with a recorded failure.

    Raises:
        ServerError: STOP_AFTER queries in a row failed, and one of the remaining queries has no recorded failure yet.
            If all have one, the recorded failures stand.
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
    _check_all_sent(remaining, failed_before, f"{counted(failed_in_a_row, 'query')} in a row failed ({error})")


def _check_all_sent(remaining: Iterator[str], failed_before: Container[str], why: str) -> None:
    """Raise ServerError if one of the remaining queries was never sent, in this run or an earlier one."""
    never_sent = [query_id for query_id in remaining if query_id not in failed_before]
    if never_sent:
        raise ServerError(
            f"{why}, so {counted(len(never_sent), 'query')} {are(len(never_sent), 'were')} not sent; run the same "
            f"command again to resume"
        )


def rank_by_reference(
    reference: Reference, dataset: Dataset, candidates: Candidates, query_ids: Sequence[str], log: JsonLog[Line]
) -> None:
    """Log the rankings of a reference, which needs no server."""
    for query_id in query_ids:
        document_ids = candidates.lists[query_id]
        scores = reference.scores(document_ids, dataset.qrels[query_id])
        log.append(_ranking(query_id, document_ids, scores, None))


def _ranking(query_id: str, document_ids: list[str], scores: list[float], sample: Sample | None) -> Ranking:
    order = order_by_score(document_ids, scores)
    return Ranking(query_id, [document_ids[index] for index in order], [scores[index] for index in order], sample)
