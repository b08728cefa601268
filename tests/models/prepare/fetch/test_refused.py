"""What cannot become a reranker is refused before its weights are fetched."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from models.prepare.fetch import fetch
from tests.support.hub import Hub, Repository
from tests.support.repository import ID, NO_WEIGHTS, PLAIN, files, refusal


@pytest.mark.parametrize(
    ("index", "why"),
    [
        (b'{"weight_map": {"a": "model-00001-of-00001.safetensors"}}', "which is missing"),
        (b'{"weight_map": {"a": "../config.json"}}', "which is missing"),
        (b'{"weight_map": {"a": "config.json"}}', "which is missing"),
        (b"[]", "cannot be read"),
    ],
    ids=["a shard is missing", "a shard leads out of the folder", "a shard is no safetensors", "the index is no index"],
)
def test_a_sharded_checkpoint_that_is_not_whole_is_refused(hub: Hub, cache: Path, index: bytes, why: str) -> None:
    """Before any weights are fetched."""
    hub.repositories[ID] = Repository(files(**{"model.safetensors": None, "model.safetensors.index.json": index}))
    assert why in refusal()


def modules(*kinds: str) -> bytes:
    """The file in which sentence-transformers lists a model's modules."""
    listed = [
        {"idx": i, "path": "", "type": f"sentence_transformers.base.modules.{kind}"} for i, kind in enumerate(kinds)
    ]
    return json.dumps(listed).encode()


ONLY_GGUF: dict[str, bytes | None] = {name: None for name in files() if name != "README.md"}
ONLY_GGUF |= {"model.Q4_K_M.gguf": b"GGUF"}
REMOTE = {"model_type": "new", "architectures": ["NewForSequenceClassification"], "auto_map": {"AutoConfig": "own.py"}}
JINA = {"architectures": ["JinaBertForSequenceClassification"], "auto_map": {"AutoConfig": "own.py"}}


@pytest.mark.parametrize(
    ("config", "changes", "why"),
    [
        ({}, {"model.safetensors": None}, r"only as a pickle \(pytorch_model.bin\).* --from-onnx"),
        ({}, PLAIN | {"model.safetensors": None}, r"\(save_pretrained\)$"),
        (
            {},
            NO_WEIGHTS | {"openvino/openvino_model.bin": b"another runtime's"},
            "has no weights: add model.safetensors",
        ),
        ({}, {"tokenizer.json": None}, "has no tokenizer.json: save one"),
        ({}, {"config.json": None}, "has no config.json"),
        ({}, {"config.json": b"{"}, "config.json cannot be read"),
        ({"architectures": ["BertModel"]}, {}, "is a BertModel: a reranker's architecture ends in"),
        ({"architectures": None}, {}, "is a model without an architecture"),
        ({"id2label": {"0": "A", "1": "B"}}, {}, "has 2 labels: a reranker has exactly one"),
        ({"id2label": None}, {}, "has 2 labels"),
        ({"num_labels": 3, "id2label": None}, {}, "has 3 labels"),
        (REMOTE, {}, "model_type 'new'.*code in its repository; such code is never run: .*or use its ONNX graph"),
        (
            JINA,
            PLAIN,
            "model_type 'bert'.*such code is never run: use a model that transformers supports$",
        ),
        (REMOTE | {"auto_map": None}, {}, "which transformers does not support"),
        ({"model_type": "new", "auto_map": REMOTE["auto_map"]}, {}, "model_type 'new'.*is never run"),
        ({"quantization_config": {"quant_method": "gptq"}}, PLAIN, "is quantised .*quantization_config: gptq.*int8"),
        ({"quantization_config": {}}, PLAIN, "is quantised .*quantization_config\\)"),
        ({"quantization_config": {"load_in_4bit": True}}, {}, "is quantised .*or use its ONNX graph with --from-onnx$"),
        ({"compression_config": {"quant_method": "fp8"}}, {}, "is quantised .*compression_config: fp8"),
        ({"num_hidden_layers": 10**9}, {}, "config.json states 1000000000 layers"),
        ({}, {"adapter_config.json": b"{}"}, "is an adapter .*merge it into its base model"),
        (
            {},
            {"modules.json": modules("Transformer", "Pooling", "Dense")},
            "modules Transformer, Pooling, Dense .*json",
        ),
        ({}, {"modules.json": b"{}"}, "modules.json cannot be read"),
        (
            {},
            NO_WEIGHTS | {"tf_model.h5": b"h5"},
            "has no model.safetensors, only tf_model.h5: use a revision",
        ),
        ({}, ONLY_GGUF, r"holds its weights only as GGUF \(model.Q4_K_M.gguf\)"),
        ({}, ONLY_GGUF | {"model.Q4_K_M.gguf": None, "manifest.json": b"{}"}, "is a prepared model already"),
    ],
    ids=[
        "a pickle with a graph beside it",
        "a pickle alone",
        "no weights",
        "no tokenizer.json",
        "no config",
        "a damaged config",
        "no classifier",
        "no architecture",
        "two labels",
        "labels that are not named",
        "three labels",
        "remote code",
        "remote code under a known model_type",
        "an architecture nobody knows",
        "a known class under a model_type of remote code",
        "GPTQ",
        "quantised without a method",
        "bitsandbytes",
        "fp8",
        "absurdly many layers",
        "an adapter",
        "modules after the transformer",
        "modules that are no list",
        "TensorFlow",
        "GGUF",
        "an artefact",
    ],
)
def test_what_cannot_become_a_reranker_is_refused_before_its_weights_are_fetched(
    hub: Hub, cache: Path, config: dict[str, Any], changes: dict[str, bytes | None], why: str
) -> None:
    """The sentence says what is wrong, and names the graph only where there is one."""
    hub.repositories[ID] = Repository(files(config, **changes))
    sentence = refusal()
    assert sentence.startswith(ID)
    assert re.search(why, sentence), sentence
    assert hub.sent("model.safetensors") == 0


def test_a_transformer_alone_may_have_its_list_of_modules(hub: Hub, cache: Path) -> None:
    """sentence-transformers writes it for every cross-encoder since version 5.4; it is no part of the checkpoint."""
    hub.repositories[ID] = Repository(files(**{"modules.json": modules("transformer.Transformer")}))
    assert "modules.json" not in fetch(ID).files
    changed = files(**{"modules.json": modules("Transformer", "LogitScore")})
    hub.repositories[ID] = Repository(changed, commits={"main": "f" * 40})
    assert "modules Transformer, LogitScore" in refusal(from_onnx=True)


def test_one_label_may_be_told_by_its_number_alone(hub: Hub, cache: Path) -> None:
    """num_labels counts like a list of one."""
    hub.repositories[ID] = Repository(files({"num_labels": 1, "id2label": None}))
    assert fetch(ID).graph is None


def test_a_repository_without_a_graph_is_told_so(hub: Hub, cache: Path) -> None:
    """--from-onnx takes a graph that is there."""
    hub.repositories[ID] = Repository(files(**PLAIN))
    assert refusal(from_onnx=True) == (
        f"{ID} has no ONNX graph (onnx/model.onnx or model.onnx): prepare it without --from-onnx"
    )


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("./nowhere", "is not a folder: give a checkpoint's folder"),
        (
            "nonsense",
            "is not a model: give a name from `rerank models list`, a hub id (org/name) or a folder (./nonsense)",
        ),
        ("a/b/c", "is not a model"),
        ("", "is not a model"),
        ("embedded", "embedded ships with the project: there is nothing to prepare"),
    ],
)
def test_what_names_no_model_is_refused(model: str, why: str) -> None:
    """Without asking anybody."""
    assert why in refusal(model)
