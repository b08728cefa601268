"""The texts on which a checkpoint's tokenizer.json is compared with the tokenizer that transformers builds.

A tokenizer's settings show only in texts that they bear on: case, accents, Chinese characters, digits, special tokens
that are written out, white space, emoji. Words of the model's own vocabulary are among them, so that a small vocabulary
does not read everything as the unknown token.
"""

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from tokenizers import Tokenizer

from models.pair import Pair
from models.prepare.pairs import Text

QUERY, DOCUMENT = "what do giant pandas eat", "The giant panda eats bamboo."
WORDS_PER_KIND = 40
FULL_WIDTH = 0xFEE0
"""The distance from an ASCII character to its full-width form."""
CUT_TOKENS = 64
"""The window of the probe that is cut."""
FIXED = (
    ("capital letters", "The Giant PANDA Eats Bamboo In CHINA, İSTANBUL, STRASSE, ΟΔΟΣ"),
    ("accents", "Crème brûlée, naïve façade, Ångström, Übermäßig, señor, Đà Nẵng, cafe\u0301 u\u0308ber"),
    (
        "Chinese, Japanese and Korean characters",
        "大熊猫几乎只吃竹子。パンダは竹を食べる 판다는 대나무를 먹는다 panda熊猫bear",
    ),
    ("digits", "3.14 and 1,000,000 on 2024-11-29, ½ x² ٣ Ⅷ 12345678901234567890 v2m3"),
    ("white space", "  two  spaces\t\ttabs\n\nlines \u00a0no\u00a0break\u3000wide\u2009thin end  "),
    ("emoji", "🐼 eats 🎋, 👩‍👩‍👧 🇨🇳 ❤️ 👍🏽"),
    ("punctuation", "don't can't (e.g.) a_b@example.com — “quoted” … C++ #1 50% <b>bold</b> x=[1] {2}"),
    ("invisible and control characters", "pan\u00adda zero\u200bwidth \ufeffmark a\x00b\x07c \u202eleft"),
    ("compatibility characters", "ﬁne \uff46\uff55\uff4c\uff4c\u3000\uff37idth ① ㎏ Å ™ ﷺ"),
    ("other scripts", "الباندا العملاقة تأكل הַפַּנְדָּה אוכלת แพนด้ายักษ์กินไผ่ विशाल पांडा बांस खाता है"),
    ("a long word", "x" * 120 + " panda" + "y1" * 60),
)


class Probe(NamedTuple):
    """A pair of texts and what is probed with it."""

    kind: str
    query: str
    document: str
    max_tokens: int | None = None
    """The window that the pair is cut to; None for the whole pair."""

    @property
    def text(self) -> str:
        """The text that the probe is about."""
        return self.query if self.document == DOCUMENT else self.document


class TokenRecord(NamedTuple):
    """The probes with the ids that transformers reads, and who read them."""

    by: str
    probes: list[Probe]
    pairs: list[Pair]


def make_probes(tokenizer: Tokenizer, special_tokens: Sequence[str], texts: Sequence[Text]) -> list[Probe]:
    """Make the pairs: each text once as a document and once as a query, then the parity pairs' own texts.

    Args:
        tokenizer: the tokenizer.json, for the words of the vocabulary.
        special_tokens: the special and added tokens as transformers writes them, the special ones first.
        texts: the texts of the parity pairs.
    """
    added = sorted(token.content for token in tokenizer.get_added_tokens_decoder().values())
    written = list(dict.fromkeys([*special_tokens, *added]))
    single = [*FIXED, *_vocabulary_texts(tokenizer), *_added_texts(written)]
    probes = [Probe(kind, QUERY, text) for kind, text in single]
    probes += [Probe(kind, text, DOCUMENT) for kind, text in single]
    probes += [Probe("a parity text", text.query, text.passage) for text in texts if text.query and text.passage]
    long = f"{texts[0].passage} {DOCUMENT} " * CUT_TOKENS + "It sleeps in trees."
    return [*probes, Probe("the end of a document that is cut", QUERY, long, CUT_TOKENS)]


def _added_texts(tokens: Sequence[str]) -> list[tuple[str, str]]:
    """Write special and added tokens into texts, as they are and in the forms that a normalizer may fold to them.

    The first have texts of their own; the many that some models add (`[unused0]` and the like) share them.
    """
    alone, rest = tokens[:WORDS_PER_KIND], tokens[WORDS_PER_KIND:]
    groups = [[token] for token in alone]
    groups += [list(rest[start : start + WORDS_PER_KIND]) for start in range(0, len(rest), WORDS_PER_KIND)]
    texts = []
    for group in groups:
        texts.append(
            ("special and added tokens written out", " ".join(f"giant {token}panda {token} bamboo" for token in group))
        )
        forms = [form for token in group for form in _other_forms(token)]
        if forms:
            texts.append(("special and added tokens in other letters", f"giant {' '.join(forms)} bamboo"))
    return texts


def _other_forms(token: str) -> list[str]:
    """Write a token in small letters, in capitals, without and with accents, and in full-width letters."""
    plain = "".join(letter for letter in unicodedata.normalize("NFD", token) if not unicodedata.combining(letter))
    accented = unicodedata.normalize(
        "NFC", "".join(f"{letter}\u0301" if letter in "aeiou" else letter for letter in token)
    )
    wide = "".join(chr(ord(letter) + FULL_WIDTH) if "!" <= letter <= "~" else letter for letter in token)
    forms = dict.fromkeys([token.lower(), token.upper(), token.title(), plain, accented, wide])
    return [form for form in forms if form != token]


def _vocabulary_texts(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    """Make texts of the vocabulary's words: as they are, in capitals, with accents, and not separated."""
    words = _sampled_words(tokenizer)
    plain = " ".join(words)
    accented = " ".join(unicodedata.normalize("NFC", f"{word[0]}\u0301{word[1:]}") for word in words)
    if not words:
        return []
    return [
        ("words of the vocabulary", plain),
        ("words of the vocabulary in capitals", plain.upper()),
        ("words of the vocabulary with capitals", plain.title()),
        ("words of the vocabulary in small letters", plain.lower()),
        ("words of the vocabulary with accents", accented),
        ("words of the vocabulary without spaces", "".join(words)[:100]),
    ]


def _sampled_words(tokenizer: Tokenizer) -> list[str]:
    """Take up to `WORDS_PER_KIND` words of every kind from the vocabulary, evenly."""
    kinds: dict[tuple[bool, bool, bool], list[str]] = {}
    for token in sorted(tokenizer.get_vocab(with_added_tokens=False)):
        word = token.lstrip("▁Ġ").removeprefix("##")
        if word.isalnum():
            kind = (word.isascii(), word == word.lower(), any("\u3000" <= letter <= "\u9fff" for letter in word))
            kinds.setdefault(kind, []).append(word)
    return [word for words in kinds.values() for word in words[:: -(-len(words) // WORDS_PER_KIND)]]
