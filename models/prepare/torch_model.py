"""A checkpoint opened by transformers: the model to export, and the fp32 reference for an artefact."""

import inspect
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from models.pair import Logits, Pair
from models.prepare.errors import PrepareError, reason
from models.prepare.progress import Progress
from models.prepare.quiet import quiet as quiet

REFERENCE = f"torch {torch.__version__}, transformers {transformers.__version__}, fp32, one pair at a time"


def open_model(folder: Path) -> PreTrainedModel:
    """Open a checkpoint in fp32, from safetensors only and without running code from the checkpoint.

    Raises:
        PrepareError: transformers cannot open it as a one-label model.
    """
    try:
        with quiet():
            model, report = AutoModelForSequenceClassification.from_pretrained(
                str(folder),
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except Exception as error:  # noqa: BLE001 - a foreign config or file can cause any error
        raise PrepareError(f"transformers cannot open the checkpoint in {folder}: {reason(error)}") from None
    missing = sorted(name for name in report["missing_keys"] if "position_ids" not in name)
    if missing:
        raise PrepareError(
            f"the checkpoint in {folder} has no {', '.join(missing[:3])}{' …' if missing[3:] else ''}: "
            "it was not trained for sequence classification, or its file is incomplete"
        )
    if model.config.num_labels != 1:
        raise PrepareError(f"the checkpoint has {model.config.num_labels} labels; a reranker has exactly one")
    return model.eval()


def takes_segments(model: PreTrainedModel) -> bool:
    """Return whether the model's forward takes `token_type_ids`, whether or not it does anything with them."""
    return "token_type_ids" in inspect.signature(model.forward).parameters


def has_segments(model: PreTrainedModel) -> bool:
    """Return whether the model reads `token_type_ids`; some without a table of them do, such as XLNet."""
    return takes_segments(model) and int(getattr(model.config, "type_vocab_size", 2) or 0) > 1


def reference_logits(model: PreTrainedModel, pairs: Sequence[Pair], progress: Progress) -> Logits:
    """Score unpadded pairs one at a time; return logits, float32 [len(pairs)]."""
    logits = np.empty(len(pairs), np.float32)
    with torch.inference_mode():
        for index, pair in enumerate(progress.over("reference", pairs, [len(pair) for pair in pairs])):
            inputs = {"input_ids": torch.from_numpy(pair.ids)[None]}
            if has_segments(model):
                inputs["token_type_ids"] = torch.from_numpy(pair.types)[None]
            logits[index] = model(**inputs).logits.item()
    return logits
