"""Chunks of long documents: slices of the document's own tokens, in order, and the best one counts.

Oracles: a case worked by hand, transformers' own overflowing tokens, and the properties that chunks must have.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.catalogue import EMBEDDED
from models.chunks import TRUNCATION, ChunkedPairs, ChunkOptions, TooManyChunks, best_chunks
from models.pair import Pair
from models.scorer import Scorer
from models.tokenise import Tokeniser
from tests.support.texts import BEST, ODD, PASSAGES, QUERY
from tests.support.tiny import Family, make_tokenizer
from tests.support.tokenisers import embedded, oracle, raw


def options(chunks: int, overlap: int = 0) -> ChunkOptions:
    return ChunkOptions(max_chunks_per_doc=chunks, overlap_tokens=overlap)


def words(pair: Pair, family: Family) -> str:
    """A pair of the tiny tokenizer read back, special tokens left out."""
    text: str = make_tokenizer(family).decode(pair.ids.tolist(), skip_special_tokens=False)
    return " ".join(word for word in text.split() if not word.startswith(("[", "<")))


def test_a_case_worked_by_hand() -> None:
    """17 tokens less 4 special ones and a query of 7 leave room for 6: 9 words that share 2 are 6 and 5."""
    query = "what is the bear of the oven"
    tokeniser = Tokeniser(make_tokenizer("xlm-roberta"), 17)
    pairs, counts = tokeniser.chunked_pairs(
        query, ["one two three four panda bear china bread oven", "", "a"], options(3, 2)
    )
    assert counts == [2, 1, 1]
    assert [words(pair, "xlm-roberta") for pair in pairs] == [
        f"{query} one two three four panda bear",
        f"{query} panda bear china bread oven",
        query,
        f"{query} a",
    ]


@pytest.mark.parametrize(
    ("tokens", "room", "chunks", "overlap", "expected"),
    [
        (9, 6, 5, 2, [(0, 6), (4, 9)]),
        (10, 6, 5, 2, [(0, 6), (4, 10)]),
        (11, 6, 5, 2, [(0, 6), (4, 10), (8, 11)]),
        (11, 6, 2, 2, [(0, 6), (4, 10)]),
        (11, 6, 1, 2, [(0, 6)]),
        (12, 6, 5, 0, [(0, 6), (6, 12)]),
        (12, 6, 5, 3, [(0, 6), (3, 9), (6, 12)]),
        (12, 6, 5, 80, [(0, 6), (3, 9), (6, 12)]),
        (6, 6, 5, 2, [(0, 6)]),
        (2, 6, 5, 2, [(0, 2)]),
        (0, 6, 5, 2, [(0, 0)]),
        (3, 1, 5, 1, [(0, 1), (1, 2), (2, 3)]),
    ],
    ids=[
        "the last chunk may be shorter",
        "two full chunks",
        "one token more takes a third",
        "no more chunks than allowed",
        "one chunk is truncation",
        "no overlap",
        "an overlap of half the room",
        "more than half counts as half",
        "a document that fits is one chunk",
        "a short document is one chunk",
        "an empty document is one empty chunk",
        "a room of one token cannot overlap",
    ],
)
def test_spans(tokens: int, room: int, chunks: int, overlap: int, expected: list[tuple[int, int]]) -> None:
    """Which tokens each chunk takes, worked by hand."""
    spans = options(chunks, overlap).spans(tokens, room)
    assert [(span.start, span.stop) for span in spans] == expected


@given(
    tokens=st.integers(0, 500), room=st.integers(1, 60), chunks=st.integers(1, 12) | st.just(10**9),
    overlap=st.integers(0, 70),
)  # fmt: skip
def test_chunks_cover_the_document_in_order(tokens: int, room: int, chunks: int, overlap: int) -> None:
    """Each in the room, each with the overlap, no gap, none for nothing, and all of it unless the number is reached."""
    split = options(chunks, overlap)
    spans = split.spans(tokens, room)
    document = list(range(tokens))
    assert document[spans[0]] == document[:room]
    assert 1 <= len(spans) <= chunks
    shared = min(overlap, room // 2)
    for one, other in pairwise(spans):
        assert one.stop - other.start == shared
        assert one.stop - one.start == room
        assert other.stop > one.stop
    assert all(span.stop - span.start <= room for span in spans)
    if spans[-1].stop < tokens:
        assert len(spans) == chunks
    read = sorted({token for span in spans for token in document[span]})
    assert read == document[: split.reach(room)]


@given(
    query=st.text(min_size=1, max_size=40), texts=st.lists(st.text(max_size=300), max_size=4),
    chunks=st.integers(1, 6), overlap=st.integers(0, 20),
)  # fmt: skip
def test_chunks_of_any_text_join_to_its_tokens(query: str, texts: list[str], chunks: int, overlap: int) -> None:
    """With the real WordPiece: without what they share, a document's chunks are its tokens, and the first is the
    truncated pair.
    """
    tokeniser = embedded(32)
    pairs, counts = tokeniser.chunked_pairs(query, texts, options(chunks, overlap))
    head = len(tokeniser.pairs(query, [""])[0]) - 1
    room = 32 - head - 1
    assert sum(counts) == len(pairs)
    left = iter(pairs)
    for text, truncated, count in zip(texts, tokeniser.pairs(query, texts), counts, strict=True):
        own = [next(left) for _ in range(count)]
        assert own[0].ids.tolist() == truncated.ids.tolist()
        joined = own[0].ids.tolist()[head:-1]
        for pair in own[1:]:
            assert pair.ids.tolist()[:head] == truncated.ids.tolist()[:head]
            joined += pair.ids.tolist()[head:-1][min(overlap, room // 2) :]
        expected = raw().encode(text, add_special_tokens=False).ids
        assert joined == expected[: len(joined)]
        assert len(joined) == len(expected) or count == chunks
    assert all(len(pair) <= 32 and len(pair.types) == len(pair) for pair in pairs)


def overflowing(reference: Any, query: str, text: str, window: int, overlap: int) -> list[list[int]]:
    """Every chunk that transformers makes of a document."""
    made = reference(
        query, text, truncation="only_second", max_length=window, stride=overlap, return_overflowing_tokens=True
    )
    ids: list[list[int]] = made["input_ids"]
    return ids


@pytest.mark.parametrize("overlap", [0, 1, 16, 80])
def test_chunks_equal_transformers(overlap: int) -> None:
    """Its overflowing tokens with `stride` are our chunks with that overlap, id for id, for odd texts too."""
    reference = oracle(EMBEDDED)
    texts = [*PASSAGES, *(text for text in ODD if text), " ".join(PASSAGES) * 20, " " * 50_000 + "panda bear " * 300]
    for window in (64, 256):
        overlap = min(overlap, (window - 12) // 2)
        pairs, counts = embedded(window).chunked_pairs(QUERY, texts, options(10**9, overlap))
        expected = [overflowing(reference, QUERY, text, window, overlap) for text in texts]
        assert counts == [len(of_document) for of_document in expected]
        assert [pair.ids.tolist() for pair in pairs] == [ids for of_document in expected for ids in of_document]
        assert max(counts) > 10
        few = embedded(window).chunked_pairs(QUERY, texts, options(3, overlap)).pairs
        assert [pair.ids.tolist() for pair in few] == [ids for of_document in expected for ids in of_document[:3]]


def test_the_true_tokenizers_chunks_equal_transformers(data_dir: Path, real_pairs: list[tuple[str, str]]) -> None:
    """bge-reranker-v2-m3's tokenizer over real text of up to 100 chunks, and at 8,192."""
    folder = data_dir / "bge-reranker-v2-m3"
    reference = oracle(folder)
    text = " ".join(passage for _, passage in real_pairs[:600])
    for window, overlap in ((512, 80), (8192, 1000)):
        expected = overflowing(reference, QUERY, text, window, overlap)
        made = Tokeniser.open(folder / "tokenizer.json", window).chunked_pairs(QUERY, [text], options(1024, overlap))
        assert [pair.ids.tolist() for pair in made.pairs] == expected
        few = Tokeniser.open(folder / "tokenizer.json", window).chunked_pairs(QUERY, [text], options(3, overlap))
        assert [pair.ids.tolist() for pair in few.pairs] == expected[:3]


def test_the_true_tokenizer_at_8192_tokens(data_dir: Path) -> None:
    """8,192 tokens pass whole; from 8,193 on the document loses its end; 10,000 tokens of query are cut to 6,144."""
    tokeniser = Tokeniser.open(data_dir / "bge-reranker-v2-m3" / "tokenizer.json", 8192)
    hi, the = (tokeniser.pairs("q", [text])[0].ids[-2] for text in ("hi", "the"))
    (head,) = tokeniser.pairs("what is panda?", [""])
    room = 8192 - len(head)
    whole, one_more, far_more = tokeniser.pairs(
        "what is panda?", ["hi " * (room - 1) + "the", "hi " * room + "the", "hi " * 50_000 + "the"]
    )
    assert whole.ids.tolist() == head.ids.tolist()[:-1] + [hi] * (room - 1) + [the, 2]
    for cut in (one_more, far_more):
        assert cut.ids.tolist() == head.ids.tolist()[:-1] + [hi] * room + [2]
    assert len(whole) == len(one_more) == len(far_more) == 8192
    (pair,) = tokeniser.pairs("hi " * 10_000, ["the " * 10_000])
    assert pair.ids.tolist() == [0] + [hi] * 6144 + [2, 2] + [the] * (8192 - 6144 - 4) + [2]


def test_too_many_chunks_are_refused_before_any_pair_is_made() -> None:
    """The limit is on all documents together; as many as it says are made."""
    tokeniser = Tokeniser(make_tokenizer("bert"), 20)
    documents = ["panda " * 34, "bear"]  # a room of 16: three chunks and one
    assert tokeniser.chunked_pairs("what", documents, options(9), max_pairs=4).counts == [3, 1]
    with pytest.raises(TooManyChunks) as told:
        tokeniser.chunked_pairs("what", documents, options(9), max_pairs=3)
    assert told.value.count == 4


def test_a_limit_on_chunks_bounds_what_is_read_and_made() -> None:
    """A megabyte whose chunks are refused costs no more than those that are allowed and one."""
    with pytest.raises(TooManyChunks) as told:
        embedded(64).chunked_pairs(QUERY, ["panda bear " * 100_000], options(10**9), max_pairs=5)
    assert told.value.count == 6


@pytest.mark.parametrize(("chunks", "overlap", "name"), [(0, 0, "max_chunks_per_doc"), (1, -1, "overlap_tokens")])
def test_chunks_that_cannot_be_are_refused(chunks: int, overlap: int, name: str) -> None:
    """The message names the field and the value."""
    with pytest.raises(ValueError, match=f"{name} must be . or more, not"):
        options(chunks, overlap)


def test_the_best_chunk_speaks_for_its_document() -> None:
    """The maximum of each document's own, negative ones and single ones too."""
    logits = np.array([-3, -1, -2, 7, 5, 6, -9], np.float32)
    best = best_chunks(logits, [3, 1, 2, 1])
    assert best.tolist() == [-1, 7, 6, -9]
    assert best.dtype == np.float32
    assert best_chunks(np.empty(0, np.float32), []).shape == (0,)


def test_a_pair_knows_its_document() -> None:
    """Chunks stand document after document."""
    made = ChunkedPairs([], [3, 1, 2])
    assert [made.document(pair) for pair in range(6)] == [0, 0, 0, 1, 2, 2]


def test_an_answer_at_the_end_of_a_long_document_is_found(scorer: Scorer) -> None:
    """Truncation never sees it; the chunk that holds it gives the document its score."""
    padding = " ".join([PASSAGES[0], PASSAGES[4]] * 40)
    documents = [PASSAGES[2], padding + f" {PASSAGES[BEST]}" * 12, PASSAGES[0]]
    truncated = scorer.logits(QUERY, documents)
    chunked = scorer.logits(QUERY, documents, options(8, 64))
    assert int(np.argmax(truncated)) != 1
    assert int(np.argmax(chunked)) == 1
    assert chunked[[0, 2]].tolist() == truncated[[0, 2]].tolist()
    pairs, counts = scorer.tokeniser.chunked_pairs(QUERY, documents, options(8, 64))
    assert counts[1] > 2
    assert chunked[1] == max(scorer.run(pairs)[1 : 1 + counts[1]])
    assert np.allclose(scorer.scores(QUERY, documents, options(8, 64)), 1 / (1 + np.exp(-chunked)), atol=1e-6)


def test_truncation_is_the_default(scorer: Scorer) -> None:
    """Without chunks asked for, nothing is other than before."""
    assert options(1, 0) == TRUNCATION
    long = [" ".join(PASSAGES) * 30]
    assert scorer.logits(QUERY, long).tolist() == scorer.run(scorer.tokeniser.pairs(QUERY, long)).tolist()
