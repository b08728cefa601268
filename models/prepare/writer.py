"""Write an ONNX graph node by node.

A node's name gives its position in the model (`layer2.up.MatMulIntegerToFloat`), which makes profiles readable. Names
depend only on the calls, so the same calls give the same bytes and builds are repeatable.
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
"""The oldest version that opset 21 allows; ONNX Runtime 1.18 and later can read it."""
CONTRIB = "com.microsoft"
"""The domain of ONNX Runtime's own operators, one of which replaces several standard nodes."""


T = TypeVar("T")


class Writer:
    """Collects nodes and constants; `model` closes the graph."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._once: dict[str, Any] = {}

    def constant(self, name: str, value: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> str:
        """Store a constant unless one of this name exists, and return its name."""
        if name not in self._constants:
            array = np.ascontiguousarray(value, dtype) if np.ndim(value) else np.asarray(value, dtype)
            self._constants[name] = numpy_helper.from_array(array, name)
        return name

    def node(
        self, op: str, *inputs: str, at: str, output: str | None = None, domain: str = "", **attributes: Any
    ) -> str:
        """Add a node with one output and return the output's name, which is the node's name by default."""
        name = f"{at}.{op}"
        self._nodes.append(helper.make_node(op, inputs, [output or name], name=name, domain=domain, **attributes))
        return output or name

    def once(self, key: str, write: Callable[[], T]) -> T:
        """Write a part of the graph once per key; return what `write` returned the first time."""
        if key not in self._once:
            self._once[key] = write()
        return self._once[key]  # type: ignore[no-any-return]

    def split(self, x: str, widths: Sequence[int], axis: int, at: str) -> list[str]:
        """Add a node that splits x into parts of these widths; return their names."""
        name = f"{at}.Split"
        names = [f"{name}.{part}" for part in range(len(widths))]
        sizes = self.constant(f"{at}.widths", widths, np.int64)
        self._nodes.append(helper.make_node("Split", [x, sizes], names, name=name, axis=axis))
        return names

    def take_nodes(self) -> list[onnx.NodeProto]:
        """Return and remove the nodes written so far, to insert them into another graph; constants are kept."""
        nodes, self._nodes = self._nodes, []
        return nodes

    @property
    def constants(self) -> list[onnx.TensorProto]:
        """The constants stored so far."""
        return list(self._constants.values())

    def model(self, name: str, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]) -> bytes:
        """Return the bytes of the model file, which are the same for the same calls."""
        graph = helper.make_graph(self._nodes, name, inputs, outputs, list(self._constants.values()))
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, CONTRIB_OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="rerank-server")
        return bytes(model.SerializeToString(deterministic=True))
