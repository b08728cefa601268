"""The accuracy run: every judged query's candidates through a contestant, and what the measures say of it.

Bounded concurrency over one client, a progress bar on stderr, a line in the log for every answer as it comes. It
promises a ranking or a recorded failure for every query asked for: a failed query keeps its reason, counts 0 in every
measure, and none is dropped. A query without candidates needs no request and counts 0 as well. The candidates' own
order is measured beside, as the first stage. Where one query after the other fails the run stops, and the rest is for
the next time.
"""

import asyncio
import random
from collections.abc import Container, Iterator, Sequence
from dataclasses import replace

from tqdm import tqdm

from bench.accuracy import measures
from bench.accuracy.rankings import Line, Rankings
from bench.candidates.candidates import Candidates
from bench.client.client import Client
from bench.contestants.dialect import Price
from bench.contestants.reference import Reference
from bench.data.datasets import Dataset
from bench.errors import ServerError
from bench.records import AccuracyRecord, Failure, Provenance, Ranking, Sample
from bench.storage import JsonLog

RETRIES = 8
STOP_AFTER = 10
"""Failed queries in a row after which a server is taken to be gone."""


def limited(dataset: Dataset, limit: int | None, seed: int) -> Dataset:
    """`dataset` with at most `limit` of its judged queries: a seeded draw, in the dataset's order."""
    if limit is None or limit >= len(dataset.queries):
        return dataset
    drawn = set(random.Random(seed).sample(list(dataset.queries), limit))  # a sample, not a secret
    return replace(
        dataset,
        queries={query_id: text for query_id, text in dataset.queries.items() if query_id in drawn},
        qrels={query_id: judged for query_id, judged in dataset.qrels.items() if query_id in drawn},
    )


def missing(dataset: Dataset, candidates: Candidates, there: Rankings | None) -> list[str]:
    """The queries that have candidates and no ranking yet: those that nobody was asked for, then those that failed,
    the longest ago first.

    In this order a run gets on with every repetition, however many queries fail for good.
    """
    ranked = there.rankings if there else {}
    asked = {query_id: place for place, query_id in enumerate(there.failures if there else ())}
    wanted = [query_id for query_id in dataset.queries if candidates.lists[query_id] and query_id not in ranked]
    return sorted(wanted, key=lambda query_id: asked.get(query_id, -1))


async def rerank_all(
    client: Client,
    dataset: Dataset,
    candidates: Candidates,
    queries: Sequence[str],
    log: JsonLog[Line],
    concurrency: int,
    failed_before: Container[str] = (),
) -> None:
    """Rerank the candidates of `queries`, at most `concurrency` requests at a time, and log every outcome.

    Where STOP_AFTER queries in a row have failed the others are not asked: ServerError if one of them was never asked
    before, and else the failures that are on record stand.
    """
    failed_in_a_row = 0
    error: str | None = None
    name = f"{client.contestant.name} on {dataset.name}"
    with tqdm(total=len(queries), desc=name, unit="query", disable=None) as bar:

        async def work(queue: Iterator[str]) -> None:
            nonlocal failed_in_a_row, error
            while failed_in_a_row < STOP_AFTER and (query_id := next(queue, None)) is not None:
                ids = candidates.lists[query_id]
                texts = [dataset.documents[i] for i in ids]
                answer = await client.rerank(query_id, dataset.queries[query_id], texts, retries=RETRIES)
                if answer.scores is None:
                    log.append(Failure(query_id, answer.sample))
                    failed_in_a_row, error = failed_in_a_row + 1, answer.sample.error
                else:
                    log.append(_ranking(query_id, ids, answer.scores, answer.sample))
                    failed_in_a_row = 0
                bar.update()

        shared = iter(queries)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(concurrency):
                    group.create_task(work(shared))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
    not_asked = [query_id for query_id in shared if query_id not in failed_before]
    if not_asked:
        raise ServerError(
            f"{failed_in_a_row} queries in a row failed ({error}), so {len(not_asked)} were not asked; "
            "the same command again goes on from here"
        )


def rank_all(
    reference: Reference, dataset: Dataset, candidates: Candidates, queries: Sequence[str], log: JsonLog[Line]
) -> None:
    """Log the rankings of a reference, which asks nobody."""
    for query_id in queries:
        ids = candidates.lists[query_id]
        log.append(_ranking(query_id, ids, reference.scores(ids, dataset.qrels[query_id]), None))


def _ranking(query_id: str, ids: list[str], scores: list[float], sample: Sample | None) -> Ranking:
    order = measures.order_by_score(ids, scores)
    return Ranking(query_id, [ids[position] for position in order], [scores[position] for position in order], sample)


def record(
    provenance: Provenance,
    dataset: Dataset,
    whole: Dataset,
    candidates: Candidates,
    raw: Rankings,
    price: Price | None,
    seed: int,
    also: Sequence[str] = (),
) -> AccuracyRecord:
    """The measures of raw rankings over the queries of `dataset`, which `limited` may have drawn from `whole`.

    `also` names further measures, as `measures.per_query` takes them.
    """
    rankings = [raw.rankings[query_id] for query_id in dataset.queries if query_id in raw.rankings]
    # The level is the whole split's: a draw may by chance miss the grade that tells the scale.
    level = whole.relevance_level
    reranked = measures.per_query(dataset.qrels, {r.query_id: r.document_ids for r in rankings}, level, also)
    first_stage = measures.per_query(dataset.qrels, candidates.lists, level, also)
    samples = [ranking.sample for ranking in rankings if ranking.sample]
    usd, source = usd_per_1000_queries(samples, price)
    return AccuracyRecord(
        provenance=provenance,
        sessions=[header.provenance for header in raw.headers],
        contestant=raw.headers[-1].contestant,
        dataset=whole.note(),
        candidates=candidates.note(),
        queries=len(dataset.qrels),
        measures=measures.means(reranked, seed),
        first_stage=measures.means(first_stage, seed),
        per_query=reranked,
        first_stage_per_query=first_stage,
        failures=[raw.failures[query_id].sample for query_id in dataset.queries if query_id in raw.failures],
        tokens=_total([sample.tokens for sample in samples]),
        search_units=_total([sample.search_units for sample in samples]),
        usd_per_1000_queries=usd,
        cost_source=source,
        tokens_per_1000_queries=tokens_per_1000_queries(samples),
    )


def _total(counts: Sequence[int | None]) -> int | None:
    told = [count for count in counts if count is not None]
    return sum(told) if told else None


def tokens_per_1000_queries(samples: Sequence[Sample]) -> float | None:
    """Mean tokens of the answered queries whose tokens are known, by a thousand."""
    known = [sample.tokens for sample in samples if sample.tokens is not None]
    return 1000 * sum(known) / len(known) if known else None


def usd_per_1000_queries(samples: Sequence[Sample], price: Price | None) -> tuple[float | None, str | None]:
    """Mean cost of the answered queries whose cost is known, by a thousand, and where it comes from."""
    known = [usd for s in samples if price and (usd := price.usd(s.tokens, s.search_units)) is not None]
    source = f"list price of {price.as_of}" if price else None
    if not known:
        known, source = [s.usd for s in samples if s.usd is not None], "told by the server"
    return (1000 * sum(known) / len(known), source) if known else (None, None)
