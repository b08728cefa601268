"""The files that a checkpoint needs to become a reranker, and the checks of its config.

Only names and small JSON files are read, so that an unsuitable model is rejected before gigabytes of weights are
downloaded. Weights must be safetensors (reading a pickle can run code), the tokenizer a tokenizer.json, and the
architecture one of transformers: code from a repository is never run. With a ready ONNX graph the config is not
checked.
"""

import functools
import re
from collections.abc import Collection
from pathlib import Path

import msgspec

from models.artefact import MANIFEST
from models.prepare.decoders import refuse_decoder
from models.prepare.errors import PrepareError
from models.prepare.reading import read_struct

CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
BESIDE = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
"""Optional files, fetched if the repository has them."""
VERSIONED = re.compile(r"tokenizer\.\d[\d.]*\.json")
"""Forms of tokenizer.json for a later transformers, which tokenizer_config.json lists."""
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
GRAPHS = ("onnx/model.onnx", "model.onnx")
MODULES = "modules.json"
"""The modules of which sentence-transformers builds a model."""
TRANSFORMER = "Transformer"
"""The class of the one module that is a checkpoint of transformers."""
ADAPTER = "adapter_config.json"
QUANTISED = ("quantization_config", "compression_config", "quantization")
"""The fields of config.json that describe quantised weights."""
MOST_LAYERS = 1000
"""More layers than any model has; building them would take hours and all memory before the weights are missed."""
SHARD = re.compile(r"[\w.-]+\.safetensors")
HEAD = "ForSequenceClassification"


class Needed(msgspec.Struct, frozen=True):
    """The files to fetch, by path in the repository, not including the shards that an index lists."""

    names: list[str]
    index: str | None = None
    graph: str | None = None


class _Config(msgspec.Struct):
    """The fields read from config.json; without `num_labels` and `id2label` there are two labels, the default."""

    model_type: str = ""
    architectures: list[str] | None = None
    num_labels: int | None = None
    id2label: dict[str, object] | None = None
    auto_map: dict[str, object] | None = None
    quantization_config: object = None
    compression_config: object = None
    quantization: object = None
    num_hidden_layers: int | None = None
    n_layers: int | None = None


class _Index(msgspec.Struct):
    weight_map: dict[str, str]


class _Module(msgspec.Struct):
    type: str = ""


def needed(names: Collection[str], what: str, *, from_onnx: bool) -> Needed:
    """Select the needed files of a repository; raise PrepareError if one is missing."""
    _refuse_other_kinds(names, what)
    if TOKENIZER not in names:
        raise PrepareError(
            f"{what} has no {TOKENIZER}: save one with transformers "
            f"(AutoTokenizer.from_pretrained(…).save_pretrained(…)) and prepare that folder"
        )
    small = [name for name in (TOKENIZER, CONFIG, *BESIDE) if name in names]
    small += sorted(name for name in names if VERSIONED.fullmatch(name))
    if from_onnx:
        graph = _graph(names, what)
        return Needed([*small, graph, *_beside_graph(names, graph)], graph=graph)
    if CONFIG not in names:
        raise PrepareError(f"{what} has no {CONFIG}: it is not a transformers checkpoint{_or_graph(names)}")
    if WEIGHTS in names:
        return Needed([*small, WEIGHTS])
    if INDEX in names:
        return Needed([*small, INDEX], index=INDEX)
    raise PrepareError(_without_weights(names, what))


def shards(index: Path, names: Collection[str], what: str) -> list[str]:
    """List the shards in a sharded checkpoint's index; raise PrepareError if one is missing."""
    listed = sorted(set(read_struct(index, f"{what}: {INDEX}", _Index).weight_map.values()))
    if not listed:
        raise PrepareError(f"{what}: {INDEX} lists no weights: the checkpoint is damaged")
    for name in listed:
        if not SHARD.fullmatch(name) or name not in names:
            raise PrepareError(f"{what}: {INDEX} lists {name!r}, which is missing: the checkpoint is incomplete")
    return listed


def check_config(config: Path, what: str, names: Collection[str]) -> None:
    """Check that a checkpoint is a one-label cross-encoder that transformers supports; raise PrepareError if not."""
    model = read_struct(config, f"{what}: {CONFIG}", _Config)
    _refuse_quantised(model, what, names)
    architecture = (model.architectures or ["model without an architecture"])[0]
    if not architecture.endswith(HEAD):
        raise PrepareError(f"{what} is a {architecture}: a reranker's architecture ends in {HEAD}{_or_graph(names)}")
    if not _in_transformers(model.model_type, architecture):
        why = (
            "which exists only as code in its repository; such code is never run"
            if model.auto_map
            else "which transformers does not support"
        )
        raise PrepareError(
            f"{what} is a {architecture} (model_type {model.model_type!r}), {why}: "
            f"use a model that transformers supports{_or_graph(names)}"
        )
    refuse_decoder(what, architecture, model.model_type)
    labels = model.num_labels or len(model.id2label or "00")
    if labels != 1:
        raise PrepareError(f"{what} has {labels} labels: a reranker has exactly one, the relevance")
    layers = max(model.num_hidden_layers or 0, model.n_layers or 0)
    if layers > MOST_LAYERS:
        raise PrepareError(f"{what}: {CONFIG} states {layers} layers, more than any model has: it is damaged")


def check_modules(modules: Path, what: str) -> None:
    """Check that the score is that of the transformer alone; raise PrepareError if other modules follow it."""
    kinds = [module.type.rpartition(".")[2] for module in read_struct(modules, f"{what}: {MODULES}", list[_Module])]
    if kinds != [TRANSFORMER]:
        raise PrepareError(
            f"{what} is built of sentence-transformers' modules {', '.join(kinds) or '(none)'} ({MODULES}): its scores "
            f"are not those of the one model that {CONFIG} describes, so use a cross-encoder with the single module "
            f"{TRANSFORMER}"
        )


def _refuse_other_kinds(names: Collection[str], what: str) -> None:
    """Refuse a repository that holds something else than a checkpoint or a graph, and say what it holds."""
    if ADAPTER in names:
        raise PrepareError(
            f"{what} is an adapter (LoRA; it has {ADAPTER}), which is only a part of a model: merge it into its base "
            "model with peft (merge_and_unload), save model and tokenizer, and prepare that folder"
        )
    if any(name in names for name in (CONFIG, WEIGHTS, INDEX, *GRAPHS)):
        return
    if MANIFEST in names:
        raise PrepareError(f"{what} is a prepared model already, not a checkpoint: serve it with --model and its path")
    quantised = sorted(name for name in names if name.endswith(".gguf"))
    if quantised:
        raise PrepareError(
            f"{what} holds its weights only as GGUF ({quantised[0]}), the format of llama.cpp: "
            f"use the model that it was made from, with {WEIGHTS}"
        )


def _refuse_quantised(model: _Config, what: str, names: Collection[str]) -> None:
    """Refuse quantised weights (bitsandbytes, GPTQ, AWQ, fp8, …), which are neither exact nor exportable."""
    for field in QUANTISED:
        quantised = getattr(model, field)
        if quantised is not None:
            method = quantised.get("quant_method") if isinstance(quantised, dict) else None
            raise PrepareError(
                f"{what} is quantised ({CONFIG} has {field}{f': {method}' if method else ''}): use the model that it "
                f"was made from, in fp32, fp16 or bf16; --precision int8 quantises it here{_or_graph(names)}"
            )


def _in_transformers(model_type: str, architecture: str) -> bool:
    """Check both names, without importing torch: the model_type of JinaBERT is `bert`, only its class name differs."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    return model_type in CONFIG_MAPPING_NAMES and architecture in _classes()


@functools.cache
def _classes() -> frozenset[str]:
    """Return the names of all classes of transformers; cached because listing them is slow."""
    import transformers

    return frozenset(dir(transformers))


def _graph(names: Collection[str], what: str) -> str:
    for name in GRAPHS:
        if name in names:
            return name
    raise PrepareError(f"{what} has no ONNX graph ({' or '.join(GRAPHS)}): prepare it without --from-onnx")


def _beside_graph(names: Collection[str], graph: str) -> list[str]:
    """List the graph's external data files: model.onnx_data, model.onnx.data, model.onnx_data_1 and the like."""
    return sorted(name for name in names if name.startswith(graph) and name != graph)


def _without_weights(names: Collection[str], what: str) -> str:
    pickles = sorted(name for name in names if name.endswith((".bin", ".pt", ".pth")) and "/" not in name)
    if pickles:
        return (
            f"{what} holds its weights only as a pickle ({pickles[0]}), which can run code when it is read: "
            f"use a revision with {WEIGHTS}, or convert it with transformers (save_pretrained){_or_graph(names)}"
        )
    others = sorted(name for name in names if name.endswith((".h5", ".msgpack", ".gguf", ".ot", ".npz")))
    if others:
        return (
            f"{what} has no {WEIGHTS}, only {others[0]}: use a revision with {WEIGHTS}, or convert it with "
            f"transformers (save_pretrained){_or_graph(names)}"
        )
    return f"{what} has no weights: add {WEIGHTS} (or {INDEX} with its shards){_or_graph(names)}"


def _or_graph(names: Collection[str]) -> str:
    """Return a hint to --from-onnx if the repository has an ONNX graph."""
    return ", or use its ONNX graph with --from-onnx" if any(name in names for name in GRAPHS) else ""
