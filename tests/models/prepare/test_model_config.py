"""What a checkpoint's small files say: window and padding, of every combination that checkpoints come in."""

import json
from pathlib import Path

import pytest

from models.artefact import Source
from models.prepare.checkpoint import Checkpoint
from models.prepare.errors import PrepareError
from models.prepare.model_config import ModelConfig, read_model_config
from tests.support.tiny import Family, make_tokenizer


def checkpoint(
    folder: Path,
    config: dict[str, object] | None,
    tokenizer_config: dict[str, object] | None = None,
    *,
    hub_id: str = "some/model",
    family: Family = "bert",
) -> Checkpoint:
    """A checkpoint's small files; None leaves a file out."""
    for name, content in (("config.json", config), ("tokenizer_config.json", tokenizer_config)):
        if content is not None:
            (folder / name).write_text(json.dumps(content))
    make_tokenizer(family).save(str(folder / "tokenizer.json"))
    source = Source(hub_id=hub_id, revision="main", licence="MIT")
    return Checkpoint(folder=folder, source=source, files={}, graph=None)


BERT = {"model_type": "bert", "max_position_embeddings": 512, "pad_token_id": 0}
XLMR = {"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 1}


@pytest.mark.parametrize(
    ("config", "tokenizer_config", "window"),
    [
        (BERT, None, 512),
        (BERT, {}, 512),
        (BERT, {"model_max_length": 512}, 512),
        (BERT, {"model_max_length": 256}, 256),
        (BERT, {"model_max_length": 1024}, 512),
        (BERT, {"model_max_length": 1000000000000000019884624838656}, 512),
        (BERT, {"model_max_length": 1e30}, 512),
        (BERT, {"model_max_length": None}, 512),
        (XLMR, {"model_max_length": 512}, 512),
        (XLMR, {"model_max_length": 600}, 512),
        (XLMR, None, 512),
        (XLMR | {"max_position_embeddings": 8194}, {"model_max_length": 8192}, 8192),
        (XLMR | {"model_type": "roberta"}, None, 512),
        (XLMR | {"model_type": "camembert"}, None, 512),
        (XLMR | {"pad_token_id": 3}, None, 510),
        (XLMR | {"pad_token_id": None}, None, 513),
        ({"model_type": "bert"}, {"model_max_length": 128}, 128),
        ({"model_type": "xlm-roberta", "pad_token_id": 1}, {"model_max_length": 128}, 128),
        ({"model_type": "bert"}, None, None),
        ({"model_type": "bert"}, {"model_max_length": 1e30}, None),
        ({"model_type": "xlm-roberta", "pad_token_id": 1}, None, None),
        ({"model_type": "bert", "max_position_embeddings": None}, None, None),
        (None, None, None),
        (None, {"model_max_length": 77}, 77),
    ],
    ids=str,
)
def test_the_window_is_the_shorter_of_what_the_files_name(
    tmp_path: Path, config: dict[str, object] | None, tokenizer_config: dict[str, object] | None, window: int | None
) -> None:
    """Position rows, less those before the first position in the RoBERTa families, or the tokenizer's own length."""
    assert read_model_config(checkpoint(tmp_path, config, tokenizer_config)).max_tokens == window


def test_the_catalogues_window_wins(tmp_path: Path) -> None:
    """A card's model has the card's window though its files would allow another; a copy in a folder has its files'."""
    wide = XLMR | {"max_position_embeddings": 10_002}
    assert read_model_config(checkpoint(tmp_path, wide, hub_id="BAAI/bge-reranker-v2-m3")).max_tokens == 8192
    assert read_model_config(checkpoint(tmp_path, wide, hub_id="my-copy")).max_tokens == 10_000


@pytest.mark.parametrize(
    ("family", "config", "padding"),
    [
        ("bert", BERT, 0),
        ("xlm-roberta", XLMR, 1),
        ("bert", {"pad_token_id": 7}, 7),
        ("xlm-roberta", {"pad_token_id": 0}, 0),
        ("xlm-roberta", {"pad_token_id": None}, 1),
        ("xlm-roberta", {}, 1),
        ("xlm-roberta", None, 1),
        ("bert", None, 0),
    ],
    ids=str,
)
def test_padding_is_the_configs_or_else_the_tokenizers(
    tmp_path: Path, family: Family, config: dict[str, object] | None, padding: int
) -> None:
    """Where no config names it, it is the token <pad> or [PAD]."""
    assert read_model_config(checkpoint(tmp_path, config, family=family)).pad_token_id == padding


def test_without_any_padding_token_it_is_zero(tmp_path: Path) -> None:
    """A tokenizer that has neither <pad> nor [PAD] pads with 0."""
    made = checkpoint(tmp_path, None)
    path = tmp_path / "tokenizer.json"
    path.write_text(path.read_text().replace("[PAD]", "[NONE]").replace("[UNK]", "<pad2>"))
    assert read_model_config(made).pad_token_id == 0


def test_the_architecture_is_the_configs(tmp_path: Path) -> None:
    """Without a config there is only a graph."""
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    assert read_model_config(checkpoint(tmp_path / "with", XLMR)) == ModelConfig(
        architecture="xlm-roberta", pad_token_id=1, max_tokens=512
    )
    assert read_model_config(checkpoint(tmp_path / "without", None)).architecture == "onnx"


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"a": ', b'{"a": "\xff"}'], ids=["empty", "list", "torn", "latin1"])
@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_a_damaged_file_is_a_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    """The message names the file."""
    made = checkpoint(tmp_path, BERT, {})
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PrepareError, match=f"{name} is not a JSON object"):
        read_model_config(made)
