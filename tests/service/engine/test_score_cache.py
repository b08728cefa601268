"""What is not computed twice: a document within a request, and, where the operator wants it, a pair that was scored."""

import asyncio
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from models.pair import Logits, Pair
from models.tokenise import Tokeniser
from service.engine.batcher import Batcher
from service.engine.entry import Scored
from service.engine.reranker import Reranker
from service.engine.score_cache import ScoreCache
from service.engine.token_estimate import TokenEstimator
from service.errors import ModelFailed
from service.job import Job
from tests.service.engine.test_reranker_stand_ins import READ, model, tokenise
from tests.support.tiny import make_tokenizer

RAN: list[int] = []


def counting(batch: Sequence[Pair]) -> Logits:
    RAN.extend(len(pair) for pair in batch)
    if any(len(pair) == 14 for pair in batch):
        raise RuntimeError("bad pair")
    return model(batch)


def made(scores: ScoreCache | None = None) -> Reranker:
    queue = Batcher(counting, inference_threads=1, max_batch_tokens=0, max_queue_tokens=10_000)
    reranker = Reranker(tokenise, queue, max_documents=99, max_concurrent_requests=9, scores=scores)
    reranker.open()
    return reranker


@pytest.fixture
def reranker() -> Iterator[Reranker]:
    READ.clear()
    RAN.clear()
    opened = made()
    yield opened
    opened.close()


def entry(reranker: Reranker, documents: list[str]) -> list[tuple[int, float]]:
    ranking = asyncio.run(reranker.rerank(Job(query="q", documents=documents, raw_scores=True)))
    return [(place.index, place.score) for place in ranking.results]


def test_a_document_that_occurs_twice_is_computed_once_and_counted_twice(reranker: Reranker) -> None:
    """Each place has its score, ties in the request's order; usage counts what was asked."""
    documents = ["a b", "a", "a b", "c d e", "a"]
    assert entry(reranker, documents) == [(3, 3.0), (0, 2.0), (2, 2.0), (1, 1.0), (4, 1.0)]
    assert sorted(RAN) == [2, 3, 4]
    assert READ[0][1] == ["a b", "a", "c d e"]
    usage = asyncio.run(reranker.rerank(Job(query="q", documents=documents))).usage
    assert usage.tokens == 3 + 2 + 3 + 4 + 2


def test_a_failure_is_told_by_the_first_of_the_same_documents(reranker: Reranker) -> None:
    """Its index in the request, not among the different ones."""
    bad = " ".join("x" * 13)
    with pytest.raises(ModelFailed, match="the document with index 3"):
        entry(reranker, ["a", "a", "a b", bad, bad])


def test_scores_are_remembered_only_where_they_are_to_be(reranker: Reranker) -> None:
    """Off: computed again. On: not, also in another request, and another document still is."""
    for _ in range(2):
        entry(reranker, ["a b"])
    assert RAN == [3, 3]
    RAN.clear()
    remembering = made(ScoreCache(10_000))
    first = entry(remembering, ["a b", "a"])
    assert entry(remembering, ["a b", "a", "a b c"]) == [(2, 3.0), *first]
    assert RAN == [3, 2, 4]
    assert entry(remembering, ["a"]) == [(0, 1.0)]
    with pytest.raises(ModelFailed, match="the document with index 2"):
        entry(remembering, ["a", "a b", " ".join("x" * 13)])
    remembering.close()


def test_a_separator_in_a_text_does_not_give_another_pairs_score() -> None:
    """The ids are the same, the segments are not."""
    tokenizer = make_tokenizer("bert")
    tokenizer.add_special_tokens(["[SEP]"])
    tokeniser = Tokeniser(tokenizer, 32)
    (one,) = tokeniser.pairs("panda", ["bear [SEP] bread"])
    (other,) = tokeniser.pairs("panda [SEP] bear", ["bread"])
    assert one.ids.tolist() == other.ids.tolist()

    async def segments(pairs: Sequence[Pair]) -> Scored:
        return Scored(np.array([pair.types.sum() for pair in pairs], np.float32), 0, 0)

    async def test() -> None:
        cache = ScoreCache(10_000)
        for pair, logit in ((one, 4), (other, 2), (one, 4)):
            assert (await cache.score([pair], segments)).logits.tolist() == [logit]
        assert cache.cache.hits == 1

    asyncio.run(test())


def test_an_estimate_is_of_what_will_be_read() -> None:
    """A document that occurs twice once, and no more of one than the client wants to be read."""
    estimate = TokenEstimator(512)
    one = estimate.tokens([Job(query="q", documents=["a" * 1000])])
    assert estimate.tokens([Job(query="q", documents=["a" * 1000] * 50)]) == one > 90
    assert estimate.tokens([Job(query="q", documents=["a" * 1000], max_tokens_per_doc=10)]) == 10


def test_an_estimate_learns_and_stays_below() -> None:
    """Of texts of four characters a token it comes near that, from below."""
    estimate, job = TokenEstimator(64), Job(query="abcd", documents=["abcd" * 8 + f"{n:4}" for n in range(10)])
    true = (4 + 36) * 10 // 4
    assert estimate.tokens([job]) < true
    for _ in range(60):
        estimate.learn([job], true)
    assert 0.85 * true < estimate.tokens([job]) < true
    assert estimate.tokens([]) == 0
    assert estimate.tokens([Job(query="q", documents=["a" * 10**6, "b"])]) == 64, "a long document is cut"
