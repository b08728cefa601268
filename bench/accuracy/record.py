"""Computes the record of an accuracy run from raw rankings alone: measures, first stage, failures, cost.

Pure functions without input or output. A failed query scores 0 in every measure, as does one without candidates. The
candidates' own order is measured as well, as the first stage.
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
    """Compute the record of raw rankings over the selected queries.

    Args:
        rankings: the contestant's rankings; a selected query without one has failed.
        selection: the queries to measure.
        candidates: the candidates that were ranked.
        provenance: provenance of this computation.
        price: the contestant's list price; None if it has none.
        seed: random seed of the bootstrap.
        further: names of additional measures, as in `per_query`.
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
    """Return the sum of the known counts; None if none is known."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def tokens_per_1000_queries(samples: Sequence[Sample]) -> float | None:
    """Return a thousand times the mean tokens of the answered queries with known tokens; None if there are none."""
    tokens = [sample.tokens for sample in samples if sample.tokens is not None]
    return 1000 * sum(tokens) / len(tokens) if tokens else None


def usd_per_1000_queries(samples: Sequence[Sample], price: Price | None) -> tuple[float | None, str | None]:
    """Return a thousand times the mean cost of the answered queries with known cost, and the source of the cost."""
    costs = [usd for s in samples if price and (usd := price.usd(s.tokens, s.search_units)) is not None]
    source = f"list price as of {price.as_of}" if price else None
    if not costs:
        costs, source = [sample.usd for sample in samples if sample.usd is not None], "reported by the server"
    return (1000 * sum(costs) / len(costs), source) if costs else (None, None)
