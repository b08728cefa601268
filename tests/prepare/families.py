"""Tiny checkpoints of every family that is exported here: three layers, 64 wide, weights that spread the logits."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from models.pair import Pair
from tests.prepare.stand_in import make_checkpoint
from tests.tiny import make_tokenizer

WINDOW = 64
WORDS = 1200
"""Rows of the word tables: a little more than int8 takes for a big table."""
SHAPE = {
    "vocab_size": WORDS,
    "hidden_size": 64,
    "num_hidden_layers": 3,
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
        "n_layers": 3,
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
}
FUSED = ("bert", "xlm-roberta", "electra")


class Case(NamedTuple):
    """An exported model: its family, and whether the graph was made to heed the mask."""

    family: str
    masked: bool


CASES = [
    *(Case(family, masked=masked) for family in FUSED for masked in (True, False)),
    Case("distilbert", masked=True),
    Case("deberta-v2", masked=False),
]
"""Where nothing is fused, `masked` makes no difference to the graph: one of each is enough."""


def make(folder: Path, family: str, **changes: object) -> Path:
    """Write a family's checkpoint with the tiny tokenizer whose ids it has; changes go into its config."""
    folder.mkdir(parents=True, exist_ok=True)
    make_tokenizer("xlm-roberta" if family == "xlm-roberta" else "bert").save(str(folder / "tokenizer.json"))
    return make_checkpoint(folder / "checkpoint", CONFIGS[family] | changes, folder)


def pairs(count: int = 12, longest: int = 40, seed: int = 3) -> list[Pair]:
    """Pairs of random ids, of many lengths; their second halves are of the second segment."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        length = int(random.integers(4, longest))
        made.append(Pair(random.integers(4, WORDS, length), (np.arange(length) >= length // 2).astype(np.int64)))
    return made
