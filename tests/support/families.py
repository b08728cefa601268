"""Tiny checkpoints of every family that is exported here: two layers, 64 wide, weights that spread the logits."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime as ort
from transformers import PreTrainedModel

from models.pair import Logits, Pair
from tests.support.tiny import make_tokenizer
from tools.full_size.stand_in import make_checkpoint

WINDOW = 64
LAYERS = 2
WORDS = 1200
"""Rows of the word tables: a little more than int8 takes for a big table."""
SHAPE = {
    "vocab_size": WORDS,
    "hidden_size": 64,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "initializer_range": 0.15,
    "max_position_embeddings": WINDOW,
    "id2label": {"0": "LABEL_0"},
    "pad_token_id": 0,
}
CONFIGS: Mapping[str, dict[str, object]] = {
    "bert": SHAPE | {"model_type": "bert", "architectures": ["BertForSequenceClassification"]},
    "xlm-roberta": SHAPE
    | {
        "model_type": "xlm-roberta",
        "architectures": ["XLMRobertaForSequenceClassification"],
        "max_position_embeddings": WINDOW + 2,
        "type_vocab_size": 1,
        "pad_token_id": 1,
    },
    "electra": SHAPE
    | {"model_type": "electra", "architectures": ["ElectraForSequenceClassification"], "embedding_size": 32},
    "distilbert": {
        "model_type": "distilbert",
        "architectures": ["DistilBertForSequenceClassification"],
        "vocab_size": WORDS,
        "dim": 64,
        "n_layers": LAYERS,
        "n_heads": 4,
        "hidden_dim": 128,
        "initializer_range": 0.15,
        "max_position_embeddings": WINDOW,
        "id2label": {"0": "LABEL_0"},
        "pad_token_id": 0,
    },
    "deberta-v2": SHAPE
    | {
        "model_type": "deberta-v2",
        "architectures": ["DebertaV2ForSequenceClassification"],
        "type_vocab_size": 0,
        "relative_attention": True,
        "position_buckets": 16,
        "max_relative_positions": -1,
        "pos_att_type": "p2c|c2p",
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "position_biased_input": False,
        "pooler_hidden_size": 64,
        "pooler_hidden_act": "gelu",
        "pooler_dropout": 0,
    },
    "deberta": SHAPE
    | {
        "model_type": "deberta",
        "architectures": ["DebertaForSequenceClassification"],
        "type_vocab_size": 0,
        "relative_attention": True,
        "max_relative_positions": -1,
        "pos_att_type": ["c2p", "p2c"],
        "position_biased_input": False,
        "pooler_hidden_size": 64,
        "pooler_hidden_act": "gelu",
        "pooler_dropout": 0,
    },
}
SEEDS = {"bert": 1, "xlm-roberta": 2}
"""Weights with which int8 passes its gates by far: random ones are harder for it than trained ones."""
FUSED = ("bert", "xlm-roberta", "electra")


class Case(NamedTuple):
    """An exported model: its family, and whether the graph was made to heed the mask."""

    family: str
    masked: bool


CASES = [
    Case("bert", masked=True),
    Case("xlm-roberta", masked=True),
    Case("xlm-roberta", masked=False),
    Case("electra", masked=True),
    Case("distilbert", masked=True),
    Case("deberta-v2", masked=False),
]
"""Where nothing is fused, `masked` makes no difference to the graph: one of each is enough."""
HEEDING = [case for case in CASES if case.masked or case.family not in FUSED]
"""Those whose graph heeds the mask."""


class Exported(NamedTuple):
    """A checkpoint's model and what was exported of it."""

    case: Case
    model: PreTrainedModel
    path: Path
    batchable: bool
    """What `export` answered."""
    expected: Logits
    """transformers' own logits of `pairs()`, computed before the export."""


def make(folder: Path, family: str) -> Path:
    """Write a family's checkpoint with the tiny tokenizer whose ids it has."""
    folder.mkdir(parents=True, exist_ok=True)
    make_tokenizer("xlm-roberta" if family == "xlm-roberta" else "bert").save(str(folder / "tokenizer.json"))
    return make_checkpoint(folder / "checkpoint", CONFIGS[family], folder, seed=SEEDS.get(family, 0))


def pairs(count: int = 12, longest: int = 40, seed: int = 3) -> list[Pair]:
    """Pairs of random ids, of many lengths; their second halves are of the second segment."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        length = int(random.integers(4, longest))
        made.append(Pair(random.integers(4, WORDS, length), (np.arange(length) >= length // 2).astype(np.int64)))
    return made


def run_single(path: Path, made: Sequence[Pair]) -> Logits:
    """Logits of a graph file, one unpadded pair at a time."""
    return np.concatenate([run_together(path, [pair]) for pair in made])


def run_together(path: Path, made: Sequence[Pair]) -> Logits:
    """Logits of one batch whose padding looks like words of the second segment: the mask alone tells it."""
    return outputs_together(path, made)[0][:, 0]


def outputs_together(path: Path, made: Sequence[Pair], *also: str) -> list[Logits]:
    """The same, with other values of the graph by their names."""
    shape = (len(made), max(map(len, made)))
    feeds = {
        "input_ids": np.random.default_rng(9).integers(4, WORDS, shape),
        "attention_mask": np.zeros(shape, np.int64),
        "token_type_ids": np.ones(shape, np.int64),
    }
    for row, pair in enumerate(made):
        feeds["input_ids"][row, : len(pair)] = pair.ids
        feeds["attention_mask"][row, : len(pair)] = 1
        feeds["token_type_ids"][row, : len(pair)] = pair.types
    model = onnx.load(str(path))
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in also)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    wanted = {node.name for node in session.get_inputs()}
    outputs: list[Logits] = session.run(["logits", *also], {k: v for k, v in feeds.items() if k in wanted})
    return outputs
