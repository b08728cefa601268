"""Export a model to an fp32 ONNX graph with dynamic batch and length and one weights file, by torch's exporter.

The weights are memory-mapped until the graph is saved, so peak memory is little more than one copy of them. A failed
export raises one sentence, not the exporter's traceback.
"""

import contextlib
import io
from pathlib import Path

import torch
from transformers import PreTrainedModel

from models.prepare.attention import FULL_ATTENTION, Exportable
from models.prepare.errors import PrepareError, reason
from models.prepare.first_token import only_first_token
from models.prepare.graph import Graph
from models.prepare.torch_model import has_segments, quiet
from models.prepare.writer import OPSET

EXAMPLE = (2, 16)
"""Batch and length of the pair that the exporter traces; both are dynamic in the graph."""


def export(model: PreTrainedModel, path: Path, *, masked: bool) -> bool:
    """Write a model's graph and weights file.

    Args:
        model: the model, as returned by `open_model`.
        path: the graph file to write, in an existing folder.
        masked: whether the graph must use `attention_mask`, so that it can be run in padded batches.

    Returns:
        Whether the graph uses the mask: architectures without fused attention always do.

    Raises:
        PrepareError: the exporter fails.
        OSError: the disk is full.
    """
    fused = model.config.model_type in FULL_ATTENTION
    before = model.config._attn_implementation
    try:
        heard = io.StringIO()  # swallows torch's notes and, if it fails, the dump of the graph
        with quiet(), contextlib.redirect_stdout(heard), contextlib.redirect_stderr(heard), torch.no_grad():
            _export(model, path, fused=fused, masked=masked)
    except OSError:
        raise
    except Exception as error:
        raise PrepareError(
            f"torch {torch.__version__} cannot export this {model.config.model_type} model: {reason(error)}"
        ) from error
    finally:
        model.set_attn_implementation(before)
    graph = Graph(path)
    only_first_token(graph)
    graph.save_nodes(path)
    return masked or not fused


def _export(model: PreTrainedModel, path: Path, *, fused: bool, masked: bool) -> None:
    names = ["input_ids", "attention_mask"] + (["token_type_ids"] if has_segments(model) else [])
    examples = {name: torch.full(EXAMPLE, int(name != "token_type_ids"), dtype=torch.int64) for name in names}
    batch, sequence = torch.export.Dim("batch"), torch.export.Dim("sequence")
    program = torch.onnx.export(
        Exportable(model, fused=fused, masked=masked),
        kwargs=examples,
        dynamo=True,
        input_names=names,
        output_names=["logits"],
        dynamic_shapes={name: {0: batch, 1: sequence} for name in names},
        opset_version=OPSET,
        verbose=False,
    )
    program.save(str(path), external_data=True)
