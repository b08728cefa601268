"""The spine: ranking, limits, and where input is refused."""

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.pair import Logits
from models.scorer import Scorer
from service.batcher import Batcher
from service.errors import InvalidRequest, NotReady, Overloaded
from service.job import Job
from service.rerank import Reranker, rank
from tests.texts import BEST, PASSAGES, QUERY


@pytest.fixture
def reranker(scorer: Scorer) -> Iterator[Reranker]:
    """A reranker over the embedded model that takes three documents and two requests."""
    queue = Batcher(scorer.session.run, lanes=2, max_batch_tokens=0, max_queue_tokens=10_000)
    made = Reranker(scorer.tokeniser.pairs, queue, max_documents=len(PASSAGES), max_concurrent_requests=2)
    yield made
    made.close()


@given(arrays(np.float32, st.integers(1, 60), elements=st.integers(-20, 20).map(lambda n: n / 4)))
def test_ranking_is_by_logit_and_ties_keep_their_order(logits: Logits) -> None:
    """Equal to Python's own stable sort, for every list with ties."""
    ranked = rank(logits, top_n=None, raw_scores=True)
    expected = sorted(range(len(logits)), key=lambda index: (-float(logits[index]), index))
    assert [place.index for place in ranked] == expected
    assert [place.score for place in ranked] == [float(logits[index]) for index in expected]


def test_saturated_sigmoids_are_still_ranked_by_logit() -> None:
    """30 and 40 have the same sigmoid in float32, but not the same rank."""
    ranked = rank(np.array([30, 40], np.float32), top_n=None, raw_scores=False)
    assert [place.index for place in ranked] == [1, 0]
    assert ranked[0].score == ranked[1].score == 1.0


def test_top_n_takes_from_the_best_end() -> None:
    """More than there are means all."""
    logits = np.array([0, 2, 1], np.float32)
    assert [place.index for place in rank(logits, top_n=2, raw_scores=True)] == [1, 2]
    assert len(rank(logits, top_n=99, raw_scores=True)) == 3


def test_a_job_is_answered_with_its_tokens_and_stages(reranker: Reranker, scorer: Scorer) -> None:
    """Tokens are what the model was given; the stages are within the total."""
    reranker.open()
    ranking = asyncio.run(reranker.rerank(Job(query=QUERY, documents=PASSAGES)))
    assert ranking.results[0].index == BEST
    assert ranking.tokens == sum(len(pair) for pair in scorer.tokeniser.pairs(QUERY, PASSAGES))
    stages = ranking.stages
    assert 0 < stages.tokenise_s + stages.queue_s + stages.inference_s <= stages.total_s


def test_before_the_warm_up_nothing_is_taken(reranker: Reranker) -> None:
    """A cold model is told, with a time to come back."""
    with pytest.raises(NotReady) as told:
        asyncio.run(reranker.rerank(Job(query=QUERY, documents=PASSAGES)))
    assert told.value.retry_after_s == 1


def test_too_many_documents_are_refused(reranker: Reranker) -> None:
    """The message gives both counts."""
    reranker.open()
    with pytest.raises(InvalidRequest, match="documents has 6 entries, more than the 5"):
        asyncio.run(reranker.rerank(Job(query=QUERY, documents=[*PASSAGES, "one more"])))


def test_one_request_too_many_is_refused_and_its_place_is_given_back(reranker: Reranker) -> None:
    """The limit is on requests in the house; afterwards there is room again."""
    reranker.open()
    job = Job(query=QUERY, documents=PASSAGES)

    async def three() -> list[object]:
        return list(await asyncio.gather(*(reranker.rerank(job) for _ in range(3)), return_exceptions=True))

    answers = asyncio.run(three())
    assert sum(isinstance(answer, Overloaded) for answer in answers) == 1
    assert reranker.in_flight == 0
    assert asyncio.run(reranker.rerank(job)).results
