"""What is found out of a model before it is exported: its window, ids beyond its tables, and which way it reads."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel

from models.prepare.errors import PrepareError
from models.prepare.pairs import read_texts
from models.prepare.prepare import Order, prepare
from models.prepare.quiet import quiet
from models.prepare.settle_tokenizer import SettledTokenizer, settle_tokenizer
from models.prepare.tables import check_tables
from tests.support.checkpoint_tokenizers import ROWS, wordpiece, write
from tests.support.tiny_graphs import SILENT, write_texts
from tools.full_size.stand_in import make_checkpoint

pytestmark = pytest.mark.prepare

TABLE = 66
SHAPE: dict[str, Any] = {
    "vocab_size": ROWS,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": TABLE,
    "num_labels": 1,
    "pad_token_id": 1,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64},
    "bart": {
        "d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
        "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "eos_token_id": 3,
    },
    "longformer": {"attention_window": [8, 8]},
    "xlm-roberta-xl": {"type_vocab_size": 2},
    "gpt2": {"n_positions": TABLE, "n_embd": 32, "n_layer": 2, "n_head": 4},
    "deepseek_v3": {"first_k_dense_replace": 2},
}  # fmt: skip


def model(model_type: str, **changed: Any) -> PreTrainedModel:
    torch.manual_seed(0)
    with quiet():
        config = AutoConfig.for_model(model_type, **SHAPE | FAMILIES.get(model_type, {}) | changed)
        return AutoModelForSequenceClassification.from_config(config).eval()


def settled(folder: Path, stated: dict[str, object] | None = None) -> SettledTokenizer:
    checkpoint = write(folder / "checkpoint", wordpiece(), {"tokenizer_class": "BertTokenizer"} | (stated or {}))
    (folder / "out").mkdir()
    return settle_tokenizer("a/b", checkpoint, folder / "out", read_texts(), SILENT)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> SettledTokenizer:
    return settled(tmp_path_factory.mktemp("tokenizer"))


@pytest.mark.parametrize(
    ("model_type", "window"),
    [
        ("bert", TABLE),
        ("electra", TABLE),
        ("distilbert", TABLE),
        ("albert", TABLE),
        ("bart", TABLE),
        ("roberta", TABLE - 2),
        ("xlm-roberta", TABLE - 2),
        ("xlm-roberta-xl", TABLE - 2),
        ("camembert", TABLE - 2),
        ("mpnet", TABLE - 2),
        ("longformer", TABLE - 2),
        ("data2vec-text", TABLE - 2),
        ("ibert", TABLE - 2),
        ("modernbert", None),
    ],
)
def test_the_window_is_what_the_table_of_positions_holds(
    tokenizer: SettledTokenizer, model_type: str, window: int | None
) -> None:
    """Exactly: a pair of that length runs, and one that is longer does not (but for sizes that have no table)."""
    made = model(model_type)
    assert check_tables(made, tokenizer) == window
    if window is not None:
        ids = torch.full((1, window), 10)
        ids[0, -1] = 3
        with torch.no_grad(), quiet():
            made(input_ids=ids)
            with pytest.raises((IndexError, RuntimeError)):
                made(input_ids=torch.cat([ids[:, :-1], torch.full((1, 9), 10), ids[:, -1:]], 1))


def test_tokens_beyond_the_table_of_words_are_refused(tokenizer: SettledTokenizer) -> None:
    """Whatever the config says: the model's own table counts."""
    with pytest.raises(PrepareError, match=r"has the token '.*' with the id \d+, but .* only 50 rows"):
        check_tables(model("bert", vocab_size=50), tokenizer)


def test_segment_ids_beyond_their_table_are_refused(tokenizer: SettledTokenizer, tmp_path: Path) -> None:
    """As transformers would fail on them; a tokenizer that gives none goes with the same model."""
    made = model("bert", type_vocab_size=1)
    with pytest.raises(PrepareError, match=r"the segment id 1, but the model has only 1 \(type_vocab_size"):
        check_tables(made, tokenizer)
    without = settled(tmp_path, {"model_input_names": ["input_ids", "attention_mask"]})
    assert check_tables(made, without) == TABLE
    assert check_tables(model("deberta-v2", type_vocab_size=0), tokenizer) == TABLE


@pytest.mark.parametrize("model_type", ["qwen3", "gemma2", "llama", "mistral", "gpt2"])
def test_a_model_whose_tokens_see_only_earlier_ones_is_refused(tokenizer: SettledTokenizer, model_type: str) -> None:
    """By what it does, so that a decoder that no list knows is found as well."""
    with pytest.raises(PrepareError, match=r"ForSequenceClassification, a decoder"):
        check_tables(model(model_type), tokenizer)


def test_a_bert_that_is_set_to_be_a_decoder_is_refused(tokenizer: SettledTokenizer) -> None:
    """Its name is an encoder's, but `is_decoder` makes it read one way."""
    with pytest.raises(PrepareError, match="BertForSequenceClassification, a decoder"):
        check_tables(model("bert", is_decoder=True), tokenizer)


@pytest.mark.parametrize("model_type", ["qwen3", "llama"])
def test_a_decoders_checkpoint_is_not_sealed(tmp_path: Path, model_type: str) -> None:
    """With a tokenizer that separates nothing, and with one that separates the texts."""
    made = model(model_type)
    for separated in (True, False):
        folder = tmp_path / str(separated)
        generic = {"tokenizer_class": "PreTrainedTokenizerFast"}
        files = write(folder / "files", wordpiece(separated=separated), generic)
        config = made.config.to_dict() | {"architectures": [type(made).__name__]}
        checkpoint = make_checkpoint(folder / "reranker", config, files)
        order = Order(model=str(checkpoint), precision="fp32", texts=write_texts(folder), device="cpu")
        with pytest.raises(PrepareError, match=r"reranker is a \w+ForSequenceClassification, a decoder"):
            prepare(order, folder / "models", SILENT)
        assert not list((folder / "models").rglob("manifest.json"))


@pytest.mark.parametrize("model_type", ["mpnet", "xlm-roberta-xl"])
def test_a_window_beyond_the_table_is_cut_to_it(tmp_path: Path, model_type: str) -> None:
    """MPNet and XLM-R-XL name 66 rows, two of which no token can have; no file states the length of a pair."""
    generic = {"tokenizer_class": "PreTrainedTokenizerFast", "model_input_names": ["input_ids", "attention_mask"]}
    files = write(tmp_path / "files", wordpiece(), generic)
    made = model(model_type, initializer_range=0.15)
    config = made.config.to_dict() | {"architectures": [type(made).__name__]}
    checkpoint = make_checkpoint(tmp_path / "reranker", config, files)
    order = Order(model=str(checkpoint), precision="fp32", texts=write_texts(tmp_path), device="cpu")
    assert prepare(order, tmp_path / "models", SILENT).manifest.max_tokens == TABLE - 2
