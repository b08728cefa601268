"""The accuracy run: every judged query's candidates through a reranker, and what the measures say of it.

Bounded concurrency over one client, a progress bar on stderr. It promises a ranking or a recorded failure for every
query asked for: a failed query keeps its reason, counts 0 in every measure, and none is dropped. A query without
candidates needs no request and counts 0 as well. The candidates' own order is measured beside, as the first stage.
"""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tqdm import tqdm

from bench import measures
from bench.candidates import Candidates
from bench.client import Client
from bench.data.datasets import Dataset
from bench.records import AccuracyRecord, Provenance, Ranking, Sample

RETRIES = 8


@dataclass(frozen=True)
class Outcome:
    """What came back: rankings of the queries that were answered, samples of those that were not."""

    rankings: list[Ranking]
    failures: list[Sample]


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


async def rerank_all(client: Client, dataset: Dataset, candidates: Candidates, concurrency: int) -> Outcome:
    """Rerank every query's candidates, at most `concurrency` requests at a time."""
    rankings: dict[str, Ranking] = {}
    failures: dict[str, Sample] = {}
    wanted = [query_id for query_id in dataset.queries if candidates.lists[query_id]]
    with tqdm(total=len(wanted), desc=f"rerank {dataset.name}", unit="query", disable=None) as bar:

        async def work(queue: Iterator[str]) -> None:
            for query_id in queue:
                ids = candidates.lists[query_id]
                texts = [dataset.documents[i] for i in ids]
                answer = await client.rerank(query_id, dataset.queries[query_id], texts, retries=RETRIES)
                if answer.scores is None:
                    failures[query_id] = answer.sample
                else:
                    rankings[query_id] = _ranking(query_id, ids, answer.scores, answer.sample)
                bar.update()

        shared = iter(wanted)
        await asyncio.gather(*(work(shared) for _ in range(concurrency)))
    return Outcome(
        rankings=[rankings[query_id] for query_id in wanted if query_id in rankings],
        failures=[failures[query_id] for query_id in wanted if query_id in failures],
    )


def _ranking(query_id: str, ids: list[str], scores: list[float], sample: Sample) -> Ranking:
    order = measures.order_by_score(ids, scores)
    return Ranking(query_id, [ids[position] for position in order], [scores[position] for position in order], sample)


def record(
    provenance: Provenance, dataset: Dataset, whole: Dataset, candidates: Candidates, outcome: Outcome, seed: int
) -> AccuracyRecord:
    """The measures of `outcome` over the queries of `dataset`, which `limited` may have drawn from `whole`."""
    rankings = {ranking.query_id: ranking.document_ids for ranking in outcome.rankings}
    # The level is the whole split's: a draw may by chance miss the grade that tells the scale.
    reranked = measures.per_query(dataset.qrels, rankings, whole.relevance_level)
    first_stage = measures.per_query(dataset.qrels, candidates.lists, whole.relevance_level)
    return AccuracyRecord(
        provenance=provenance,
        dataset=whole.note(),
        candidates=candidates.note(),
        queries=len(dataset.qrels),
        measures=measures.means(reranked, seed),
        first_stage=measures.means(first_stage, seed),
        per_query=reranked,
        first_stage_per_query=first_stage,
        rankings=outcome.rankings,
        failures=outcome.failures,
    )
