"""Writes an ONNX graph node by node.

A node's name says where it stands (`layer2.up.MatMulIntegerToFloat`), so a profile reads like the model. Names depend
on nothing but the calls: the same calls give the same bytes, which is what makes a build repeatable.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

OPSET = 21
CONTRIB_OPSET = 1
IR_VERSION = 10
"""The oldest that opset 21 allows: ONNX Runtime 1.18 and later read it."""
CONTRIB = "com.microsoft"
"""ONNX Runtime's own operators: one node where the standard needs several."""


T = TypeVar("T")


class Writer:
    """Collects nodes and constants; `model` closes the graph."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._once: dict[str, Any] = {}

    def constant(self, name: str, value: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> str:
        """Store a constant (one that is there already is not stored again) and return its name."""
        if name not in self._constants:
            array = np.ascontiguousarray(value, dtype) if np.ndim(value) else np.asarray(value, dtype)
            self._constants[name] = numpy_helper.from_array(array, name)
        return name

    def node(
        self, op: str, *inputs: str, at: str, output: str | None = None, domain: str = "", **attributes: Any
    ) -> str:
        """Add a node with one output and return the output's name: the node's own unless another is given."""
        name = f"{at}.{op}"
        self._nodes.append(helper.make_node(op, inputs, [output or name], name=name, domain=domain, **attributes))
        return output or name

    def once(self, key: str, write: Callable[[], T]) -> T:
        """Write a part of the graph the first time it is asked for; return what `write` returned then."""
        if key not in self._once:
            self._once[key] = write()
        return self._once[key]  # type: ignore[no-any-return]

    def split(self, x: str, widths: Sequence[int], axis: int, at: str) -> list[str]:
        """Add a node that splits x into parts of these widths and return their names."""
        name = f"{at}.Split"
        names = [f"{name}.{part}" for part in range(len(widths))]
        sizes = self.constant(f"{at}.widths", widths, np.int64)
        self._nodes.append(helper.make_node("Split", [x, sizes], names, name=name, axis=axis))
        return names

    def take_nodes(self) -> list[onnx.NodeProto]:
        """Hand over the nodes written so far, for a graph of another's making; constants stay until the end."""
        nodes, self._nodes = self._nodes, []
        return nodes

    @property
    def constants(self) -> list[onnx.TensorProto]:
        """The constants stored so far."""
        return list(self._constants.values())

    def model(self, name: str, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]) -> bytes:
        """Close the graph and return the model file's bytes, the same for the same calls."""
        graph = helper.make_graph(self._nodes, name, inputs, outputs, list(self._constants.values()))
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, CONTRIB_OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="rerank-server")
        return bytes(model.SerializeToString(deterministic=True))
