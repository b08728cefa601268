"""The cache: bounded by bytes, the longest unused goes first; the tokeniser's ids are the same with it and without."""

from concurrent.futures import ThreadPoolExecutor
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from models.cache import ENTRY_BYTES, ByteCache
from models.catalogue import EMBEDDED
from models.chunks import ChunkOptions
from models.tokenise import Tokeniser
from tests.support.noting_tokenizer import NotingTokenizer
from tests.support.texts import ODD, PASSAGES, QUERY
from tests.support.tokenisers import embedded


def test_the_longest_unused_goes_first() -> None:
    """A look-up is a use."""
    cache = ByteCache[str, int](3 * (ENTRY_BYTES + 10))
    for number, key in enumerate("abc"):
        cache.put(key, number, 10)
    assert cache.get("a") == 0
    cache.put("d", 3, 10)
    assert [cache.get(key) for key in "abcd"] == [0, None, 2, 3]
    assert (cache.hits, cache.misses, len(cache)) == (4, 1, 3)


def test_a_key_counts_once_however_often_it_is_kept() -> None:
    """The newer value and size."""
    cache = ByteCache[str, int](10_000)
    cache.put("a", 1, 10)
    cache.put("a", 2, 30)
    assert (cache.get("a"), cache.bytes, len(cache)) == (2, ENTRY_BYTES + 30, 1)


def test_what_is_larger_than_the_cache_is_not_kept() -> None:
    """And drives nothing else out."""
    cache = ByteCache[str, int](ENTRY_BYTES + 100)
    cache.put("a", 1, 10)
    cache.put("b", 2, 1000)
    assert (cache.get("a"), cache.get("b")) == (1, None)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 400)), max_size=60))
def test_the_bound_holds_whatever_is_kept(entries: list[tuple[int, int]]) -> None:
    """The bytes that are counted are those of what is there."""
    cache = ByteCache[int, int](1000)
    for key, size in entries:
        cache.put(key, size, size)
        assert cache.bytes <= 1000
        sizes = [cache.get(key) for key in range(10)]  # the value of an entry is its size; all are used in one order
        assert cache.bytes == sum(ENTRY_BYTES + size for size in sizes if size is not None)


def cached(max_tokens: int = 512) -> Tokeniser:
    return Tokeniser.open(EMBEDDED / "tokenizer.json", max_tokens, cache_bytes=10_000_000)


@pytest.mark.parametrize(
    "chunk_options",
    [
        ChunkOptions(),
        ChunkOptions(max_chunks_per_doc=4, overlap_tokens=9),
        ChunkOptions(max_tokens_per_doc=7),
        ChunkOptions(truncation_side="left"),
        ChunkOptions(max_chunks_per_doc=30),
    ],
    ids=str,
)
def test_ids_from_the_cache_are_those_of_the_text(chunk_options: ChunkOptions) -> None:
    """Twice, with queries that leave more and less room, in chunks that were read further before, and not as far."""
    tokeniser, documents = cached(64), [*PASSAGES, *ODD, " ".join(PASSAGES) * 5]
    for query in (QUERY, "a", QUERY * 3, "a"):
        for _ in range(2):
            found = tokeniser.chunked_pairs(query, documents, chunk_options)
            expected = embedded(64).chunked_pairs(query, documents, chunk_options)
            assert found.counts == expected.counts
            for pair, other in zip(found.pairs, expected.pairs, strict=True):
                np.testing.assert_array_equal(pair.ids, other.ids)
                assert pair.ids.dtype == np.int64


@pytest.mark.parametrize("document", ["panda " * 5000, "panda"], ids=["long", "short"])
def test_a_document_that_was_read_is_not_read_again(document: str) -> None:
    """Also for a shorter query, which leaves more room."""
    tokenizer = NotingTokenizer(EMBEDDED / "tokenizer.json")
    tokeniser = Tokeniser(cast(Tokenizer, tokenizer), 512, cache_bytes=10_000_000)
    tokeniser.pairs(QUERY, [document])
    tokenizer.batches.clear()
    tokeniser.pairs("a", [document])
    assert tokenizer.batches == [1], "the query, and no document"
    assert (tokeniser.cache.hits, tokeniser.cache.misses) == (1, 1)


def test_threads_share_a_cache() -> None:
    """Eight at once over a cache that is too small for all: every id is right."""
    tokeniser = Tokeniser.open(EMBEDDED / "tokenizer.json", 512, cache_bytes=3000)
    expected = [pair.ids.tolist() for pair in embedded().pairs(QUERY, PASSAGES)]
    with ThreadPoolExecutor(8) as threads:
        for pairs in threads.map(lambda _: tokeniser.pairs(QUERY, PASSAGES), range(200)):
            assert [pair.ids.tolist() for pair in pairs] == expected
    assert tokeniser.cache.bytes <= 3000
