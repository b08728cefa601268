"""The path of a request: what reaches the tokeniser, ranking, limits, what is counted, and where input is refused."""

import asyncio
import threading
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from msgspec import structs

from models.chunks import ChunkedPairs, ChunkOptions
from models.pair import Logits, Pair
from models.scorer import Scorer, sigmoid
from service.engine.batcher import Batcher
from service.engine.reranker import Reranker, rank
from service.errors import InvalidRequest, ModelFailed, Overloaded, TooManyDocuments, UnknownModel, WarmingUp
from service.job import Job, Ranking
from tests.support.engine import WordTokeniser, count_words
from tests.support.texts import BEST, PASSAGES, QUERY


@pytest.fixture
def reranker(scorer: Scorer) -> Iterator[Reranker]:
    """A reranker over the embedded model that takes three documents and two requests."""
    queue = Batcher(scorer.session.run, inference_threads=2, max_batch_tokens=0, max_queue_tokens=10_000)
    embedded = Reranker(scorer.tokeniser.chunked_pairs, queue, max_documents=len(PASSAGES), max_concurrent_requests=2)
    yield embedded
    embedded.close()


@pytest.fixture
def words() -> WordTokeniser:
    return WordTokeniser()


@pytest.fixture
def words_reranker(words: WordTokeniser) -> Iterator[Reranker]:
    """A reranker over a tokeniser and a model of the test's own: a document of n words has n + 1 tokens and logit n."""
    queue = Batcher(count_words, inference_threads=1, max_batch_tokens=0, max_queue_tokens=10_000)
    reranker = Reranker(
        words,
        queue,
        max_documents=250,
        max_concurrent_requests=9,
        models=["m", "alias"],
        usd_per_million_tokens=0.02,
    )
    reranker.open()
    yield reranker
    reranker.close()


def rerank(reranker: Reranker, **fields: object) -> Ranking:
    return asyncio.run(reranker.rerank(Job(**({"query": "q", "documents": ["a b", "a"]} | fields))))  # type: ignore[arg-type]


@given(arrays(np.float32, st.integers(1, 60), elements=st.integers(-20, 20).map(lambda n: n / 4)))
def test_ranking_is_by_logit_and_ties_keep_their_order(logits: Logits) -> None:
    """Equal to Python's own stable sort, for every list with ties."""
    ranked = rank(logits, top_n=None, raw_scores=True)
    expected = sorted(range(len(logits)), key=lambda index: (-float(logits[index]), index))
    assert [document.index for document in ranked] == expected
    assert [document.score for document in ranked] == [float(logits[index]) for index in expected]


def test_saturated_sigmoids_are_still_ranked_by_logit() -> None:
    """30 and 40 have the same sigmoid in float32, but not the same rank."""
    ranked = rank(np.array([30, 40], np.float32), top_n=None, raw_scores=False)
    assert [document.index for document in ranked] == [1, 0]
    assert ranked[0].score == ranked[1].score == 1.0


def test_top_n_takes_from_the_best_end() -> None:
    """A top_n beyond the number of documents means all."""
    logits = np.array([0, 2, 1], np.float32)
    assert [document.index for document in rank(logits, top_n=2, raw_scores=True)] == [1, 2]
    assert len(rank(logits, top_n=99, raw_scores=True)) == 3


def test_a_job_is_answered_with_its_tokens_and_stages(reranker: Reranker, scorer: Scorer) -> None:
    """Tokens are what the model was given; the stages are within the total."""
    reranker.open()
    ranking = asyncio.run(reranker.rerank(Job(query=QUERY, documents=PASSAGES)))
    assert ranking.results[0].index == BEST
    assert ranking.usage.tokens == sum(len(pair) for pair in scorer.tokeniser.pairs(QUERY, PASSAGES))
    stages = ranking.stages
    assert 0 < stages.tokenise_s + stages.queue_s + stages.inference_s <= stages.total_s


def test_before_the_warm_up_nothing_is_taken(reranker: Reranker) -> None:
    """A cold model says so, with a time to come back."""
    with pytest.raises(WarmingUp) as refused:
        asyncio.run(reranker.rerank(Job(query=QUERY, documents=PASSAGES)))
    assert refused.value.retry_after_s == 1


def test_too_many_documents_are_refused(reranker: Reranker) -> None:
    """The message gives both counts."""
    reranker.open()
    with pytest.raises(InvalidRequest, match="the request has 6 documents, but at most 5 are allowed"):
        asyncio.run(reranker.rerank(Job(query=QUERY, documents=[*PASSAGES, "one more"])))


def test_one_request_too_many_is_refused_and_its_slot_is_given_back(reranker: Reranker) -> None:
    """The limit is on concurrent requests; afterwards there is room again."""
    reranker.open()
    job = Job(query=QUERY, documents=PASSAGES)

    async def three() -> list[object]:
        return list(await asyncio.gather(*(reranker.rerank(job) for _ in range(3)), return_exceptions=True))

    answers = asyncio.run(three())
    assert sum(isinstance(answer, Overloaded) for answer in answers) == 1
    assert reranker.in_flight == 0
    assert asyncio.run(reranker.rerank(job)).results


def long(times: int) -> str:
    return f"{PASSAGES[0]} " * times + f"{PASSAGES[BEST]} " * 15


def test_a_long_document_is_answered_by_its_best_chunk(reranker: Reranker, scorer: Scorer) -> None:
    """The in-process scorer's logits, and the tokens of every chunk."""
    reranker.open()
    documents = [PASSAGES[2], long(60)]
    chunk_options = ChunkOptions(max_chunks_per_doc=3, overlap_tokens=40)
    job = Job(query=QUERY, documents=documents, max_chunks_per_doc=3, overlap_tokens=40, raw_scores=True)
    ranking = asyncio.run(reranker.rerank(job))
    scores = {document.index: document.score for document in ranking.results}
    assert np.allclose([scores[0], scores[1]], scorer.logits(QUERY, documents, chunk_options), atol=1e-5)
    pairs, counts = scorer.tokeniser.chunked_pairs(QUERY, documents, chunk_options)
    assert counts == [1, 3]
    assert ranking.usage.tokens == sum(len(pair) for pair in pairs)


def test_chunks_count_in_the_limits(reranker: Reranker) -> None:
    """Five documents are taken, so five chunks are: as four and one, but not as five and one."""
    reranker.open()
    taken = Job(query=QUERY, documents=[long(500), "short"], max_chunks_per_doc=4)
    assert len(asyncio.run(reranker.rerank(taken)).results) == 2
    with pytest.raises(
        InvalidRequest, match="make 6 chunks or more with max_chunks_per_doc 5, but at most 5 are allowed"
    ) as refused:
        asyncio.run(reranker.rerank(structs.replace(taken, max_chunks_per_doc=5)))
    assert refused.value.param == "max_chunks_per_doc"
    assert reranker.in_flight == 0


def test_every_chunk_counts_in_the_queue(scorer: Scorer) -> None:
    """A document that would fit beside those that wait does not when it is read in chunks."""
    gate = threading.Event()

    def model(batch: Sequence[Pair]) -> Logits:
        gate.wait(10)
        return np.zeros(len(batch), np.float32)

    async def test() -> None:
        first = asyncio.create_task(gated.rerank(Job(query=QUERY, documents=["one", "two"])))
        while not queue.queued_pairs:
            await asyncio.sleep(0.001)
        with pytest.raises(Overloaded):
            await gated.rerank(Job(query=QUERY, documents=[long(60)], max_chunks_per_doc=2))
        second = asyncio.create_task(gated.rerank(Job(query=QUERY, documents=[long(60)])))
        while queue.queued_pairs < 2:
            await asyncio.sleep(0.001)
        gate.set()
        await asyncio.gather(first, second)

    queue = Batcher(model, inference_threads=1, max_batch_tokens=0, max_queue_tokens=600)
    gated = Reranker(scorer.tokeniser.chunked_pairs, queue, max_documents=5, max_concurrent_requests=9, max_tokens=512)
    gated.open()
    try:
        asyncio.run(asyncio.wait_for(test(), 20))
    finally:
        gate.set()
        gated.close()


def test_a_small_request_does_not_wait_until_large_ones_are_tokenised(scorer: Scorer) -> None:
    """However many of them there are."""
    gate = threading.Event()

    def tokenise(query: str, documents: Sequence[str], options: ChunkOptions, *, max_pairs: int | None) -> ChunkedPairs:
        if len(documents) > 1:
            gate.wait(10)
        return scorer.tokeniser.chunked_pairs(query, documents, options, max_pairs=max_pairs)

    async def test() -> None:
        documents = [f"{number} " + "bamboo " * 200 for number in range(20)]
        large = [asyncio.create_task(gated.rerank(Job(query=QUERY, documents=documents))) for _ in range(5)]
        await asyncio.sleep(0.05)
        assert (await gated.rerank(Job(query=QUERY, documents=["bamboo"]))).results
        assert not any(task.done() for task in large)
        gate.set()
        await asyncio.gather(*large)

    queue = Batcher(
        lambda batch: np.zeros(len(batch), np.float32), inference_threads=1, max_batch_tokens=0, max_queue_tokens=10**6
    )
    gated = Reranker(tokenise, queue, max_documents=99, max_concurrent_requests=9)
    gated.open()
    try:
        asyncio.run(asyncio.wait_for(test(), 20))
    finally:
        gate.set()
        gated.close()


def test_a_failed_chunk_is_told_by_its_document(scorer: Scorer) -> None:
    """The index is the client's, not that of the pair."""

    def model(batch: Sequence[Pair]) -> Logits:
        if any(len(pair) < 50 for pair in batch):
            raise RuntimeError("bad pair")
        return np.zeros(len(batch), np.float32)

    queue = Batcher(model, inference_threads=1, max_batch_tokens=0, max_queue_tokens=10_000)
    reranker = Reranker(scorer.tokeniser.chunked_pairs, queue, max_documents=5, max_concurrent_requests=2)
    reranker.open()
    job = Job(query=QUERY, documents=[long(500), "short"], max_chunks_per_doc=3)
    try:
        with pytest.raises(ModelFailed, match=r"the document with index 1$"):
            asyncio.run(reranker.rerank(job))
    finally:
        reranker.close()


def test_how_a_document_is_to_be_cut_reaches_the_tokeniser(words_reranker: Reranker, words: WordTokeniser) -> None:
    """Every field, under its own name."""
    rerank(words_reranker, max_chunks_per_doc=3, overlap_tokens=5, max_tokens_per_doc=70, truncation_side="left")
    chunk_options = ChunkOptions(
        max_chunks_per_doc=3, overlap_tokens=5, max_tokens_per_doc=70, truncation_side="left", truncate=True
    )
    assert words.calls == [("q", ["a b", "a"], chunk_options, 250)]


def test_what_may_not_be_cut_is_refused_with_its_document(words_reranker: Reranker) -> None:
    """Counted over all jobs of the request."""
    with pytest.raises(InvalidRequest, match="the document with index 1 does not fit"):
        rerank(words_reranker, truncate=False)
    jobs = [Job(query="q", documents=["a", "b"]), Job(query="r", documents=["c", "d"], truncate=False)]
    with pytest.raises(InvalidRequest, match="the document with index 3 does not fit"):
        asyncio.run(words_reranker.score(jobs))


@pytest.mark.parametrize("raw_scores", [True, False])
def test_pairs_of_several_queries_are_scored_in_their_order(
    words_reranker: Reranker, words: WordTokeniser, raw_scores: bool
) -> None:
    """As logits if asked, else by the sigmoid; each query with its own documents, what is left of the limit told."""
    jobs = [
        Job(query="q", documents=["a b c", "a"], raw_scores=raw_scores),
        Job(query="r", documents=["a b"], raw_scores=raw_scores),
    ]
    ranking = asyncio.run(words_reranker.score(jobs))
    logits = np.array([3, 1, 2], np.float32)
    assert [document.index for document in ranking.results] == [0, 1, 2]
    assert [document.score for document in ranking.results] == (logits if raw_scores else sigmoid(logits)).tolist()
    assert [(query, documents, most) for query, documents, _, most in words.calls] == [
        ("q", ["a b c", "a"], 250),
        ("r", ["a b"], 248),
    ]


def test_tokens_units_and_cost_are_counted(words_reranker: Reranker) -> None:
    """Tokens of all pairs, each chunk's too; a unit for each hundred pairs of a query; dollars at the price."""
    usage = rerank(words_reranker, documents=["a b", "read twice"]).usage
    assert (usage.tokens, usage.search_units) == (3 + 3 + 3, 1)
    assert usage.usd == pytest.approx(9 * 0.02 / 1e6)
    assert rerank(words_reranker, documents=["a"] * 100).usage.search_units == 1
    assert rerank(words_reranker, documents=["a"] * 101).usage.search_units == 2
    assert rerank(words_reranker, documents=["twice"] * 51).usage.search_units == 2
    jobs = [Job(query="q", documents=["a"] * 100), Job(query="r", documents=["a"])]
    assert asyncio.run(words_reranker.score(jobs)).usage.search_units == 2


def test_documents_of_all_jobs_count_in_the_limit(words_reranker: Reranker, words: WordTokeniser) -> None:
    """And nothing is tokenised of a request that has too many."""
    jobs = [Job(query="q", documents=["a"] * 200), Job(query="r", documents=["a"] * 51)]
    with pytest.raises(TooManyDocuments, match="has 251 documents, but at most 250 are allowed"):
        asyncio.run(words_reranker.score(jobs))
    assert words.calls == []


def test_another_model_is_refused_before_anything_is_tokenised(words_reranker: Reranker, words: WordTokeniser) -> None:
    """Its own names are taken, and no name is."""
    for name in ("m", "alias", None, ""):
        assert rerank(words_reranker, model=name).results
    words.calls.clear()
    with pytest.raises(UnknownModel, match="model 'other' is not served here; available: m, alias"):
        rerank(words_reranker, model="other")
    assert words.calls == []
