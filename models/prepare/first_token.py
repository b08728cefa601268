"""A graph pass that computes the last layer for the first token only.

A classifier reads only the first token's vector, but an exported graph computes the last layer for all tokens. This
pass restricts the last attention's query, and everything after it, to the first token. The logits stay the same, and
the last layer's work is saved except for its keys and values: up to 1/24 of a model with 24 layers, 1/6 with six. A
graph whose end has another form is left unchanged.
"""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from models.prepare.graph import Graph

ATTENTION = "MultiHeadAttention"
BY_TOKEN = frozenset({"MatMul", "Add", "LayerNormalization", "Gelu", "Mul", "Div", "Erf", "Tanh", "Relu", "Identity"})
"""Operators that treat each token separately (their other inputs are constants of the last axis, or tokens too)."""
FIRST = "first_token.index"
OF_FIRST = ".first"


def only_first_token(graph: Graph) -> bool:
    """Apply the pass; return whether the graph has the required form."""
    drop_idle_reshapes(graph)
    attention = next((node for node in reversed(graph.nodes) if node.op_type == ATTENTION), None)
    if attention is None or not _ends_in_first_token(graph, attention):
        return False
    first_index = numpy_helper.from_array(np.array([0], np.int64), FIRST)
    nodes: list[onnx.NodeProto] = []
    firsts: set[str] = set()
    tail: set[str] = set()
    for node in graph.nodes:
        for index in _whole_inputs(graph, node, attention, tail):
            value = node.input[index]
            if value not in firsts:
                firsts.add(value)
                nodes.append(
                    helper.make_node("Gather", [value, FIRST], [value + OF_FIRST], name=value + OF_FIRST, axis=1)
                )
            node.input[index] = value + OF_FIRST
        if node is attention or (tail.intersection(node.input) and node.op_type in BY_TOKEN):
            tail.update(node.output)
        nodes.append(node)
    graph.rewrite(nodes, [first_index])
    return True


def _whole_inputs(graph: Graph, node: onnx.NodeProto, attention: onnx.NodeProto, tail: set[str]) -> list[int]:
    """Return the indexes of a node's inputs that must be reduced to the first token: the query, and the residual."""
    if node is attention:
        return [0]
    if not tail.intersection(node.input) or node.op_type not in BY_TOKEN:
        return []
    return [i for i, name in enumerate(node.input) if name not in tail and not graph.is_constant(name)]


def drop_idle_reshapes(graph: Graph) -> None:
    """Remove the pairs of Reshapes around the fused attention that split tokens into heads and join them again."""
    for attention in [node for node in graph.nodes if node.op_type == ATTENTION]:
        for index in range(3):
            join = graph.maker(attention.input[index])
            split = graph.maker(join.input[0]) if join is not None and join.op_type == "Reshape" else None
            if split is not None and split.op_type == "Reshape":
                attention.input[index] = split.input[0]
        for split in graph.readers(attention.output[0]):
            for join in graph.readers(split.output[0]) if split.op_type == "Reshape" else []:
                for reader in graph.readers(join.output[0]) if join.op_type == "Reshape" else []:
                    reader.input[list(reader.input).index(join.output[0])] = attention.output[0]
    graph.tidy()


def _ends_in_first_token(graph: Graph, attention: onnx.NodeProto) -> bool:
    """Return whether everything after the attention treats tokens separately, until a Gather takes the first."""
    tail = set(attention.output)
    ends = 0
    for node in graph.nodes:
        if node is attention or not tail.intersection(node.input):
            continue
        if node.op_type in BY_TOKEN:
            tail.update(node.output)
        elif node.op_type == "Gather" and _takes_first(graph, node):
            ends += 1
        else:
            return False
    return ends == 1


def _takes_first(graph: Graph, gather: onnx.NodeProto) -> bool:
    axis = next((attribute.i for attribute in gather.attribute if attribute.name == "axis"), 0)
    index = gather.input[1]
    return axis == 1 and graph.is_constant(index) and graph.shape(index) == () and int(graph.array(index)) == 0
