"""The record of an accuracy run, computed from raw rankings alone: measures, first stage, failures, cost.

Pure: nothing is asked, read or written here. A failed query counts 0 in every measure, as does one without candidates,
and the candidates' own order is measured beside, as the first stage.
"""

from collections.abc import Iterable, Sequence

from bench.accuracy.measures import means, per_query
from bench.accuracy.rankings import Rankings
from bench.accuracy.selection import Selection
from bench.candidates.candidates import Candidates
from bench.contestants.dialect import Price
from bench.records import AccuracyRecord, Provenance, Sample


def compute_record(
    rankings: Rankings,
    selection: Selection,
    candidates: Candidates,
    provenance: Provenance,
    *,
    price: Price | None,
    seed: int,
    further: Sequence[str] = (),
) -> AccuracyRecord:
    """The measures of raw rankings over the selected queries.

    Args:
        rankings: the contestant's, of at least these queries unless they failed.
        selection: the queries that count.
        candidates: that the rankings are of.
        provenance: of this computation.
        price: the contestant's list price; None where it has none.
        seed: of the bootstrap.
        further: names of further measures, as `per_query` takes them.
    """
    ranked = [rankings.rankings[query_id] for query_id in selection.query_ids if query_id in rankings.rankings]
    document_ids = {ranking.query_id: ranking.document_ids for ranking in ranked}
    qrels, relevance_level = selection.qrels, selection.relevance_level
    reranked = per_query(qrels, document_ids, relevance_level, further)
    first_stage = per_query(qrels, candidates.lists, relevance_level, further)
    samples = [ranking.sample for ranking in ranked if ranking.sample]
    usd, cost_source = usd_per_1000_queries(samples, price)
    return AccuracyRecord(
        provenance=provenance,
        sessions=[header.provenance for header in rankings.headers],
        contestant=rankings.headers[-1].contestant,
        dataset=selection.dataset.note(),
        candidates=candidates.note(),
        queries=len(qrels),
        measures=means(reranked, seed),
        first_stage=means(first_stage, seed),
        per_query=reranked,
        first_stage_per_query=first_stage,
        failures=[rankings.failures[i].sample for i in selection.query_ids if i in rankings.failures],
        tokens=_total(sample.tokens for sample in samples),
        search_units=_total(sample.search_units for sample in samples),
        usd_per_1000_queries=usd,
        cost_source=cost_source,
        tokens_per_1000_queries=tokens_per_1000_queries(samples),
    )


def _total(counts: Iterable[int | None]) -> int | None:
    """The sum of the counts that are known; None where none is."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def tokens_per_1000_queries(samples: Sequence[Sample]) -> float | None:
    """A thousand times the mean tokens of the answered queries whose tokens are known; None where none are."""
    tokens = [sample.tokens for sample in samples if sample.tokens is not None]
    return 1000 * sum(tokens) / len(tokens) if tokens else None


def usd_per_1000_queries(samples: Sequence[Sample], price: Price | None) -> tuple[float | None, str | None]:
    """A thousand times the mean cost of the answered queries whose cost is known, and where the cost comes from."""
    costs = [usd for s in samples if price and (usd := price.usd(s.tokens, s.search_units)) is not None]
    source = f"list price as of {price.as_of}" if price else None
    if not costs:
        costs, source = [sample.usd for sample in samples if sample.usd is not None], "reported by the server"
    return (1000 * sum(costs) / len(costs), source) if costs else (None, None)
