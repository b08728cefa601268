"""A graph pass that writes each layer norm as one LayerNormalization node.

DeBERTa computes its norms by single operators, and exporters before opset 17 write all norms so. In fp16 such a norm
overflows in its squares and loses its epsilon, and a mix of fp16 and fp32 around it makes ONNX Runtime's own fusion
write a node that it then rejects ("bound to different types"). A norm of another form is left unchanged.
"""

import onnx
from onnx import helper, numpy_helper

from models.prepare.graph import Graph

NORM = "LayerNormalization"


def fuse_norms(graph: Graph) -> int:
    """Replace every norm x → (x - mean) / sqrt(variance + epsilon) * scale + shift; return their number."""
    parts = _Parts(graph)
    norms = {}
    for node in graph.nodes:
        if node.op_type == "Add":
            norm = parts.norm(node)
            if norm is not None:
                norms[node.output[0]] = norm
    if norms:
        graph.rewrite([norms.get(node.output[0], node) if node.output else node for node in graph.nodes], [])
    return len(norms)


class _Parts:
    """Recognises the parts of a norm, from its last node to its input; each method returns None for another form."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._makers = {output: node for node in graph.nodes for output in node.output}

    def norm(self, last: onnx.NodeProto) -> onnx.NodeProto | None:
        """Return the node that replaces a norm that ends in this Add."""
        scaled, shift = self._with_vector(last)
        divided, scale = self._with_vector(self._made(scaled, "Mul"))
        division = self._made(divided, "Div")
        if division is None or shift is None or scale is None:
            return None
        x = self._centred(division.input[0])
        epsilon = self._epsilon(division.input[1], x)
        if x is None or epsilon is None:
            return None
        name = last.name or last.output[0]
        inputs = [x, scale, shift]
        return helper.make_node(NORM, inputs, [last.output[0]], name=f"{name}.norm", axis=-1, epsilon=epsilon)

    def _made(self, value: str | None, *operators: str) -> onnx.NodeProto | None:
        """Return the node that computes a value, if it is one of these operators."""
        node = self._makers.get(value) if value is not None else None
        return node if node is not None and node.op_type in operators else None

    def _with_vector(self, node: onnx.NodeProto | None) -> tuple[str | None, str | None]:
        """Return the computed and the constant input of a sum or product with a vector, in either order."""
        if node is not None:
            for value, constant in (tuple(node.input), tuple(reversed(node.input))):
                if self._graph.is_constant(constant) and len(self._graph.shape(constant)) == 1:
                    return value, constant
        return None, None

    def _centred(self, value: str) -> str | None:
        """Return x of x - mean(x)."""
        difference = self._made(value, "Sub")
        if difference is None:
            return None
        mean = self._made(difference.input[1], "ReduceMean")
        return difference.input[0] if mean is not None and self._is_mean_of(mean, difference.input[0]) else None

    def _epsilon(self, deviation: str, x: str | None) -> float | None:
        """Return the epsilon of sqrt(mean((x - mean(x))²) + epsilon)."""
        root = self._made(deviation, "Sqrt")
        total = self._made(root.input[0], "Add") if root is not None else None
        for variance, constant in (tuple(total.input), tuple(reversed(total.input))) if total is not None else ():
            mean, epsilon = self._made(variance, "ReduceMean"), self._scalar(constant)
            if mean is not None and epsilon is not None and self._is_square_of(mean.input[0], x):
                return epsilon if self._is_mean_of(mean, mean.input[0]) else None
        return None

    def _is_square_of(self, value: str, x: str | None) -> bool:
        square = self._made(value, "Pow", "Mul")
        if square is None or x is None or self._centred(square.input[0]) != x:
            return False
        if square.op_type == "Pow":
            return self._scalar(square.input[1]) == 2
        return bool(square.input[0] == square.input[1])

    def _is_mean_of(self, mean: onnx.NodeProto, value: str) -> bool:
        """Return whether a ReduceMean is over the last axis, which it keeps."""
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in mean.attribute}
        axes = attributes.get("axes")
        if axes is None and len(mean.input) > 1:
            axis = self._scalar(mean.input[1])
            axes = None if axis is None else [axis]
        return bool(mean.input[0] == value and list(axes or ()) == [-1] and attributes.get("keepdims", 1) == 1)

    def _scalar(self, value: str) -> float | None:
        """Return a constant of one number."""
        constant = self._made(value, "Constant")
        if constant is not None:
            array = next((numpy_helper.to_array(item.t) for item in constant.attribute if item.name == "value"), None)
        else:
            array = self._graph.array(value) if self._graph.is_constant(value) else None
        return float(array.reshape(())) if array is not None and array.size == 1 else None
