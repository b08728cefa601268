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

from models.prepare.decoders import refuse_decoder
from models.prepare.errors import PrepareError

CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
BESIDE = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
"""Optional files, fetched if the repository has them."""
VERSIONED = re.compile(r"tokenizer\.\d[\d.]*\.json")
"""Forms of tokenizer.json for a later transformers, which tokenizer_config.json lists."""
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
GRAPHS = ("onnx/model.onnx", "model.onnx")
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


class _Index(msgspec.Struct):
    weight_map: dict[str, str]


def needed(names: Collection[str], what: str, *, from_onnx: bool) -> Needed:
    """Select the needed files of a repository; raise PrepareError if one is missing."""
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
    try:
        listed = sorted(set(msgspec.json.decode(index.read_bytes(), type=_Index).weight_map.values()))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PrepareError(f"{what}: {INDEX} cannot be read ({error}): the checkpoint is damaged") from None
    for name in listed:
        if not SHARD.fullmatch(name) or name not in names:
            raise PrepareError(f"{what}: {INDEX} lists {name!r}, which is missing: the checkpoint is incomplete")
    return listed


def check_config(config: Path, what: str, names: Collection[str]) -> None:
    """Check that a checkpoint is a one-label cross-encoder that transformers supports; raise PrepareError if not."""
    try:
        model = msgspec.json.decode(config.read_bytes(), type=_Config)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PrepareError(f"{what}: {CONFIG} cannot be read ({error}): the checkpoint is damaged") from None
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
    return f"{what} has no weights: add {WEIGHTS} (or {INDEX} with its shards){_or_graph(names)}"


def _or_graph(names: Collection[str]) -> str:
    """Return a hint to --from-onnx if the repository has an ONNX graph."""
    return ", or use its ONNX graph with --from-onnx" if any(name in names for name in GRAPHS) else ""
