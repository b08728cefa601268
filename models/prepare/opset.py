"""Convert a graph to a newer ONNX opset: int8 needs opset 21, but graphs in repositories are often from 2021.

Only the nodes go through onnx's converter. The weights are left out, because they may be in a separate file or exceed
the converter's limit of 2 GB.
"""

from onnx import helper, version_converter
from onnx.external_data_helper import uses_external_data

from models.prepare.errors import PrepareError, reason
from models.prepare.graph import INLINE_BYTES, Graph


def raise_opset(graph: Graph, version: int) -> None:
    """Convert a graph's nodes to an opset; a graph that is new enough is left unchanged.

    Raises:
        PrepareError: an operator cannot be converted.
    """
    current = next((opset.version for opset in graph.model.opset_import if not opset.domain), 1)
    if current >= version:
        return
    constants = graph.model.graph.initializer
    weights = [tensor for tensor in constants if uses_external_data(tensor) or tensor.ByteSize() > INLINE_BYTES]
    named = {tensor.name for tensor in weights}
    stand_ins = [helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims) for tensor in weights]
    lean = helper.make_graph(
        graph.nodes,
        "without weights",
        [*graph.model.graph.input, *stand_ins],
        graph.model.graph.output,
        [tensor for tensor in constants if tensor.name not in named],
    )
    model = helper.make_model(lean, opset_imports=graph.model.opset_import, ir_version=graph.model.ir_version)
    try:
        newer = version_converter.convert_version(model, version)
    except Exception as error:
        raise PrepareError(
            f"the graph has opset {current} and cannot be converted to opset {version}: {reason(error)}"
        ) from error
    inputs = [value for value in newer.graph.input if value.name not in named]
    del newer.graph.input[:]
    newer.graph.input.extend(inputs)
    newer.graph.initializer.extend(weights)
    graph.replace(newer)
