"""The parity pairs: their classes, that each is full, and which text files are refused."""

from collections import Counter
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from models.catalogue import EMBEDDED
from models.prepare.errors import PrepareError
from models.prepare.pairs import TEXTS, Sample, Text, read_texts, samples
from tests.support.tiny import Family, make_tokenizer

WORDPIECE = EMBEDDED / "tokenizer.json"
FAMILIES: list[Family] = ["bert", "xlm-roberta"]


@pytest.fixture(scope="module")
def texts() -> list[Text]:
    return read_texts()


def counts(made: list[Sample]) -> dict[int, int]:
    return dict(Counter(sample.length for sample in made))


def sizes(made: list[Sample], length: int) -> set[int]:
    return {len(sample.pair) for sample in made if sample.length == length}


@pytest.mark.parametrize(
    ("window", "classes"),
    [
        (512, {16: 40, 64: 40, 128: 40, 256: 30, 512: 12}),
        (64, {16: 40, 64: 40}),
        (62, {16: 40, 62: 40}),
        (300, {16: 40, 64: 40, 128: 40, 256: 30, 300: 12}),
        (16, {16: 40}),
        (32, {16: 40, 32: 40}),
    ],
)
def test_the_classes_end_with_the_window(texts: list[Text], window: int, classes: dict[int, int]) -> None:
    """Every class below the window, then the window itself with the count of the class that it falls into."""
    made = samples(WORDPIECE, window, texts)
    assert counts(made) == classes
    assert all(len(sample.pair) <= sample.length for sample in made)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_class_up_to_8192_is_exactly_full(tmp_path: Path, texts: list[Text], family: Family) -> None:
    """Long classes have few pairs; from 32 tokens on every pair has the very length of its class."""
    make_tokenizer(family).save(str(tmp_path / "tokenizer.json"))
    made = samples(tmp_path / "tokenizer.json", 8192, texts)
    assert counts(made) == {16: 40, 64: 40, 128: 40, 256: 30, 512: 12, 1024: 4, 2048: 2, 4096: 1, 8192: 1}
    for length in counts(made):
        assert sizes(made, length) == {length} if length > 16 else max(sizes(made, 16)) <= 16


def test_a_window_beyond_the_table_has_one_pair(tmp_path: Path, texts: list[Text]) -> None:
    """9,000 tokens is longer than every class: one pair of it, beside one of 8,192."""
    make_tokenizer("bert").save(str(tmp_path / "tokenizer.json"))
    made = samples(tmp_path / "tokenizer.json", 9000, texts)
    assert counts(made)[8192] == counts(made)[9000] == 1
    assert sizes(made, 9000) == {9000}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_shortest_class_holds_both_texts(tmp_path: Path, texts: list[Text], family: Family) -> None:
    """Up to 16 tokens: at most 16, never specials only, and both texts are there."""
    path = tmp_path / "tokenizer.json"
    make_tokenizer(family).save(str(path))
    tokenizer = Tokenizer.from_file(str(path))
    specials = {tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]", "<s>", "</s>")}
    for sample in samples(path, 16, texts):
        assert len(sample.pair) <= 16
        words = [int(place) not in specials for place in sample.pair.ids]
        runs = [place for place in range(1, len(words)) if words[place] and not words[place - 1]]
        assert len(runs) == 2


def test_the_pairs_of_a_class_are_different_texts(texts: list[Text]) -> None:
    """No two pairs of a class are the same, and the 16-token class is short of its bound by little."""
    made = samples(WORDPIECE, 128, texts)
    for length in (16, 64, 128):
        assert len({sample.pair.ids.tobytes() for sample in made if sample.length == length}) == 40
    assert (min(sizes(made, 16)) >= 12, max(sizes(made, 16))) == (True, 16)


def test_a_short_passage_is_lengthened_by_the_next_ones(tmp_path: Path) -> None:
    """The document is the passage, then those after it, round and round; the query stays its own."""
    path = tmp_path / "tokenizer.json"
    tokenizer = make_tokenizer("bert")
    tokenizer.save(str(path))
    texts = [Text("panda", "one two"), Text("bread", "three four")]
    long = [sample for sample in samples(path, 64, texts) if sample.length == 64]
    words = tokenizer.decode(long[1].pair.ids.tolist(), skip_special_tokens=False).split()
    assert words[:9] == ["[CLS]", "bread", "[SEP]", "three", "four", "one", "two", "three", "four"]
    assert long[1].pair.types.tolist() == [0] * 3 + [1] * 61
    assert words[3:-1] == (["three", "four", "one", "two"] * 15)
    assert (long[0].pair.ids == long[2].pair.ids).all()


def test_a_short_pair_has_a_third_as_much_query_as_passage(tmp_path: Path) -> None:
    """By hand: 13 and 39 characters are 4 + 10 words, one too many beside 3 special tokens; 12 and 36 are 3 + 9."""
    path = tmp_path / "tokenizer.json"
    make_tokenizer("bert").save(str(path))
    (first, *_) = samples(path, 16, [Text("one " * 20, "two " * 40)])
    words = make_tokenizer("bert").decode(first.pair.ids.tolist(), skip_special_tokens=False).split()
    assert words == ["[CLS]", *["one"] * 3, "[SEP]", *["two"] * 9, "[SEP]"]


def test_the_shipped_texts() -> None:
    """48 pairs of a query and a passage, all different and none of them empty."""
    texts = read_texts()
    assert len(texts) == len(set(texts)) == 48
    assert all(text.query.strip() and text.passage.strip() for text in texts)
    assert len(TEXTS.read_bytes().splitlines()) == 48


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has no pairs"),
        (b"\n  \n", "has no pairs"),
        (b"not json", "must be JSON lines, each with query and passage"),
        (b'{"query": "q"}', "passage"),
        (b'{"query": "q", "passage": 3}', "passage"),
        (b'["q", "p"]', "must be JSON lines"),
        (b'{"query": "q", "passage": "\xff"}', "must be JSON lines"),
    ],
    ids=["empty", "blank", "text", "lacking", "number", "list", "latin1"],
)
def test_a_bad_text_file_is_refused_in_a_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    """The message names the file and what belongs there."""
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(content)
    with pytest.raises(PrepareError, match=said) as raised:
        read_texts(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_text_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(PrepareError, match=r"none\.jsonl cannot be read: No such file"):
        read_texts(tmp_path / "none.jsonl")


def test_blank_lines_and_other_fields_are_passed_over(tmp_path: Path) -> None:
    """Only query, passage and language are read."""
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"language": "en", "query": "q", "passage": "p"}\n\n{"passage": "b", "more": 1, "query": "a"}\n')
    assert read_texts(path) == [Text("q", "p", "en"), Text("a", "b")]


def test_the_real_tokenizer_fills_every_class_up_to_8192(data_dir: Path, texts: list[Text]) -> None:
    """XLM-R's own 250,002 pieces: the same classes, exactly full from 64 tokens on."""
    made = samples(data_dir / "bge-reranker-v2-m3" / "tokenizer.json", 8192, texts)
    assert len(made) == 170
    for length in counts(made):
        assert sizes(made, length) == {length} if length > 16 else max(sizes(made, 16)) <= 16
