"""Compare ONNX Runtime's ways to compute an int8 matrix product, on one thread: `python -m tools.engine.products`.

Ours has one scale per token and one per column (`MatMulIntegerToFloat` between small operators). The alternative is
`MatMulNBits` with 8 bits and int8 arithmetic, with one scale per block of either matrix. The figures are billions of
multiplications per second, from the 30th percentile of the times, which is hardly affected by other load.
"""

import time
from typing import Any

import click
import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from models.prepare.quantise import Matrix, round_columns
from models.wording import counted

SHAPES = ((384, 384), (384, 1536), (1536, 384), (1024, 1024), (1024, 4096), (4096, 1024))
TOKENS = (20, 80, 200)
BLOCKS = (32, 128)
STEPS = 127


@click.command(context_settings={"show_default": True})
@click.option("--rounds", default=40, help="Number of rounds.")
def main(rounds: int) -> None:
    """Measure the rate of each kind of product (10^9 multiplications per second), a line for each shape."""
    draw = np.random.default_rng(0)
    for rows, columns in SHAPES:
        matrix = (draw.standard_normal((rows, columns)) * 0.05).astype(np.float32)
        ways = {"fp32": _plain(matrix), "ours": _by_token(matrix)} | {
            f"blocks of {b}": _by_block(matrix, b) for b in BLOCKS
        }
        for tokens in TOKENS:
            x = draw.standard_normal((1, tokens, rows)).astype(np.float32)
            seconds: dict[str, list[float]] = {name: [] for name in ways}
            for _ in range(rounds):
                for name, session in ways.items():
                    start = time.perf_counter()
                    session.run(None, {"x": x})
                    seconds[name].append(time.perf_counter() - start)
            work = rows * columns * tokens / 1e9
            rates = ", ".join(f"{name} {work / np.percentile(each, 30):.0f}" for name, each in seconds.items())
            click.echo(f"{counted(tokens, 'token')}, {rows} x {columns}: {rates}")


def _plain(matrix: Matrix) -> Any:
    return _session([helper.make_node("MatMul", ["x", "w"], ["y"])], {"w": matrix}, matrix.shape)


def _by_token(matrix: Matrix) -> Any:
    """Write the product in the same way as `models.prepare.quantise.PerToken`."""
    rounded, scales = round_columns(matrix)
    constants = {"w": rounded, "scales": scales, "axis": np.array([-1]), "least": np.array(1e-6, np.float32)}
    constants |= {
        "share": np.array(1 / STEPS, np.float32),
        "unit": np.array(1, np.float32),
        "zero": np.array(128, np.uint8),
    }
    zero = numpy_helper.from_array(np.array([128], np.uint8))
    nodes = [
        helper.make_node("Abs", ["x"], ["size"]),
        helper.make_node("ReduceMax", ["size", "axis"], ["top"], keepdims=1),
        helper.make_node("Max", ["top", "least"], ["peak"]),
        helper.make_node("Mul", ["peak", "share"], ["step"]),
        helper.make_node("Shape", ["step"], ["shape"]),
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"], value=zero),
        helper.make_node("QuantizeLinear", ["x", "step", "zeros"], ["steps"], axis=-1, block_size=len(matrix)),
        helper.make_node(
            "MatMulIntegerToFloat", ["steps", "w", "unit", "scales", "zero"], ["product"], domain="com.microsoft"
        ),
        helper.make_node("Mul", ["product", "step"], ["y"]),
    ]
    return _session(nodes, constants, matrix.shape)


def _by_block(matrix: Matrix, size: int) -> Any:
    rows, columns = matrix.shape
    blocks = matrix.T.reshape(columns, rows // size, size)
    scales = (np.abs(blocks).max(2, keepdims=True) / STEPS).astype(np.float32)
    steps = (np.rint(blocks / scales) + 128).clip(0, 255).astype(np.uint8)
    node = helper.make_node(
        "MatMulNBits",
        ["x", "w", "scales"],
        ["y"],
        domain="com.microsoft",
        **{"K": rows, "N": columns, "bits": 8, "block_size": size, "accuracy_level": 4},
    )
    return _session([node], {"w": steps, "scales": scales[..., 0]}, matrix.shape)


def _session(nodes: list[Any], constants: dict[str, Any], shape: tuple[int, ...]) -> Any:
    rows, columns = shape
    graph = helper.make_graph(
        nodes,
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, None, rows])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, None, columns])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    main()
