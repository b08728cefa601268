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
from service.errors import ModelFailed
from service.job import Job
from tests.support.engine import WordTokeniser, count_words
from tests.support.tiny import make_tokenizer


class NotedModel:
    """A model that notes the length of every pair that it ran, and fails on pairs of 14 tokens."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def __call__(self, batch: Sequence[Pair]) -> Logits:
        self.lengths.extend(len(pair) for pair in batch)
        if any(len(pair) == 14 for pair in batch):
            raise RuntimeError("bad pair")
        return count_words(batch)


def opened(model: NotedModel, tokenise: WordTokeniser, scores: ScoreCache | None = None) -> Reranker:
    queue = Batcher(model, inference_threads=1, max_batch_tokens=0, max_queue_tokens=10_000)
    reranker = Reranker(tokenise, queue, max_documents=99, max_concurrent_requests=9, scores=scores)
    reranker.open()
    return reranker


@pytest.fixture
def model() -> NotedModel:
    return NotedModel()


@pytest.fixture
def tokenise() -> WordTokeniser:
    return WordTokeniser()


@pytest.fixture
def reranker(model: NotedModel, tokenise: WordTokeniser) -> Iterator[Reranker]:
    """Without a cache."""
    without_cache = opened(model, tokenise)
    yield without_cache
    without_cache.close()


def ranked(reranker: Reranker, documents: list[str]) -> list[tuple[int, float]]:
    ranking = asyncio.run(reranker.rerank(Job(query="q", documents=documents, raw_scores=True)))
    return [(document.index, document.score) for document in ranking.results]


def test_a_document_that_occurs_twice_is_computed_once_and_counted_twice(
    reranker: Reranker, model: NotedModel, tokenise: WordTokeniser
) -> None:
    """Each occurrence has its score, ties in the request's order; usage counts every document of the request."""
    documents = ["a b", "a", "a b", "c d e", "a"]
    assert ranked(reranker, documents) == [(3, 3.0), (0, 2.0), (2, 2.0), (1, 1.0), (4, 1.0)]
    assert sorted(model.lengths) == [2, 3, 4]
    assert tokenise.calls[0][1] == ["a b", "a", "c d e"]
    usage = asyncio.run(reranker.rerank(Job(query="q", documents=documents))).usage
    assert usage.tokens == 3 + 2 + 3 + 4 + 2


def test_a_failure_is_told_by_the_first_of_the_same_documents(reranker: Reranker) -> None:
    """Its index in the request, not among the different ones."""
    bad = " ".join("x" * 13)
    with pytest.raises(ModelFailed, match="the document with index 3"):
        ranked(reranker, ["a", "a", "a b", bad, bad])


def test_scores_are_cached_only_where_they_are_to_be(
    reranker: Reranker, model: NotedModel, tokenise: WordTokeniser
) -> None:
    """Off: computed again. On: not, also in another request, and another document still is."""
    for _ in range(2):
        ranked(reranker, ["a b"])
    assert model.lengths == [3, 3]
    model.lengths.clear()
    with_cache = opened(model, tokenise, ScoreCache(10_000))
    first = ranked(with_cache, ["a b", "a"])
    assert ranked(with_cache, ["a b", "a", "a b c"]) == [(2, 3.0), *first]
    assert model.lengths == [3, 2, 4]
    assert ranked(with_cache, ["a"]) == [(0, 1.0)]
    with pytest.raises(ModelFailed, match="the document with index 2"):
        ranked(with_cache, ["a", "a b", " ".join("x" * 13)])
    with_cache.close()


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
