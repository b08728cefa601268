"""Convert a graph to fp16 for CUDA: every fp32 value except in selected operators; the logits stay fp32.

ONNX Runtime's kernels accumulate sums (products, softmax, layer norms) in fp32 internally, so everything in fp16 is
tried first; `KEPT` lists what is kept in fp32 if the parity gates fail. ONNX Runtime's own converter is not used
because it relies on shape inference, which stops at the fused attention.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.prepare.graph import Graph
from models.prepare.norms import fuse_norms

KEPT: tuple[frozenset[str], ...] = (
    frozenset(),
    frozenset({"LayerNormalization"}),
    frozenset({"LayerNormalization", "Gemm"}),
    frozenset({"LayerNormalization", "Gemm", "Gather"}),
)
"""The operators kept in fp32 at each attempt: none; the norms; also the classifier (the Gemms); also the tables."""
FLOAT_INPUTS = {"LayerNormalization": (0, 1, 2), "Gemm": (0, 1, 2), "Gather": (0,)}
"""The indexes of the float inputs of the operators that can be kept."""
LARGEST = float(np.finfo(np.float16).max)


def halve(graph: Graph, kept: frozenset[str]) -> None:
    """Convert a graph from fp32 to fp16.

    Args:
        graph: the fp32 graph, with the output `logits`.
        kept: the operators that stay in fp32, an element of `KEPT`.
    """
    fuse_norms(graph)
    nodes: list[onnx.NodeProto] = []
    constants: dict[str, TensorProto] = {}
    for node in graph.nodes:
        if node.op_type in kept and _is_float(graph, node):
            nodes.extend(_between_casts(graph, node))
            continue
        for index, name in enumerate(node.input):
            if graph.is_constant(name) and graph.is_fp32(name):
                half = f"{name}.fp16"
                if half not in constants:
                    constants[half] = numpy_helper.from_array(_rounded(np.asarray(graph.array(name))), half)
                node.input[index] = half
        _halve_attributes(node)
        nodes.append(node)
    nodes.extend(_fp32_outputs(graph, nodes))
    graph.rewrite(nodes, constants.values())


def _is_float(graph: Graph, node: onnx.NodeProto) -> bool:
    """Return whether a node of a kept operator handles floats; a Gather does if its table is a float constant."""
    table = node.input[0]
    return node.op_type != "Gather" or (graph.is_constant(table) and graph.is_fp32(table))


def _between_casts(graph: Graph, node: onnx.NodeProto) -> Iterable[onnx.NodeProto]:
    """Keep a node in fp32: cast its inputs to fp32 and its output back to fp16."""
    for index in FLOAT_INPUTS[node.op_type]:
        if index < len(node.input) and not graph.is_constant(node.input[index]):
            up = f"{node.output[0]}.input{index}.fp32"
            yield helper.make_node("Cast", [node.input[index]], [up], name=up, to=TensorProto.FLOAT)
            node.input[index] = up
    given, kept = node.output[0], f"{node.output[0]}.fp32"
    node.output[0] = kept
    yield node
    yield helper.make_node("Cast", [kept], [given], name=f"{given}.fp16", to=TensorProto.FLOAT16)


def _halve_attributes(node: onnx.NodeProto) -> None:
    """Convert the types in a node's attributes: casts to fp32, and constants."""
    if node.op_type == "ConstantOfShape" and not node.attribute:
        node.attribute.append(helper.make_attribute("value", numpy_helper.from_array(np.zeros(1, np.float32))))
    for attribute in node.attribute:
        if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.FLOAT16
        elif attribute.type == onnx.AttributeProto.TENSOR and attribute.t.data_type == TensorProto.FLOAT:
            attribute.t.CopyFrom(
                numpy_helper.from_array(_rounded(numpy_helper.to_array(attribute.t)), attribute.t.name)
            )


def _fp32_outputs(graph: Graph, nodes: Iterable[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """Cast the graph's float outputs back to fp32 under their original names."""
    outputs = {
        value.name for value in graph.model.graph.output if value.type.tensor_type.elem_type == TensorProto.FLOAT
    }
    casts = []
    for node in nodes:
        for index, name in enumerate(node.output):
            if name in outputs:
                node.output[index] = f"{name}.fp16"
                cast = helper.make_node("Cast", [f"{name}.fp16"], [name], name=f"{name}.fp32", to=TensorProto.FLOAT)
                casts.append(cast)
    return casts


def _rounded(array: npt.NDArray[np.float32]) -> npt.NDArray[np.float16]:
    """Round to fp16; values beyond its range (masks of -3.4e38) become its largest number, not infinity."""
    return np.asarray(np.clip(array, -LARGEST, LARGEST), np.float16)
