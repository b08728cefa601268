"""Make a checkpoint with random weights in the shape of a model whose weights are not available.

It is good for measuring speed, memory and numeric parity, which depend on the shape; its scores are meaningless.
"""

import json
import shutil
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel

from models.prepare.pairs import read_texts
from models.prepare.torch_model import quiet
from models.tokenise import Tokeniser

SHARPER = 2.0
"""The factor on the query and key weights of a deep stand-in."""
PROBES, PROBE_TOKENS = 24, 64
SPREAD = 4.0
"""The standard deviation of a deep stand-in's logits, about that of trained rerankers."""
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def make_checkpoint(
    folder: Path, config: dict[str, object], tokenizer: Path, *, seed: int = 0, deep: bool = False
) -> Path:
    """Write config, weights and tokenizer files into a folder and return it.

    Args:
        folder: the folder to write to, created if it does not exist.
        config: the content of config.json.
        tokenizer: the folder with the tokenizer's files.
        seed: the random seed of the weights. Biases and norms are random too, so that a missing one is noticed.
        deep: sharpen the attention, and let the classifier read the direction in which pairs differ most. Otherwise the
            logits of 24 random layers hardly differ, and rounding shifts them all, so there is nothing to rank.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    torch.manual_seed(seed)
    with quiet():
        model = AutoModelForSequenceClassification.from_config(AutoConfig.from_pretrained(str(folder)))
        with torch.no_grad():
            for name, weights in model.named_parameters():
                if weights.dim() == 1:
                    weights.add_(torch.randn_like(weights) * 0.02)
                elif deep and (".query." in name or ".key." in name):
                    weights.mul_(SHARPER)
            if deep:
                _read_what_differs(model.eval(), tokenizer / "tokenizer.json")
        model.save_pretrained(str(folder))
    for name in TOKENIZER_FILES:
        if (tokenizer / name).is_file():
            shutil.copyfile(tokenizer / name, folder / name)
    return folder


def _read_what_differs(model: PreTrainedModel, tokenizer: Path) -> None:
    """Align a BERT or RoBERTa classifier's last layer with the first principal component of some pairs' vectors."""
    tokeniser = Tokeniser.open(tokenizer, PROBE_TOKENS)
    pairs = [tokeniser.pairs(text.query, [text.passage])[0] for text in read_texts()[:PROBES]]
    roberta = hasattr(model.classifier, "out_proj")
    dense, last = (
        (model.classifier.dense, model.classifier.out_proj) if roberta else (model.bert.pooler.dense, model.classifier)
    )
    tokens = [model.base_model(input_ids=torch.from_numpy(pair.ids)[None])[0][:, 0] for pair in pairs]
    vectors = torch.cat([torch.tanh(dense(first)) for first in tokens])
    mean = vectors.mean(0)
    direction = torch.linalg.svd(vectors - mean, full_matrices=False)[2][0]
    scale = SPREAD / float(((vectors - mean) @ direction).std())
    last.weight.copy_(direction[None] * scale)
    last.bias.fill_(-float(mean @ direction) * scale)
