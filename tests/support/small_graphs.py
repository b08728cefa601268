"""Small ONNX graphs put together by hand, for the passes that rewrite graphs.

`encoder` is what torch's exporter writes of a BERT, in small: tables, fused attention, norms, and a classifier that
reads the first token. Its nodes have no names, as in graphs from elsewhere.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

WIDTH = 16
HEADS = 2
WORDS = 1000
"""Rows of the word table: as few as int8 takes for a big table."""
KINDS = 3
"""Rows of a table that is small."""


def constant(name: str, value: npt.ArrayLike) -> TensorProto:
    """A constant: whole numbers as int64, others as float32."""
    array = np.asarray(value)
    return numpy_helper.from_array(array.astype(np.int64 if array.dtype.kind == "i" else np.float32), name)


def random(*shape: int, seed: int = 0, size: float = 1.0) -> npt.NDArray[np.float32]:
    return (np.random.default_rng(seed).normal(size=shape) * size).astype(np.float32)


def model(
    nodes: Sequence[onnx.NodeProto],
    constants: Sequence[TensorProto],
    *,
    x: tuple[int, Sequence[str | int]] = (TensorProto.INT64, ("batch", "sequence")),
    rank: int = 2,
    opset: int = 21,
    contrib: bool = True,
) -> onnx.ModelProto:
    """A model with the input `x` and the fp32 output `logits`."""
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", x[0], x[1])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [None] * rank)],
        constants,
    )
    opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid("com.microsoft", 1)] if contrib else [])
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def encoder(
    *, layers: int = 2, pooling: Sequence[onnx.NodeProto] | None = None, reshapes: bool = False
) -> onnx.ModelProto:
    """An encoder over token ids; `pooling` stands between `hidden` and `pooled` in the place of the first token."""
    constants = [
        constant("words", random(WORDS, WIDTH)),
        constant("kinds", random(KINDS, WIDTH, seed=1)),
        constant("ones", np.ones(WIDTH)),
        constant("zeros", np.zeros(WIDTH)),
        constant("first", 0),
        constant("three", 3),
        constant("split_shape", [0, 0, HEADS, WIDTH // HEADS]),
        constant("join_shape", [0, 0, WIDTH]),
        constant("out", random(WIDTH, 1, seed=2)),
    ]
    nodes = [
        helper.make_node("Gather", ["words", "x"], ["word"]),
        helper.make_node("Mod", ["x", "three"], ["kind_ids"]),
        helper.make_node("Gather", ["kinds", "kind_ids"], ["kind"]),
        helper.make_node("Add", ["word", "kind"], ["hidden0"]),
    ]
    for place in range(layers):
        nodes += _layer(place, constants, reshapes=reshapes)
    nodes.append(helper.make_node("Identity", [f"hidden{layers}"], ["hidden"]))
    nodes += pooling or [helper.make_node("Gather", ["hidden", "first"], ["pooled"], axis=1)]
    nodes.append(helper.make_node("Gemm", ["pooled", "out"], ["logits"]))
    return model(nodes, constants)


def _layer(place: int, constants: list[TensorProto], *, reshapes: bool) -> list[onnx.NodeProto]:
    at, x = f"layer{place}.", f"hidden{place}"
    shapes = {"q": (WIDTH, WIDTH), "k": (WIDTH, WIDTH), "v": (WIDTH, WIDTH), "up": (WIDTH, 32), "down": (32, WIDTH)}
    for seed, (name, shape) in enumerate(shapes.items()):
        constants.append(constant(at + name, random(*shape, seed=10 * place + seed, size=0.3)))
    nodes = [helper.make_node("MatMul", [x, at + name], [f"{at}{name}x"]) for name in "qkv"]
    heard = [f"{at}{name}x" for name in "qkv"]
    context = f"{at}context"
    if reshapes:
        for name in list(heard):
            nodes += _there_and_back(name, f"{name}.joined")
        heard = [f"{name}.joined" for name in heard]
    nodes.append(
        helper.make_node("MultiHeadAttention", heard, [context], domain="com.microsoft", num_heads=HEADS, scale=0.35)
    )
    if reshapes:
        nodes += _there_and_back(context, f"{context}.joined")
        context += ".joined"
    return [
        *nodes,
        helper.make_node("Add", [context, x], [at + "sum"]),
        helper.make_node("LayerNormalization", [at + "sum", "ones", "zeros"], [at + "normed"]),
        helper.make_node("MatMul", [at + "normed", at + "up"], [at + "upx"]),
        helper.make_node("Gelu", [at + "upx"], [at + "active"]),
        helper.make_node("MatMul", [at + "active", at + "down"], [at + "downx"]),
        helper.make_node("Add", [at + "normed", at + "downx"], [at + "sum2"]),
        helper.make_node("LayerNormalization", [at + "sum2", "ones", "zeros"], [f"hidden{place + 1}"]),
    ]


def _there_and_back(x: str, y: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Reshape", [x, "split_shape"], [f"{x}.split"]),
        helper.make_node("Reshape", [f"{x}.split", "join_shape"], [y]),
    ]


def token_ids(batch: int = 3, length: int = 7, seed: int = 5) -> npt.NDArray[np.int64]:
    """Token ids for an encoder."""
    return np.random.default_rng(seed).integers(0, WORDS, (batch, length))


def save(folder: Path, made: onnx.ModelProto, *, external: str | None = None) -> Path:
    """Write a model, its constants in a file of their own if that has a name."""
    path = folder / "model.onnx"
    if external is None:
        onnx.save(made, str(path))
    else:
        onnx.save(made, str(path), save_as_external_data=True, location=external, size_threshold=256)
    return path


def run(path: Path, x: npt.NDArray[np.generic], *also: str) -> list[npt.NDArray[np.float32]]:
    """Run a graph file; give `logits`, and other values of the graph by their names."""
    made = onnx.load(str(path))
    made.graph.output.extend(onnx.ValueInfoProto(name=name) for name in also)
    session = ort.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs: list[npt.NDArray[np.float32]] = session.run(["logits", *also], {"x": x})
    return outputs
