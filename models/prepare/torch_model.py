"""A checkpoint opened by transformers: the model to export, and the fp32 reference for an artefact."""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel

from models.pair import Logits, Pair
from models.prepare.checkpoint_files import CONFIG
from models.prepare.errors import PrepareError, reason
from models.prepare.progress import Progress
from models.prepare.quiet import quiet as quiet
from models.prepare.weights import check_numbers, read_shapes

REFERENCE = f"torch {torch.__version__}, transformers {transformers.__version__}, fp32, one pair at a time"


def open_model(folder: Path) -> PreTrainedModel:
    """Open a checkpoint in fp32, from safetensors only and without running code from the checkpoint.

    Raises:
        PrepareError: transformers cannot open it as a one-label model, or its weights are damaged or untrained.
    """
    shapes = read_shapes(folder)
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
        _compare_shapes(folder, shapes)
        raise PrepareError(f"transformers cannot open the checkpoint in {folder}: {reason(error)}") from None
    missing = sorted(name for name in report["missing_keys"] if "position_ids" not in name)
    if missing:
        raise PrepareError(
            f"the checkpoint in {folder} has no {', '.join(missing[:3])}{' …' if missing[3:] else ''}: "
            "it was not trained for sequence classification, or its file is incomplete"
        )
    if model.config.num_labels != 1:
        raise PrepareError(f"the checkpoint has {model.config.num_labels} labels; a reranker has exactly one")
    check_numbers(model, folder)
    return model.eval()


def takes_segments(model: PreTrainedModel) -> bool:
    """Return whether the model's forward takes `token_type_ids`, whether or not it does anything with them."""
    return "token_type_ids" in inspect.signature(model.forward).parameters


def _compare_shapes(folder: Path, shapes: Mapping[str, Sequence[int]]) -> None:
    """Raise PrepareError if a weight has another shape than the config states; transformers only logs which one."""
    try:
        with quiet(), torch.device("meta"):  # nothing is allocated
            config = AutoConfig.from_pretrained(str(folder))
            stated = AutoModelForSequenceClassification.from_config(config).state_dict()
    except Exception:  # noqa: BLE001 - the config itself is the cause
        return
    for name, weights in stated.items():
        if name in shapes and list(shapes[name]) != list(weights.shape):
            raise PrepareError(
                f"the weight {name} of the checkpoint in {folder} has the shape {list(shapes[name])}, but {CONFIG} "
                f"states {list(weights.shape)}: the two do not belong together"
            )


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
