"""The repository that the hub of these tests holds, and what is asked of it everywhere."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from models.prepare.errors import PrepareError
from models.prepare.fetch import fetch

ID = "acme/reranker"
MINE = "mine"
"""The token that a gated repository takes."""
CHUNK = 100_000
"""What the client writes at a time; of what it got, it loses less than that when a connection breaks."""
WEIGHTS = os.urandom(7 * CHUNK)
CONFIG: dict[str, Any] = {
    "model_type": "bert",
    "architectures": ["BertForSequenceClassification"],
    "id2label": {"0": "LABEL_0"},
}


def files(config: Mapping[str, Any] | None = None, /, **changes: bytes | None) -> dict[str, bytes]:
    """A repository with everything that such repositories have; a change of None leaves a file out."""
    whole: dict[str, bytes | None] = {
        ".gitattributes": b"*.safetensors filter=lfs",
        "README.md": b"---\nlicense: apache-2.0\n---",
        "config.json": json.dumps(CONFIG | dict(config or {})).encode(),
        "tokenizer.json": b'{"version": "1.0"}',
        "tokenizer_config.json": b"{}",
        "special_tokens_map.json": b"{} ",
        "model.safetensors": WEIGHTS,
        "pytorch_model.bin": b"pickle",
        "onnx/model.onnx": b"graph" * 100,
        "onnx/model.onnx_data": b"data" * 100,
        "onnx/model_int8.onnx": b"other graph",
    }
    return {name: body for name, body in (whole | changes).items() if body is not None}


PLAIN = {"onnx/model.onnx": None, "onnx/model.onnx_data": None, "onnx/model_int8.onnx": None}
"""Changes that leave a repository without graphs."""

NO_WEIGHTS = {"model.safetensors": None, "pytorch_model.bin": None}


def refusal(model: str = ID, **options: Any) -> str:
    """The sentence of a fetch that must fail."""
    with pytest.raises(PrepareError) as refused:
        fetch(model, **options)
    sentence = str(refused.value)
    assert "\n" not in sentence
    return sentence


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def blobs(cache: Path) -> Path:
    return cache / "models--acme--reranker" / "blobs"
