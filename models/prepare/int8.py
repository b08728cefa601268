"""Convert a graph to int8 for the CPU: products with constant matrices and large tables; the rest stays fp32.

The arithmetic is that of `PerToken`: one activation scale per token, so a score does not depend on the other tokens of
its batch. The classifier after the last layer works on one token per pair and stays in fp32.
"""

import onnx

from models.prepare.errors import PrepareError
from models.prepare.graph import Graph, splice
from models.prepare.opset import raise_opset
from models.prepare.quantise import PerToken
from models.prepare.writer import OPSET, Writer

SMALLEST_TABLE = 1000
"""Minimum number of rows of a quantised table; smaller ones (segments, …) cost nothing in fp32."""


def quantise(graph: Graph) -> None:
    """Replace the products and tables of a graph by int8 ones.

    Raises:
        PrepareError: the graph has nothing to quantise.
    """
    raise_opset(graph, OPSET)
    arithmetic = PerToken(one_shape=False)
    writer = Writer()
    outputs = {output.name for output in graph.model.graph.output}
    makers = {output: node for node in graph.nodes for output in node.output}
    nodes: list[onnx.NodeProto] = []
    renamed: dict[str, str] = {}
    for node in graph.nodes:
        for index, name in enumerate(node.input):
            node.input[index] = renamed.get(name, name)
        # new nodes are named after the value, which is unique; nodes of a repository's graph may have no names
        given = node.output[0] if node.output else ""
        if given in outputs:
            nodes.append(node)
        elif _is_product(graph, node):
            multiply = arithmetic.gelu_matmul if _is_gelu(makers.get(node.input[0])) else arithmetic.matmul
            renamed[given] = multiply(writer, given, node.input[0], graph.array(node.input[1]))
        elif _is_table(graph, node):
            renamed[given] = arithmetic.lookup(writer, given, graph.array(node.input[0]), node.input[1])
        else:
            nodes.append(node)
        nodes.extend(writer.take_nodes())
    if not renamed:
        raise PrepareError(
            "the graph has no product with a constant matrix and no large table: int8 would change nothing"
        )
    splice(graph, writer, nodes)


def _is_product(graph: Graph, node: onnx.NodeProto) -> bool:
    return (
        node.op_type == "MatMul"
        and graph.is_constant(node.input[1])
        and len(graph.shape(node.input[1])) == 2
        and graph.is_fp32(node.input[1])
    )


def _is_table(graph: Graph, node: onnx.NodeProto) -> bool:
    return (
        node.op_type == "Gather"
        and graph.is_constant(node.input[0])
        and len(graph.shape(node.input[0])) == 2
        and graph.shape(node.input[0])[0] >= SMALLEST_TABLE
        and graph.is_fp32(node.input[0])
        and not any(attribute.name == "axis" and attribute.i != 0 for attribute in node.attribute)
    )


def _is_gelu(node: onnx.NodeProto | None) -> bool:
    return node is not None and node.op_type == "Gelu"
