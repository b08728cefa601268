"""Read a model's architecture, context window and padding token from the small files of its checkpoint."""

from pathlib import Path
from typing import Any

import msgspec
from tokenizers import Tokenizer

from models.catalogue import card_of
from models.prepare.checkpoint import Checkpoint
from models.prepare.checkpoint_files import CONFIG, TOKENIZER
from models.prepare.errors import PrepareError
from models.prepare.json_file import read_json
from models.prepare.reading import read_count

COUNTS_FROM_PADDING = frozenset(
    {
        "camembert", "data2vec-text", "esm", "ibert", "lilt", "longformer", "luke", "markuplm", "mpnet", "roberta",
        "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod",
    }
)  # fmt: skip
"""Architectures whose first position is `pad_token_id` + 1, so the position table has that many extra rows. It is only
a first guess: `tables.py` looks at the model itself, and a ready graph is run."""
POSITIONS = ("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length")
"""The names that configs give to the rows of the table of positions, or to the longest pair without one."""
UNBOUNDED = 1_000_000
"""Larger lengths mean "unknown": transformers then writes 1e30."""
PADDINGS = ("<pad>", "[PAD]")


class ModelConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The values of the manifest that come from a checkpoint's files."""

    architecture: str
    pad_token_id: int
    max_tokens: int | None
    """The context window in tokens; None if no file states it."""


def read_model_config(checkpoint: Checkpoint) -> ModelConfig:
    """Read a checkpoint's configuration; the catalogue's context window takes precedence over that of the files."""
    config = read_json(checkpoint.folder / CONFIG)
    card = None if checkpoint.source.is_local else card_of(checkpoint.source.hub_id)  # a folder may be called anything
    window = card.max_tokens if card is not None else _window(config, checkpoint.folder)
    architecture = str(config.get("model_type", "onnx"))
    return ModelConfig(architecture=architecture, pad_token_id=_padding(config, checkpoint.folder), max_tokens=window)


def _window(config: dict[str, Any], folder: Path) -> int | None:
    path, tokenizer_config = folder / CONFIG, folder / "tokenizer_config.json"
    stated = read_count(read_json(tokenizer_config), "model_max_length", tokenizer_config) or UNBOUNDED
    rows = next(filter(None, (read_count(config, name, path) for name in POSITIONS)), UNBOUNDED)
    if rows != UNBOUNDED and config.get("model_type") in COUNTS_FROM_PADDING:
        rows -= 1 + ((read_count(config, "pad_token_id", path) or 0) if "pad_token_id" in config else 1)
    window = min(stated, rows)
    return window if window < UNBOUNDED else None


def _padding(config: dict[str, Any], folder: Path) -> int:
    stated = config.get("pad_token_id")
    if isinstance(stated, int):
        return stated
    tokenizer = read_tokenizer(folder / TOKENIZER)
    return next((token_id for token_id in map(tokenizer.token_to_id, PADDINGS) if token_id is not None), 0)


def read_tokenizer(path: Path) -> Tokenizer:
    """Read a checkpoint's tokenizer.json; raise PrepareError, which names the file itself, if it is not valid."""
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001 - the Rust binding raises bare Exception
        raise PrepareError(f"{path} is not a valid tokenizer.json: {error}") from None
