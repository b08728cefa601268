"""An editable ONNX graph: read, change and save its nodes and constants, with one weights file beside it.

A full-size model has 2.3 GB of weights, so weights stay in their file until they are read, and only changed ones are
held in memory. The passes of `int8.py`, `fp16.py` and `first_token.py` use this class.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

from models.prepare.errors import PrepareError, reason
from models.prepare.writer import CONTRIB, CONTRIB_OPSET, OPSET, Writer

WEIGHTS_SUFFIX = ".data"
"""The weights file of model.onnx is model.onnx.data, as torch's exporter names it."""
INLINE_BYTES = 1024
"""Constants smaller than this stay in the graph file."""


class Graph:
    """The graph of a model file, for reading and editing; `save` writes it."""

    def __init__(self, path: Path) -> None:
        try:
            self.model = onnx.load(str(path), load_external_data=False)
        except Exception as error:  # noqa: BLE001 - protobuf and onnx raise their own kinds
            raise PrepareError(f"{path} is not an ONNX graph: {reason(error)}") from None
        if not self.model.graph.node:
            raise PrepareError(f"{path} is not an ONNX graph: it has no nodes")
        self._folder = path.parent
        self._constants = {tensor.name: tensor for tensor in self.model.graph.initializer}

    @property
    def nodes(self) -> list[onnx.NodeProto]:
        """The nodes in execution order."""
        return list(self.model.graph.node)

    def is_constant(self, name: str) -> bool:
        """Return whether a name is a constant of the graph."""
        return name in self._constants

    def shape(self, constant: str) -> tuple[int, ...]:
        """Return the shape of a constant without reading it."""
        return tuple(self._constants[constant].dims)

    def is_fp32(self, constant: str) -> bool:
        """Return whether a constant has 32-bit floats."""
        return bool(self._constants[constant].data_type == onnx.TensorProto.FLOAT)

    def array(self, constant: str) -> npt.NDArray[Any]:
        """Read a constant; a constant in the weights file is memory-mapped, not copied."""
        tensor = self._constants[constant]
        if not uses_external_data(tensor):
            return np.asarray(numpy_helper.to_array(tensor))
        info = ExternalDataInfo(tensor)
        dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
        shape = tuple(tensor.dims)
        return np.memmap(self._folder / info.location, dtype, "r", info.offset or 0, shape)

    def weights_files(self) -> list[str]:
        """List the names of the external weights files."""
        return sorted({ExternalDataInfo(t).location for t in self._constants.values() if uses_external_data(t)})

    def float_kinds(self) -> set[str]:
        """Return the data types of the matrices and tables, except 32-bit and 64-bit integers and booleans."""
        kinds = {onnx.TensorProto.DataType.Name(t.data_type) for t in self._constants.values() if len(t.dims) > 1}
        return kinds - {"INT64", "INT32", "BOOL"}

    def maker(self, name: str) -> onnx.NodeProto | None:
        """Return the node that computes a value; None for a constant or an input of the graph."""
        return next((node for node in self.model.graph.node if name in node.output), None)

    def readers(self, name: str) -> list[onnx.NodeProto]:
        """List the nodes that read a value, in execution order."""
        return [node for node in self.model.graph.node if name in node.input]

    def rewrite(self, nodes: Iterable[onnx.NodeProto], constants: Iterable[onnx.TensorProto]) -> None:
        """Replace all nodes, add constants, and remove whatever is no longer used."""
        graph = self.model.graph
        kept = list(nodes)
        del graph.node[:]
        graph.node.extend(kept)
        graph.initializer.extend(constants)
        self.tidy()

    def replace(self, model: onnx.ModelProto) -> None:
        """Replace the model by another form of it with the same external weights."""
        self.model = model
        self._constants = {tensor.name: tensor for tensor in model.graph.initializer}

    def tidy(self) -> None:
        """Remove unused nodes and constants, and the exporter's metadata."""
        graph = self.model.graph
        wanted = {output.name for output in graph.output}
        kept = []
        for node in reversed(graph.node):
            if wanted.intersection(node.output):
                wanted.update(_reads(node))
                kept.append(node)
        constants = [tensor for tensor in graph.initializer if tensor.name in wanted]
        for part in (*kept, *constants, *graph.input, *graph.output):
            del part.metadata_props[:]
        del graph.node[:], graph.initializer[:], graph.value_info[:], graph.metadata_props[:]
        graph.node.extend(reversed(kept))
        graph.initializer.extend(constants)
        self._constants = {tensor.name: tensor for tensor in graph.initializer}

    def save(self, path: Path) -> None:
        """Write the graph with one weights file beside it; the folder may differ from the one it was read from.

        Raises:
            OSError: the disk is full, or the folder cannot be written.
        """
        weights = path.with_name(path.name + WEIGHTS_SUFFIX)
        weights.unlink(missing_ok=True)
        for tensor in self.model.graph.initializer:
            if uses_external_data(tensor):
                tensor.CopyFrom(numpy_helper.from_array(np.asarray(self.array(tensor.name)), tensor.name))
        onnx.save(
            self.model,
            str(path),
            save_as_external_data=True,
            location=weights.name,
            size_threshold=INLINE_BYTES,
        )
        if weights.exists():
            weights.chmod(path.stat().st_mode)  # onnx makes it readable only by its owner; another user may serve it

    def save_nodes(self, path: Path) -> None:
        """Write only the graph; its weights file must already be beside `path`, with no constant changed."""
        onnx.save(self.model, str(path))

    def needs(self, domain: str, version: int) -> None:
        """Require at least this version of an operator set."""
        for opset in self.model.opset_import:
            if opset.domain == domain:
                opset.version = max(opset.version, version)
                return
        self.model.opset_import.append(helper.make_opsetid(domain, version))

    def operators(self) -> Counter[str]:
        """Count the nodes by operator."""
        return Counter(node.op_type for node in self.model.graph.node)


def splice(graph: Graph, writer: Writer, nodes: Iterable[onnx.NodeProto]) -> None:
    """Rewrite a graph with nodes that include a Writer's, and add the Writer's constants."""
    graph.rewrite(nodes, writer.constants)
    graph.needs("", OPSET)
    graph.needs(CONTRIB, CONTRIB_OPSET)


def _reads(node: onnx.NodeProto) -> set[str]:
    """Return the names of all values that a node reads, including those that its subgraphs read."""
    names = set(node.input)
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            for inner in attribute.g.node:
                names |= _reads(inner)
            names |= {output.name for output in attribute.g.output}
    return names
