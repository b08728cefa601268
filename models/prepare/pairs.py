"""The pairs on which an artefact is compared with its reference: real text from 16 tokens to the context window.

`pairs.jsonl` has 48 queries with passages in 14 languages. Each length class uses some of them and cuts or extends the
document (with the other passages) to its length. Long classes have few pairs, because the reference of one pair of
8,192 tokens takes minutes on a small CPU.
"""

import codecs
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from models.pair import Pair
from models.prepare.errors import PrepareError
from models.tokenise import Tokeniser

TEXTS = Path(__file__).parent / "pairs.jsonl"
COUNTS = {16: 40, 64: 40, 128: 40, 256: 30, 512: 12, 1024: 4, 2048: 2, 4096: 1, 8192: 1}
"""Number of pairs per length class; a class is the maximum length of its pairs in tokens."""
SHORT = 32
"""Classes below this length use shortened texts instead of truncation, since no pair fits into so small a window."""


class Text(msgspec.Struct, frozen=True):
    """A query and a passage."""

    query: str
    passage: str
    language: str = ""
    """The ISO 639-1 code, if the file has one."""


class Sample(NamedTuple):
    """A pair with its length class."""

    length: int
    pair: Pair


class SampledTexts(NamedTuple):
    """The texts of a sample, and their pair in a window of `max_tokens`."""

    query: str
    document: str
    max_tokens: int
    pair: Pair


def read_texts(path: Path = TEXTS) -> list[Text]:
    """Read JSON lines with `query` and `passage`; raise PrepareError for anything else."""
    try:
        lines = path.read_bytes().removeprefix(codecs.BOM_UTF8).splitlines()
    except OSError as error:
        raise PrepareError(f"{path} cannot be read: {error.strerror}") from None
    texts = []
    for number, line in enumerate(lines, start=1):
        try:
            texts += [msgspec.json.decode(line, type=Text)] if line.strip() else []
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            why = f"line {number}: {error}"
            raise PrepareError(f"{path} must be JSON lines, each with query and passage: {why}") from None
    if not texts:
        raise PrepareError(f"{path} has no pairs")
    return texts


def samples(tokenizer: Path, max_tokens: int, texts: Sequence[Text]) -> list[Sample]:
    """Make the pairs of every length class below the context window, and of the window's own length."""
    return [sample for sample, _ in samples_with_texts(tokenizer, max_tokens, texts)]


def samples_with_texts(tokenizer: Path, max_tokens: int, texts: Sequence[Text]) -> list[tuple[Sample, SampledTexts]]:
    """Make the pairs like `samples`, each with the texts that it was made of."""
    made = []
    widest = Tokeniser.open(tokenizer, max(max_tokens, SHORT))
    for length, count in _classes(max_tokens).items():
        tokeniser = widest.with_window(max(length, SHORT))
        for index in range(count):
            text = texts[index % len(texts)]
            used = _short(tokeniser, text, length) if length < SHORT else _filled(tokeniser, texts, index)
            made.append((Sample(length, used.pair), used))
    return made


def _classes(max_tokens: int) -> dict[int, int]:
    inside = {length: count for length, count in COUNTS.items() if length < max_tokens}
    longest = next((count for length, count in COUNTS.items() if length >= max_tokens), 1)
    return {**inside, max_tokens: longest}


def _filled(tokeniser: Tokeniser, texts: Sequence[Text], start: int) -> SampledTexts:
    """Extend a passage with those after it until the pair fills the window."""
    query, document = texts[start % len(texts)].query, ""
    for text in _from(texts, start):
        document = f"{document}\n{text.passage}" if document else text.passage
        pair = tokeniser.pairs(query, [document])[0]
        if len(pair) == tokeniser.max_tokens:
            break
    return SampledTexts(query, document, tokeniser.max_tokens, pair)


def _from(texts: Sequence[Text], start: int) -> Iterator[Text]:
    return itertools.islice(itertools.cycle(texts), start, start + 40 * len(texts))


def _short(tokeniser: Tokeniser, text: Text, length: int) -> SampledTexts:
    """Shorten both texts, the query to a third of the passage's length, until the pair is short enough."""
    for characters in range(3 * length, 0, -3):
        query, passage = text.query[: characters // 3], text.passage[:characters]
        pair = tokeniser.pairs(query, [passage])[0]
        if len(pair) <= length:
            break
    return SampledTexts(query, passage, tokeniser.max_tokens, pair)
