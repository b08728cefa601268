"""What the spine hands on and what it counts: a job's fields to the tokeniser, tokens, search units and cost back.

Tokeniser and model are functions of the test's own: a document of n words becomes n + 1 tokens, its logit is n.
"""

import asyncio
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from models.chunks import ChunkedPairs, ChunkOptions, TooLong
from models.pair import Logits, Pair
from models.scorer import sigmoid
from service.engine.batcher import Batcher
from service.engine.reranker import Reranker
from service.errors import InvalidRequest, TooManyDocuments, UnknownModel
from service.job import Job, Ranking

READ: list[tuple[str, list[str], ChunkOptions, int | None]] = []


def tokenise(query: str, documents: Sequence[str], windows: ChunkOptions, *, max_pairs: int | None) -> ChunkedPairs:
    """Two windows for a document that says so."""
    READ.append((query, list(documents), windows, max_pairs))
    if not windows.truncate:
        raise TooLong(len(documents) - 1)
    counts = [2 if "twice" in document else 1 for document in documents]
    lengths = [
        len(document.split()) + 1 for document, count in zip(documents, counts, strict=True) for _ in range(count)
    ]
    return ChunkedPairs([Pair(np.zeros(length, np.int64), np.zeros(length, np.int64)) for length in lengths], counts)


def model(batch: Sequence[Pair]) -> Logits:
    return np.array([len(pair) - 1 for pair in batch], np.float32)


@pytest.fixture
def reranker() -> Iterator[Reranker]:
    READ.clear()
    queue = Batcher(model, inference_threads=1, max_batch_tokens=0, max_queue_tokens=10_000)
    made = Reranker(
        tokenise,
        queue,
        max_documents=250,
        max_concurrent_requests=9,
        models=["m", "alias"],
        usd_per_million_tokens=0.02,
    )
    made.open()
    yield made
    made.close()


def rerank(reranker: Reranker, **fields: object) -> Ranking:
    return asyncio.run(reranker.rerank(Job(**({"query": "q", "documents": ["a b", "a"]} | fields))))  # type: ignore[arg-type]


def test_how_a_document_is_to_be_read_reaches_the_tokeniser(reranker: Reranker) -> None:
    """Every field, under its own name."""
    rerank(reranker, max_chunks_per_doc=3, overlap_tokens=5, max_tokens_per_doc=70, truncation_side="left")
    (read,) = READ
    windows = ChunkOptions(
        max_chunks_per_doc=3, overlap_tokens=5, max_tokens_per_doc=70, truncation_side="left", truncate=True
    )
    assert read == ("q", ["a b", "a"], windows, 250)


def test_what_may_not_be_cut_is_refused_with_its_document(reranker: Reranker) -> None:
    """Counted over all jobs of the request."""
    with pytest.raises(InvalidRequest, match="the document with index 1 does not fit"):
        rerank(reranker, truncate=False)
    jobs = [Job(query="q", documents=["a", "b"]), Job(query="r", documents=["c", "d"], truncate=False)]
    with pytest.raises(InvalidRequest, match="the document with index 3 does not fit"):
        asyncio.run(reranker.score(jobs))


@pytest.mark.parametrize("raw_scores", [True, False])
def test_pairs_of_several_queries_are_scored_in_their_order(reranker: Reranker, raw_scores: bool) -> None:
    """As logits if asked, else by the sigmoid; each query with its own documents, what is left of the limit told."""
    jobs = [
        Job(query="q", documents=["a b c", "a"], raw_scores=raw_scores),
        Job(query="r", documents=["a b"], raw_scores=raw_scores),
    ]
    ranking = asyncio.run(reranker.score(jobs))
    logits = np.array([3, 1, 2], np.float32)
    assert [place.index for place in ranking.results] == [0, 1, 2]
    assert [place.score for place in ranking.results] == (logits if raw_scores else sigmoid(logits)).tolist()
    assert [(query, documents, most) for query, documents, _, most in READ] == [
        ("q", ["a b c", "a"], 250),
        ("r", ["a b"], 248),
    ]


def test_tokens_units_and_cost_are_counted(reranker: Reranker) -> None:
    """Tokens of all pairs, each window's too; a unit for each hundred pairs of a query; dollars at the price."""
    usage = rerank(reranker, documents=["a b", "read twice"]).usage
    assert (usage.tokens, usage.search_units) == (3 + 3 + 3, 1)
    assert usage.usd == pytest.approx(9 * 0.02 / 1e6)
    assert rerank(reranker, documents=["a"] * 100).usage.search_units == 1
    assert rerank(reranker, documents=["a"] * 101).usage.search_units == 2
    assert rerank(reranker, documents=["twice"] * 51).usage.search_units == 2
    jobs = [Job(query="q", documents=["a"] * 100), Job(query="r", documents=["a"])]
    assert asyncio.run(reranker.score(jobs)).usage.search_units == 2


def test_documents_of_all_jobs_count_in_the_limit(reranker: Reranker) -> None:
    """And nothing is tokenised of a request that has too many."""
    jobs = [Job(query="q", documents=["a"] * 200), Job(query="r", documents=["a"] * 51)]
    with pytest.raises(TooManyDocuments, match="has 251 documents, more than the 250"):
        asyncio.run(reranker.score(jobs))
    assert READ == []


def test_another_model_is_refused_before_anything_is_read(reranker: Reranker) -> None:
    """Its own names are taken, and no name is."""
    for name in ("m", "alias", None, ""):
        assert rerank(reranker, model=name).results
    READ.clear()
    with pytest.raises(UnknownModel, match="model 'other' is not served here: ask for m, alias"):
        rerank(reranker, model="other")
    assert READ == []
