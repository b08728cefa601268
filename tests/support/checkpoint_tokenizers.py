"""Checkpoints' tokenizer files, small but of the true kinds, for comparisons with transformers' AutoTokenizer."""

import json
from collections.abc import Mapping
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [
    *(
        "giant",
        "panda",
        "pandas",
        "eat",
        "eats",
        "bamboo",
        "bear",
        "the",
        "what",
        "do",
        "is",
        "a",
        "one",
        "two",
        "three",
    ),
    *("Giant", "PANDA", "Panda", "China", "china", "café", "cafe", "Über", "über", "uber", "crème", "creme"),
    *("大", "熊", "猫", "大熊猫", "竹", "熊猫", "##熊", "##猫", "3", "14", "2024", ".", ",", "-", "!", "?", "🐼"),
]
LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)]
ROWS = 256
"""Rows of the word table, more than there are tokens."""


def wordpiece(
    *,
    lowercase: bool = True,
    strip_accents: bool | None = None,
    chinese: bool = True,
    post_processor: bool = True,
    separated: bool = True,
) -> Tokenizer:
    """A BERT tokenizer: WordPiece over a few words in both cases, with accents and Chinese, and all letters."""
    vocabulary = list(dict.fromkeys([*SPECIALS, *WORDS, *LETTERS, *(f"##{letter}" for letter in LETTERS)]))
    words = {word: index for index, word in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(words, unk_token="[UNK]"))  # noqa: S106 - a token, not a password
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=chinese, strip_accents=strip_accents, lowercase=lowercase
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(SPECIALS)
    if post_processor:
        middle = " [SEP]:0" if separated else ""
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS]:0 $A:0 [SEP]:0",
            pair=f"[CLS]:0 $A:0{middle} $B:1 [SEP]:1",
            special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
        )
    return tokenizer


def write(
    folder: Path,
    tokenizer: Tokenizer,
    tokenizer_config: Mapping[str, object] | None = None,
    config: Mapping[str, object] | None = None,
) -> Path:
    """Write a checkpoint's small files; without a config the model is a BERT with `ROWS` words."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    model = {"model_type": "bert", "vocab_size": ROWS, "type_vocab_size": 2, "pad_token_id": 0}
    (folder / "config.json").write_text(json.dumps(model | dict(config or {})))
    if tokenizer_config is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config))
    return folder
