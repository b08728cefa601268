"""A checkpoint's tokenizer as transformers builds it from all of its files, which is what the model was trained with.

`tokenizer.json` is only one of these files: the class that tokenizer_config.json or the model's type names may change
case folding, accents and special tokens, add a post-processor, and decide whether the model is given segment ids.
Torch is not needed, and code from the checkpoint is never run.
"""

from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from tokenizers import Tokenizer, processors

from models.chunks import Side
from models.pair import Pair
from models.prepare.checkpoint_files import CONFIG
from models.prepare.errors import PrepareError, reason
from models.prepare.json_file import read_json
from models.prepare.quiet import quiet
from models.tokenise import PairTemplate, read_template

TOKENIZER_CONFIG = "tokenizer_config.json"
ADDED_TOKENS = "added_tokens.json"
GENERIC = "PreTrainedTokenizerFast"
"""The class that does exactly what a tokenizer.json says."""
ANY_LENGTH = 512
UNUSUAL = ("one zqxj", "🐼 熊猫 ﷺ")
"""Texts with words that hardly any vocabulary has: some classes fail only on those."""


class CheckpointTokenizer:
    """Encodes pairs as transformers does.

    Args:
        tokenizer: a tokenizer of transformers.
        feeds_segments: whether the model is given the tokenizer's segment ids; None if no file of the checkpoint says.
    """

    def __init__(self, tokenizer: Any, *, feeds_segments: bool | None) -> None:
        self._tokenizer = tokenizer
        self.feeds_segments = feeds_segments
        self.class_name = str(type(tokenizer).__name__)
        self.name = f"transformers {version('transformers')}, {self.class_name}"
        self.side: Side = "left" if tokenizer.truncation_side == "left" else "right"

    def pair(self, query: str, document: str, max_tokens: int | None = None) -> Pair:
        """Encode a pair, the document cut to fit into `max_tokens`; a model without segment ids gets 0 for each."""
        cut = {} if max_tokens is None else {"truncation": "only_second", "max_length": max_tokens}
        with quiet():
            encoded = self._tokenizer(query, document, return_token_type_ids=True, **cut)
        ids = np.array(encoded["input_ids"], np.int64)
        types = np.array(encoded["token_type_ids"], np.int64)
        return Pair(ids, np.zeros_like(ids) if self.feeds_segments is False else types)

    def vocabulary(self) -> dict[str, int]:
        """Map every token, added ones too, to its id."""
        return dict(self._tokenizer.get_vocab())

    def special_tokens(self) -> list[str]:
        """List the tokens that are looked for in every text as they are written: the special ones, then all added."""
        special = sorted({str(token) for token in self._tokenizer.all_special_tokens})
        added = sorted({str(token) for token in self._tokenizer.added_tokens_decoder.values()})
        return list(dict.fromkeys([*special, *added]))

    def tokenizer_json(self, table_rows: int | None, stated: str) -> str | None:
        """Write the tokenizer that transformers built as a tokenizer.json; None if it exists only as Python code.

        A token beyond the model's word table is left out if `stated`, the text of the checkpoint's files, does not
        name it: transformers adds the usual special tokens of a class even to a model that has never had them.
        """
        backend = getattr(self._tokenizer, "backend_tokenizer", None)
        if backend is None:
            return None
        backend = Tokenizer.from_str(_without_additions(backend.to_str(), table_rows, stated))
        if self.feeds_segments is False:
            _use_one_segment(backend)
        backend.no_padding()
        backend.no_truncation()
        if self.side == "left":  # the format states a side only beside a length, which nothing reads here
            backend.enable_truncation(max_length=ANY_LENGTH, direction="left")
        return str(backend.to_str())


def open_tokenizer(folder: Path) -> CheckpointTokenizer:
    """Open a checkpoint's tokenizer with transformers.

    If no file names the tokenizer's class and the usual one of the model's type cannot read this tokenizer.json, the
    file is taken as it stands.

    Raises:
        PrepareError: the class that a file names does not exist in transformers or cannot be opened.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    stated = read_json(folder / TOKENIZER_CONFIG)
    read_json(folder / "special_tokens_map.json")
    for token, number in read_json(folder / ADDED_TOKENS).items():
        if type(number) is not int or number < 0:
            raise PrepareError(f"{folder / ADDED_TOKENS} gives the token {token!r} the id {number!r}, which is no id")
    named = stated.get("tokenizer_class") or read_json(folder / CONFIG).get("tokenizer_class")
    if stated or (folder / CONFIG).is_file():
        try:
            return _opened(AutoTokenizer, folder, segments=None)
        except Exception as error:  # noqa: BLE001 - a foreign file can cause any error
            if named or stated.get("auto_map"):
                raise PrepareError(
                    f"transformers cannot open the tokenizer, whose class {TOKENIZER_CONFIG} names "
                    f"({named or 'in auto_map'}): {reason(error)}; if tokenizer.json is complete by itself, name "
                    f"{GENERIC} as the tokenizer_class there"
                ) from None
    try:
        return _opened(PreTrainedTokenizerFast, folder, segments=stated.get("model_input_names"))
    except Exception as error:  # noqa: BLE001
        raise PrepareError(f"the checkpoint's tokenizer.json is not valid: {reason(error)}") from None


def _opened(kind: Any, folder: Path, segments: Iterable[str] | None) -> CheckpointTokenizer:
    """Open a tokenizer and encode a pair, since some classes fail only then."""
    with quiet():
        tokenizer = kind.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)
    if kind.__name__ == "AutoTokenizer":
        segments = tokenizer.model_input_names
    opened = CheckpointTokenizer(tokenizer, feeds_segments=None if segments is None else "token_type_ids" in segments)
    opened.pair(*UNUSUAL)
    return opened


def _without_additions(text: str, table_rows: int | None, stated: str) -> str:
    if table_rows is None:
        return text
    content = msgspec.json.decode(text)
    content["added_tokens"] = [
        token for token in content["added_tokens"] if token["id"] < table_rows or token["content"] in stated
    ]
    return msgspec.json.encode(content).decode()


def _use_one_segment(tokenizer: Tokenizer) -> None:
    """Give every token of a pair the segment id 0."""
    template = read_template(tokenizer)
    tokenizer.post_processor = template_processor(
        template._replace(
            prefix=template.prefix.in_segment(0),
            middle=template.middle.in_segment(0),
            suffix=template.suffix.in_segment(0),
            query_type=0,
            document_type=0,
        )
    )


def template_processor(template: PairTemplate) -> Any:
    """Make the post-processor of tokenizers that lays pairs out by a template."""
    parts = {"prefix": template.prefix, "middle": template.middle, "suffix": template.suffix}
    names = {
        part: [f"{part}{index}:{kind}" for index, kind in enumerate(tokens.types.tolist())]
        for part, tokens in parts.items()
    }
    pieces = [
        *names["prefix"],
        f"$A:{template.query_type}",
        *names["middle"],
        f"$B:{template.document_type}",
        *names["suffix"],
    ]
    ids = [
        (f"{part}{index}", token_id)
        for part, tokens in parts.items()
        for index, token_id in enumerate(tokens.ids.tolist())
    ]
    single = [*names["prefix"], f"$A:{template.query_type}", *names["suffix"]]
    return processors.TemplateProcessing(single=single, pair=pieces, special_tokens=ids)
