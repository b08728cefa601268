"""Decoder rerankers are refused before their weights are fetched; encoders of every kind are not."""

import json
from pathlib import Path

import pytest

from models.artefact import ArtefactError
from models.prepare.checkpoint_files import check_config
from models.prepare.decoders import refuse_decoder
from models.prepare.errors import PrepareError
from models.prepare.prepare import Order, prepare
from models.tokenise import Tokeniser
from tests.support.checkpoint_tokenizers import wordpiece, write
from tests.support.tiny_graphs import SILENT, checkpoint, tiny, write_texts

DECODERS = {
    "qwen3": "Qwen3ForSequenceClassification",
    "qwen2": "Qwen2ForSequenceClassification",
    "gemma": "GemmaForSequenceClassification",
    "gemma2": "Gemma2ForSequenceClassification",
    "llama": "LlamaForSequenceClassification",
    "mistral": "MistralForSequenceClassification",
    "phi3": "Phi3ForSequenceClassification",
    "gpt2": "GPT2ForSequenceClassification",
    "opt": "OPTForSequenceClassification",
}
ENCODERS = [
    "albert", "bart", "bert", "big_bird", "camembert", "deberta", "deberta-v2", "distilbert", "electra", "ernie",
    "longformer", "modernbert", "mpnet", "roberta", "t5", "xlm-roberta", "xlm-roberta-xl", "xlnet",
]  # fmt: skip


@pytest.mark.parametrize(("model_type", "architecture"), DECODERS.items())
def test_a_decoder_is_refused_by_what_it_is(tmp_path: Path, model_type: str, architecture: str) -> None:
    """Its config alone tells, and the sentence says what is missing."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"model_type": model_type, "architectures": [architecture], "num_labels": 1}))
    with pytest.raises(PrepareError, match=rf"^a/b is a {architecture}, a decoder: .*needs the prompt") as raised:
        check_config(config, "a/b", ["config.json"])
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("model_type", ENCODERS)
def test_an_encoder_is_not(model_type: str) -> None:
    """Some of them have a form that generates text, too."""
    refuse_decoder("a/b", "X", model_type)


def test_a_decoder_with_a_ready_graph_is_refused_too(tmp_path: Path) -> None:
    """Nothing else reads the config of a graph."""
    folder = checkpoint(tmp_path / "repository", tiny())
    config = {"model_type": "qwen3", "architectures": [DECODERS["qwen3"]]}
    (folder / "config.json").write_text(json.dumps(config))
    order = Order(model=str(folder), precision="fp32", from_onnx=True, texts=write_texts(tmp_path), device="cpu")
    with pytest.raises(PrepareError, match="repository is a Qwen3ForSequenceClassification, a decoder"):
        prepare(order, tmp_path / "models", SILENT)


def test_a_pair_without_anything_between_is_refused_wherever_it_is_opened(tmp_path: Path) -> None:
    """An artefact that an earlier version sealed is not served either."""
    folder = write(tmp_path, wordpiece(separated=False))
    with pytest.raises(ArtefactError, match="puts no special token between the query and the document"):
        Tokeniser.open(folder / "tokenizer.json", 512)
