"""A tokenizer that notes how many texts it is given at a time, for tests of what is read and what is not."""

from pathlib import Path
from typing import Any

from tokenizers import Encoding, Tokenizer


class NotingTokenizer:
    """Does what a tokenizer.json says; `batches` holds the number of texts of each call."""

    def __init__(self, path: Path) -> None:
        self.batches: list[int] = []
        self._tokenizer = Tokenizer.from_file(str(path))

    def encode_batch_fast(self, texts: list[str], *, add_special_tokens: bool) -> list[Encoding]:
        """Encode texts, and note how many."""
        self.batches.append(len(texts))
        return self._tokenizer.encode_batch_fast(texts, add_special_tokens=add_special_tokens)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)
