"""A prepared model scores what transformers scores with the checkpoint's own tokenizer, whatever its config changes.

The oracle is the checkpoint alone: AutoTokenizer and AutoModelForSequenceClassification on its folder.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from models.artefact import Precision
from models.pair import Logits
from models.prepare.prepare import Order, prepare
from models.prepare.quiet import quiet
from models.prepare.reference import read
from models.scorer import Scorer
from tests.support.checkpoint_tokenizers import ROWS, wordpiece, write
from tests.support.families import SHAPE
from tests.support.tiny_graphs import SILENT, write_texts
from tools.full_size.stand_in import make_checkpoint

pytestmark = pytest.mark.prepare

BERT = SHAPE | {"model_type": "bert", "architectures": ["BertForSequenceClassification"], "vocab_size": ROWS}
QUERY = "what do Pandas eat"
LONG = "one panda " * 60 + "China"
DOCUMENTS = ["Giant PANDA café", "大熊猫 eats 竹子", "panda [SEP] bear", "cafe\u0301 Über 3.14", LONG]


def make(folder: Path, stated: dict[str, object], **made: Any) -> Path:
    files = write(folder / "files", wordpiece(**made), {"tokenizer_class": "BertTokenizer"} | stated)
    return make_checkpoint(folder / "reranker", BERT, files, seed=1)


def expected(checkpoint: Path) -> Logits:
    """What a user of transformers computes, one pair at a time."""
    with quiet(), torch.inference_mode():
        tokenizer = AutoTokenizer.from_pretrained(str(checkpoint))
        model = AutoModelForSequenceClassification.from_pretrained(str(checkpoint)).eval()
        cut = {"truncation": "only_second", "max_length": 64, "return_tensors": "pt"}
        return np.array([model(**tokenizer(QUERY, text, **cut)).logits.item() for text in DOCUMENTS], np.float32)


@pytest.mark.parametrize(
    ("stated", "made", "precision"),
    [
        ({"do_lower_case": False}, {}, "fp32"),
        ({"model_input_names": ["input_ids", "attention_mask"]}, {}, "fp32"),
        ({"strip_accents": False, "tokenize_chinese_chars": False}, {"post_processor": False}, "fp32"),
        ({"truncation_side": "left"}, {}, "fp16"),
    ],
    ids=["case", "segments", "accents, Chinese and layout", "side"],
)
def test_the_scores_are_those_of_the_whole_checkpoint(
    tmp_path: Path, stated: dict[str, object], made: dict[str, Any], precision: Precision
) -> None:
    """Not those of tokenizer.json alone, which are others; the reference's ids are transformers', and say so."""
    checkpoint = make(tmp_path, stated, **made)
    order = Order(model=str(checkpoint), precision=precision, texts=write_texts(tmp_path), device="cpu")
    artefact = prepare(order, tmp_path / "models", SILENT)
    logits = expected(checkpoint)
    bound = {"fp32": 1e-4, "fp16": 0.02}[precision] * float(logits.std())
    with Scorer.open(artefact.folder, device="cpu") as scorer:
        np.testing.assert_allclose(scorer.logits(QUERY, DOCUMENTS), logits, atol=bound)
    assert read(artefact.folder).tokenizer.endswith(", BertTokenizer")
    assert artefact.manifest.parity["texts"] > 50
