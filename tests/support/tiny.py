"""Tiny cross-encoders with random weights, made on the spot: a BERT-like one and an XLM-R-like one.

They have everything of the real thing but size and sense: a word-level tokenizer with the family's pair layout, an ONNX
graph with the family's inputs whose logit depends on every token and its position, and a sealed manifest.
"""

from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from models.artefact import Artefact, Manifest, Source, seal

Family = Literal["bert", "xlm-roberta"]
WORDS = ["panda", "bear", "china", "bread", "oven", "the", "a", "is", "of", "what", "one", "two", "three", "four"]
WIDTH = 8
SPECIALS = {"bert": ["[PAD]", "[UNK]", "[CLS]", "[SEP]"], "xlm-roberta": ["<s>", "<pad>", "</s>", "<unk>"]}
PAIR = {"bert": "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", "xlm-roberta": "<s>:0 $A:0 </s>:0 </s>:0 $B:0 </s>:0"}


def make_artefact(
    folder: Path,
    family: Family = "bert",
    *,
    labels: int = 1,
    batchable: bool = True,
    max_tokens: int = 32,
    scale: float = 1.0,
) -> Artefact:
    """Make and seal a tiny model; `labels` other than 1 makes one that must be refused.

    `scale` shrinks its word vectors: a long window needs small ones, or tanh is at its ends and hears no single word.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer(family)
    tokenizer.save(str(folder / "tokenizer.json"))
    onnx.save(make_graph(family, tokenizer.get_vocab_size(), labels, scale), folder / "model.onnx")
    return seal(folder, make_manifest(family, batchable=batchable, max_tokens=max_tokens))


def make_manifest(family: Family = "bert", *, batchable: bool = True, max_tokens: int = 32) -> Manifest:
    """Make the manifest of a tiny model, not sealed yet."""
    return Manifest(
        name=f"tiny-{family}",
        architecture=family,
        precision="fp32",
        max_tokens=max_tokens,
        pad_token_id=SPECIALS[family].index("[PAD]" if family == "bert" else "<pad>"),
        source=Source(hub_id=f"tests/tiny-{family}", revision="seed-0", licence="Apache-2.0"),
        batchable=batchable,
    )


def make_tokenizer(family: Family) -> Tokenizer:
    """Make a word-level tokenizer with the family's special tokens and pair layout."""
    specials = SPECIALS[family]
    vocabulary = {word: index for index, word in enumerate(specials + WORDS)}
    unknown = "[UNK]" if family == "bert" else "<unk>"
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    used = [token for token in specials if token in PAIR[family]]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A", pair=PAIR[family], special_tokens=[(token, vocabulary[token]) for token in used]
    )
    return tokenizer


def make_graph(family: Family, words: int, labels: int = 1, scale: float = 1.0) -> onnx.ModelProto:
    """Make logits [batch, labels]: tanh of the masked sum of (word + type) vectors times their places, projected."""
    random = np.random.default_rng(0)
    inputs = ["input_ids", "attention_mask"] + (["token_type_ids"] if family == "bert" else [])
    weights = {
        "words": random.normal(size=(words, WIDTH)) * scale,
        "types": random.normal(size=(2, WIDTH)),
        "out": random.normal(size=(WIDTH, labels)) * 0.3,
        "axis1": np.array([1]),
        "axis2": np.array([2]),
        "int1": np.array(1),
    }
    initializers = [
        numpy_helper.from_array(value.astype(np.float32 if value.dtype == np.float64 else np.int64), name)
        for name, value in weights.items()
    ]
    nodes = [helper.make_node("Gather", ["words", "input_ids"], ["w"])]
    if family == "bert":
        nodes += [
            helper.make_node("Gather", ["types", "token_type_ids"], ["t"]),
            helper.make_node("Add", ["w", "t"], ["e"]),
        ]
    else:
        nodes += [helper.make_node("Identity", ["w"], ["e"])]
    nodes += [
        helper.make_node("CumSum", ["attention_mask", "int1"], ["place"]),
        helper.make_node("Mul", ["place", "attention_mask"], ["weight"]),
        helper.make_node("Cast", ["weight"], ["weight_f"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["weight_f", "axis2"], ["weight_3"]),
        helper.make_node("Mul", ["e", "weight_3"], ["placed"]),
        helper.make_node("ReduceSum", ["placed", "axis1"], ["summed"], keepdims=0),
        helper.make_node("Tanh", ["summed"], ["hidden"]),
        helper.make_node("MatMul", ["hidden", "out"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"]) for name in inputs],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", labels])],
        initializers,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
