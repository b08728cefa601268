"""The embedded model's tokeniser, and its two oracles: the same file opened by tokenizers and by transformers."""

from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from models.catalogue import EMBEDDED
from models.tokenise import Tokeniser


def oracle(folder: Path, name: str = "tokenizer.json") -> Any:
    """The same tokenizer.json, opened by transformers."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_file=str(folder / name), model_input_names=["input_ids", "token_type_ids", "attention_mask"]
    )


@cache
def raw() -> Tokenizer:
    """The embedded model's tokenizer.json, untouched."""
    return Tokenizer.from_file(str(EMBEDDED / "tokenizer.json"))


@cache
def embedded(max_tokens: int = 512) -> Tokeniser:
    return Tokeniser.open(EMBEDDED / "tokenizer.json", max_tokens)
