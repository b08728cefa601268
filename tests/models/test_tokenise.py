"""Pairs of token ids: bit for bit what the tokenizers of the models' own library give.

The oracle is transformers (and, for the layout of tiny models, the tokenizer's own pair encoding).
"""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer, processors

from models.artefact import ArtefactError
from models.catalogue import EMBEDDED
from models.chunks import ChunkOptions, TooManyChunks
from models.cpus import usable_cpus
from models.tokenise import CHARACTERS_PER_TOKEN, TEXTS_PER_CPU, Tokeniser
from tests.support.noting_tokenizer import NotingTokenizer
from tests.support.texts import ODD, PASSAGES, QUERY
from tests.support.tiny import Family, make_tokenizer
from tests.support.tokenisers import embedded, oracle, raw


@pytest.mark.parametrize("family", ["bert", "xlm-roberta"])
def test_pairs_have_the_layout_of_the_family(family: Family) -> None:
    """Special tokens and segment ids stand where the tokenizer's own pair encoding puts them."""
    tokenizer = make_tokenizer(family)
    expected = tokenizer.encode("what is a panda", "a bear of china")
    (pair,) = Tokeniser(make_tokenizer(family), 32).pairs("what is a panda", ["a bear of china"])
    assert pair.ids.tolist() == expected.ids
    assert pair.types.tolist() == expected.type_ids


def test_an_empty_document_keeps_the_pairs_layout() -> None:
    """As the tokenizer encodes it; transformers is no oracle here, it takes an empty second text for none."""
    expected = raw().encode(QUERY, "")
    (pair,) = embedded().pairs(QUERY, [""])
    assert pair.ids.tolist() == expected.ids
    assert pair.types.tolist() == expected.type_ids


def test_pairs_of_odd_texts_equal_transformers() -> None:
    """Invisible, endless, multilingual and special-token texts give transformers' ids, truncated ones too."""
    reference = oracle(EMBEDDED)
    texts = [*PASSAGES, *(text for text in ODD if text)]
    for query in (QUERY, "a", ODD[5]):
        for document, pair in zip(texts, embedded().pairs(query, texts), strict=True):
            expected = reference(query, document, truncation="only_second", max_length=512)
            assert pair.ids.tolist() == expected["input_ids"], document[:40]
            assert pair.types.tolist() == expected["token_type_ids"], document[:40]


@given(
    query=st.text(min_size=1, max_size=80), document=st.text(max_size=400), max_tokens=st.sampled_from([24, 64, 512])
)
@example(query="0:00002:0:0:0:0:0:0:0", document="", max_tokens=24)  # fits, but is longer than three quarters
def test_any_text_gives_the_ids_of_the_pair_encoding(query: str, document: str, max_tokens: int) -> None:
    """Joining the parts equals encoding the pair, for generated text and several windows."""
    tokenizer = raw()
    all_query_ids = tokenizer.encode(query, add_special_tokens=False).ids
    query_ids = all_query_ids[: max_tokens * 3 // 4]
    document_ids = tokenizer.encode(document, add_special_tokens=False).ids
    whole = tokenizer.encode(query, document).ids
    (pair,) = embedded(max_tokens).pairs(query, [document])
    if len(whole) <= max_tokens and query_ids == all_query_ids:
        assert pair.ids.tolist() == whole
    else:
        assert len(pair) == min(max_tokens, len(query_ids) + len(document_ids) + 4)
        assert pair.ids.tolist()[1 : 1 + len(query_ids)] == query_ids


def test_a_long_query_is_cut_to_three_quarters_of_the_window() -> None:
    """The document keeps a quarter, less the special tokens."""
    (pair,) = embedded(64).pairs("word " * 1000, ["panda " * 1000])
    assert len(pair) == 64
    word, panda = (embedded().pairs(text, [""])[0].ids[1] for text in ("word", "panda"))
    assert pair.ids.tolist().count(word) == 48
    assert pair.ids.tolist().count(panda) == 64 - 48 - 4


@pytest.mark.parametrize("characters", [500_000, pytest.param(5_000_000, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    ("unit", "end"),
    [("panda bear ", ""), ("大熊猫", ""), ("x", ""), (" ", "panda")],
    ids=["words", "chinese", "one endless word", "spaces before a word"],
)
def test_a_text_far_beyond_the_window_is_cut_as_the_whole_would_be(unit: str, end: str, characters: int) -> None:
    """Reading only as far as the window reaches, some 8,000 characters, changes no id; the oracle reads all of it."""
    text = unit * (characters // len(unit)) + end
    (pair,) = embedded().pairs(QUERY, [text])
    ids = raw().encode(text, add_special_tokens=False).ids
    head = len(embedded().pairs(QUERY, [""])[0]) - 1
    assert pair.ids.tolist()[head:-1] == ids[: 512 - head - 1]


def test_a_word_that_the_reach_cuts_in_two_changes_nothing() -> None:
    """WordPiece makes one unknown token of a word of over 100 characters, and up to 100 of the part that is read."""
    (empty,) = embedded().pairs("q", [""])
    room = 512 - len(empty)
    spaces = room * CHARACTERS_PER_TOKEN - 2 * (room - 20) - 95
    text = "a " * (room - 20) + " " * spaces + "x1" * 75 + " panda" * 100
    (pair,) = embedded().pairs("q", [text])
    assert pair.ids.tolist()[len(empty) - 1 : -1] == raw().encode(text, add_special_tokens=False).ids[:room]


def test_a_longer_document_does_not_take_longer_than_its_windows_allow() -> None:
    """A document of 5 MB is read to a bounded length: the texts given to the tokenizer stay short."""

    class Recording:
        """Stands between the tokeniser and the true tokenizer and notes how much text goes in."""

        def __init__(self) -> None:
            self.inner = Tokenizer.from_file(str(EMBEDDED / "tokenizer.json"))
            self.characters = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

        def encode_batch_fast(self, texts: list[str], **options: Any) -> Any:
            self.characters += sum(len(text) for text in texts)
            return self.inner.encode_batch_fast(texts, **options)

    recording = Recording()
    tokeniser = Tokeniser(recording, 512)  # type: ignore[arg-type]
    tokeniser.pairs(QUERY, ["panda bear " * 500_000])
    assert recording.characters < 20_000
    for chunk_options in (ChunkOptions(max_chunks_per_doc=4), ChunkOptions(max_chunks_per_doc=7, overlap_tokens=250)):
        recording.characters = 0
        tokeniser.chunked_pairs(QUERY, ["panda bear " * 500_000], chunk_options)
        assert recording.characters < 4 * 512 * CHARACTERS_PER_TOKEN
    recording.characters = 0
    with pytest.raises(TooManyChunks):
        tokeniser.chunked_pairs(QUERY, ["panda bear " * 500_000], ChunkOptions(max_chunks_per_doc=10**9), max_pairs=3)
    assert recording.characters < 4 * 512 * CHARACTERS_PER_TOKEN


def test_a_tokenizer_that_is_none_is_refused(tmp_path: Path) -> None:
    """The message names the file."""
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ArtefactError, match=r"tokenizer\.json is not a valid tokenizer\.json"):
        Tokeniser.open(tmp_path / "tokenizer.json", 512)


def test_a_window_without_room_for_a_pair_is_refused() -> None:
    """A window must hold the special tokens in its document quarter."""
    with pytest.raises(ArtefactError, match="window of 8 tokens is too small"):
        embedded(8)


@pytest.mark.parametrize("count", [100, pytest.param(1_000, marks=pytest.mark.long)])
def test_the_true_tokenizer_gives_transformers_ids_for_real_pairs(
    data_dir: Path, real_pairs: list[tuple[str, str]], count: int
) -> None:
    """bge-reranker-v2-m3's tokenizer: real pairs whole, and truncated with only_second, equal transformers."""
    folder = data_dir / "bge-reranker-v2-m3"
    reference = oracle(folder)
    long_enough, short = Tokeniser.open(folder / "tokenizer.json", 8192), Tokeniser.open(folder / "tokenizer.json", 64)
    cut = 0
    for query, passage in real_pairs[:count]:
        (whole,) = long_enough.pairs(query, [passage])
        assert whole.ids.tolist() == reference(query, passage)["input_ids"]
        (truncated,) = short.pairs(query, [passage])
        expected = reference(query, passage, truncation="only_second", max_length=64)["input_ids"]
        assert truncated.ids.tolist() == expected
        cut += len(truncated) < len(whole)
    assert cut > count / 2, "the short window must have cut most passages"


def test_the_true_tokenizer_lays_out_the_documented_pair(data_dir: Path) -> None:
    """('what is panda?', 'hi') is the id sequence that the data's README records."""
    tokeniser = Tokeniser.open(data_dir / "bge-reranker-v2-m3" / "tokenizer.json", 8192)
    (pair,) = tokeniser.pairs("what is panda?", ["hi"])
    assert pair.ids.tolist() == [0, 2367, 83, 6, 85407, 32, 2, 2, 1274, 2]


def test_long_real_documents_are_cut_as_transformers_cuts_them(
    data_dir: Path, real_pairs: list[tuple[str, str]]
) -> None:
    """100 documents of some 60,000 characters, and one of Chinese without a space, at the 512 and 8,192 windows."""
    folder = data_dir / "bge-reranker-v2-m3"
    reference = oracle(folder)
    passages = [passage for _, passage in real_pairs]
    documents = [" ".join(passages[start : start + 200]) for start in range(0, 4000, 400)] + [
        "大熊猫几乎只吃竹子，" * 9000
    ]
    for window in (512, 8192):
        pairs = Tokeniser.open(folder / "tokenizer.json", window).pairs(QUERY, documents)
        for document, pair in zip(documents, pairs, strict=True):
            expected = reference(QUERY, document, truncation="only_second", max_length=window)["input_ids"]
            assert np.array_equal(pair.ids, expected)


def test_many_threads_share_one_tokeniser() -> None:
    """The service tokenises in threads: the ids stay those of one thread."""
    from concurrent.futures import ThreadPoolExecutor

    tokeniser = embedded()
    alone = tokeniser.pairs(QUERY, PASSAGES)
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda _: tokeniser.pairs(QUERY, PASSAGES), range(100)))
    for pairs in together:
        assert all(np.array_equal(one.ids, other.ids) for one, other in zip(alone, pairs, strict=True))


def test_the_tokenizers_threads_get_a_large_request_in_parts() -> None:
    """So that others come between; the ids are those of each text alone."""
    tokenizer = NotingTokenizer(EMBEDDED / "tokenizer.json")
    part = TEXTS_PER_CPU * usable_cpus()
    documents = [f"{number} pandas" for number in range(3 * part + 1)]
    pairs = Tokeniser(cast(Tokenizer, tokenizer), 512).pairs(QUERY, documents)
    assert tokenizer.batches == [1, *[part] * 3, 1]
    for document, pair in zip(documents, pairs, strict=True):
        assert pair.ids.tolist() == embedded().pairs(QUERY, [document])[0].ids.tolist()


@pytest.mark.parametrize("pair", ["[CLS] $B [SEP] $A [SEP]", "[CLS] $A [SEP] $B [SEP] $A [SEP]"])
def test_a_pair_in_another_order_is_refused(pair: str) -> None:
    """The document comes before the query, or the query comes twice: the template could not be read from it."""
    tokenizer = make_tokenizer("bert")
    special = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", pair, special)
    with pytest.raises(ArtefactError, match="a text twice, or the document before the query"):
        Tokeniser(tokenizer, 64)
