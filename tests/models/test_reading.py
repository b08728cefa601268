"""How much of a document is read: so many tokens, from which end, and whether anything may be cut at all.

Oracles: the tokenizer's encoding of the whole text, and transformers' truncation from the left.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.catalogue import EMBEDDED
from models.chunks import TRUNCATION, ChunkOptions, TooLong
from models.pair import TokenIds
from models.tokenise import Tokeniser
from tests.support.texts import ODD, PASSAGES, QUERY
from tests.support.tokenisers import embedded, oracle, raw

FROM_THE_END = ChunkOptions(truncation_side="left")
WHOLE = ChunkOptions(truncate=False)


def document_ids(tokeniser: Tokeniser, document: str, chunk_options: ChunkOptions, query: str = QUERY) -> TokenIds:
    """The document's part of its pair: what stands between the query's part and the last special token."""
    pairs, counts = tokeniser.chunked_pairs(query, [document], chunk_options)
    assert counts == [1]
    head = len(tokeniser.pairs(query, [""])[0]) - 1
    return pairs[0].ids[head:-1]


@given(document=st.text(max_size=300), tokens=st.integers(1, 80), from_the_end=st.booleans())
def test_so_many_tokens_of_a_document_are_read(document: str, tokens: int, from_the_end: bool) -> None:
    """The first of the whole text's own tokens, or the last."""
    ids = raw().encode(document, add_special_tokens=False).ids
    expected = ids[-tokens:] if from_the_end else ids[:tokens]
    chunk_options = ChunkOptions(max_tokens_per_doc=tokens, truncation_side="left" if from_the_end else "right")
    assert document_ids(embedded(), document, chunk_options).tolist() == expected


def test_the_window_is_the_bound_where_it_is_less() -> None:
    """4,096 tokens asked for, as the cohere client does, are no more than fit."""
    (pair,) = embedded(64).pairs(QUERY, ["panda " * 1000])
    (asked,) = embedded(64).chunked_pairs(QUERY, ["panda " * 1000], ChunkOptions(max_tokens_per_doc=4096)).pairs
    np.testing.assert_array_equal(asked.ids, pair.ids)


def test_chunks_share_what_may_be_read() -> None:
    """100 tokens of a document in chunks of its room: the last is shorter, and nothing lies beyond it."""
    tokeniser = embedded(64)
    room = 64 - len(tokeniser.pairs(QUERY, [""])[0])
    chunk_options = ChunkOptions(max_chunks_per_doc=9, max_tokens_per_doc=100)
    pairs, counts = tokeniser.chunked_pairs(QUERY, ["panda " * 1000], chunk_options)
    assert counts == [-(-100 // room)]
    assert sum(len(pair) for pair in pairs) == 100 + counts[0] * (64 - room)


def test_cut_from_the_left_equals_transformers() -> None:
    """Odd and ordinary texts, at a window that cuts most of them."""
    reference = oracle(EMBEDDED)
    reference.truncation_side = "left"
    for document in [*PASSAGES, *(text for text in ODD if text)]:
        (pair,) = embedded(48).chunked_pairs(QUERY, [document], FROM_THE_END).pairs
        expected = reference(QUERY, document, truncation="only_second", max_length=48)
        assert pair.ids.tolist() == expected["input_ids"], document[:40]


@pytest.mark.parametrize("characters", [300_000, pytest.param(3_000_000, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    ("beginning", "unit"),
    [("", "panda bear "), ("", "大熊猫"), ("", "x"), ("panda", " ")],
    ids=["words", "chinese", "one endless word", "spaces after a word"],
)
def test_a_long_text_read_from_the_end_is_cut_as_the_whole_would_be(beginning: str, unit: str, characters: int) -> None:
    """Reading only as far back as the window reaches, some 8,000 characters, changes no id; the oracle reads it all."""
    text = beginning + unit * (characters // len(unit))
    ids = raw().encode(text, add_special_tokens=False).ids
    found = document_ids(embedded(), text, FROM_THE_END)
    assert found.tolist() == ids[-len(found) :] if len(found) else ids == []


def test_what_fits_to_the_token_is_not_refused_and_one_more_is() -> None:
    """Neither for a document nor for a query; the document is named by its index."""
    tokeniser = embedded(64)
    room = 64 - len(tokeniser.pairs(QUERY, [""])[0])
    fits, too_long = "panda " * room, "panda " * (room + 1)
    whole = tokeniser.chunked_pairs(QUERY, [fits], WHOLE).pairs[0]
    np.testing.assert_array_equal(whole.ids, tokeniser.chunked_pairs(QUERY, [fits], TRUNCATION).pairs[0].ids)
    with pytest.raises(TooLong) as told:
        tokeniser.chunked_pairs(QUERY, [fits, "a", too_long, too_long], WHOLE)
    assert told.value.document == 2
    assert (
        len(tokeniser.chunked_pairs("panda " * 59, ["a"], WHOLE).pairs[0]) == 64
    )  # beyond three quarters, and it fits
    with pytest.raises(TooLong) as told:
        tokeniser.chunked_pairs("panda " * 60, [""], WHOLE)
    assert told.value.document is None


def test_no_tokens_at_all_cannot_be_asked_for() -> None:
    """A sentence with the value."""
    with pytest.raises(ValueError, match="max_tokens_per_doc must be 1 or more, not 0"):
        ChunkOptions(max_tokens_per_doc=0)
