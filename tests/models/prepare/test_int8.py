"""The int8 pass on small graphs: its products and tables against numpy, and what it leaves in fp32."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper

from models.prepare.errors import PrepareError
from models.prepare.first_token import only_first_token
from models.prepare.graph import Graph
from models.prepare.int8 import quantise
from tests.support.small_graphs import WORDS, constant, encoder, model, random, run, save, token_ids

TOKENS = (TensorProto.FLOAT, ("batch", "sequence", 16))
Floats = npt.NDArray[np.float32]


def int8(folder: Path, made: onnx.ModelProto) -> Path:
    """Write the int8 form of a model."""
    graph = Graph(save(folder, made))
    quantise(graph)
    graph.save(folder / "int8.onnx")
    return folder / "int8.onnx"


def product(matrix: Floats, *, before: str = "Identity") -> onnx.ModelProto:
    """Logits are before(x) times a matrix, for tokens x."""
    nodes = [
        helper.make_node(before, ["x"], ["y"]),
        helper.make_node("MatMul", ["y", "matrix"], ["product"]),
        helper.make_node("Identity", ["product"], ["logits"]),
    ]
    return model(nodes, [constant("matrix", matrix)], x=TOKENS, rank=3)


def column_steps(matrix: Floats) -> tuple[Floats, Floats]:
    sizes = np.abs(matrix).max(0) / 63
    return np.rint(matrix / sizes), sizes


def wild_tokens() -> Floats:
    """Tokens of very different sizes side by side, as encoders have them."""
    x = random(2, 5, 16, seed=3)
    x[0, 0] *= 40
    x[1, 2] *= 0.01
    return x


def test_a_product_errs_by_no_more_than_rounding(tmp_path: Path) -> None:
    """Half a step of the weight by each activation, and half a step of the token by each weight; no more."""
    matrix, x = random(16, 24, seed=2), wild_tokens()
    found = run(int8(tmp_path, product(matrix)), x)[0]
    steps, sizes = column_steps(matrix)
    token_step = np.abs(x).max(-1, keepdims=True) / 127
    bound = np.abs(x).sum(-1, keepdims=True) * sizes / 2 + np.abs(steps * sizes).sum(0) * token_step / 2
    difference = np.abs(found - x @ matrix)
    assert (difference <= bound * 1.001).all()
    assert difference.max() > 0


def test_a_product_is_the_sum_of_the_rounded_steps(tmp_path: Path) -> None:
    """Numpy's rounding of tokens to 127 steps and of columns to 63 gives the same product."""
    matrix, x = random(16, 24, seed=2), wild_tokens()
    steps, sizes = column_steps(matrix)
    token_step = np.abs(x).max(-1, keepdims=True) / 127
    expected = np.rint(x / token_step) @ steps * token_step * sizes
    np.testing.assert_allclose(run(int8(tmp_path, product(matrix)), x)[0], expected, rtol=1e-4, atol=1e-5)


def test_what_gelu_gives_has_finer_steps(tmp_path: Path) -> None:
    """Nearly all of GELU's range is above 0, and so are 215 of 255 steps; its lowest value, -0.17, is not cut off."""
    matrix, x = random(16, 24, seed=2), wild_tokens()
    found = run(int8(tmp_path, product(matrix, before="Gelu")), x)[0]
    (y,) = run(save(tmp_path, product(np.eye(16, dtype=np.float32), before="Gelu")), x)
    steps, sizes = column_steps(matrix)
    token_step = np.maximum(y.max(-1, keepdims=True), 1.0) / 215
    expected = np.rint(y / token_step) @ steps * token_step * sizes
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_table_errs_by_half_a_step_of_its_row(tmp_path: Path) -> None:
    """127 steps to the row's own peak; a row of zeros stays zero."""
    table = random(WORDS, 16) * np.linspace(0.01, 10, WORDS, dtype=np.float32)[:, None]
    table[7] = 0
    nodes = [helper.make_node("Gather", ["table", "x"], ["row"]), helper.make_node("Identity", ["row"], ["logits"])]
    path = int8(tmp_path, model(nodes, [constant("table", table)], rank=3))
    ids = np.arange(WORDS)[None]
    difference = np.abs(run(path, ids)[0][0] - table)
    assert (difference <= np.abs(table).max(-1, keepdims=True) / 254 * 1.001).all()
    assert difference.max() > 0
    assert not Graph(path).is_constant("table")


def test_products_and_the_big_table_are_rounded_and_nothing_else(tmp_path: Path) -> None:
    """In an encoder, every MatMul and the word table; small table, norms and classifier stay in fp32."""
    graph = Graph(int8(tmp_path, encoder()))
    operators = graph.operators()
    assert operators["MatMulIntegerToFloat"] == 10
    assert operators["MatMul"] == 0
    assert operators["Gemm"] == 1
    assert operators["QuantizeLinear"] == 2 * 4 - 2  # q, k and v share one
    kept = {name for name in ("words", "kinds", "out", "ones", "layer0.up") if graph.is_constant(name)}
    assert kept == {"kinds", "out", "ones"}


def test_an_encoder_of_nameless_nodes_keeps_its_logits(tmp_path: Path) -> None:
    """Every product has its own matrix though no node has a name: the logits move by little of their spread."""
    ids = token_ids(40)
    expected, found = run(save(tmp_path, encoder()), ids)[0], run(int8(tmp_path, encoder()), ids)[0]
    difference = np.abs(found - expected)
    assert 0 < difference.mean() < 0.05 * expected.std()


def test_a_rows_logit_does_not_depend_on_its_neighbours(tmp_path: Path) -> None:
    """Alone or beside rows that are 40 times as large: the same to the last bit of fp32's sums."""
    path, x = int8(tmp_path, product(random(16, 24, seed=2))), wild_tokens()
    together = run(path, x)[0]
    np.testing.assert_allclose(np.concatenate([run(path, row[None])[0] for row in x]), together, rtol=1e-6)
    ids = token_ids(6)
    path = int8(tmp_path, encoder())
    np.testing.assert_allclose(np.concatenate([run(path, row[None])[0] for row in ids]), run(path, ids)[0], atol=1e-6)


def test_the_last_layers_first_tokens_have_zero_points_of_their_own(tmp_path: Path) -> None:
    """One row a pair there, all rows before: the products of both run, and the logits are near fp32's."""
    ids = token_ids(40)
    expected = run(save(tmp_path, encoder()), ids)[0]
    graph = Graph(tmp_path / "model.onnx")
    assert only_first_token(graph)
    quantise(graph)
    graph.save(tmp_path / "int8.onnx")
    difference = np.abs(run(tmp_path / "int8.onnx", ids)[0] - expected)
    assert 0 < difference.mean() < 0.05 * expected.std()


def test_the_output_itself_stays_in_fp32(tmp_path: Path) -> None:
    """A classifier that is a product without bias gives the graph's output: it keeps its name and its exactness."""
    made = encoder()
    classifier = made.graph.node[-1]
    classifier.op_type = "MatMul"
    path = int8(tmp_path, made)
    assert Graph(path).operators()["MatMul"] == 1
    assert run(path, token_ids())[0].shape == (3, 1)


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        ([helper.make_node("MatMul", ["x", "x"], ["y"])], []),
        ([helper.make_node("MatMul", ["x", "w"], ["y"])], [constant("w", random(2, 16, 16))]),
        ([helper.make_node("MatMul", ["x", "w"], ["y"])], [constant("w", random(16))]),
        ([helper.make_node("Gather", ["w", "i"], ["y"])], [constant("w", random(999, 16)), constant("i", [1])]),
        ([helper.make_node("Gather", ["w", "i"], ["y"])], [constant("w", random(1000)), constant("i", [1])]),
        ([helper.make_node("Gather", ["w", "i"], ["y"], axis=1)], [constant("w", random(1000, 16)), constant("i", 1)]),
        ([helper.make_node("Gather", ["w", "i"], ["y"])], [constant("w", [[1, 2]] * 1000), constant("i", [1])]),
        ([helper.make_node("Gather", ["x", "i"], ["y"])], [constant("i", [1])]),
    ],
    ids=["no constant", "3-d", "vector", "small", "1-d", "axis 1", "whole numbers", "no table"],
)
def test_a_graph_with_nothing_to_round_is_refused(
    tmp_path: Path, nodes: list[onnx.NodeProto], constants: list[TensorProto]
) -> None:
    """Only products by an fp32 matrix and rows of a large fp32 table count; without any, int8 would change nothing."""
    made = model([*nodes, helper.make_node("Identity", ["y"], ["logits"])], constants, x=TOKENS)
    graph = Graph(save(tmp_path, made))
    with pytest.raises(PrepareError, match="int8 would change nothing"):
        quantise(graph)


def test_an_old_graph_is_raised_to_the_opset_that_int8_needs(tmp_path: Path) -> None:
    """A mean with its axes in an attribute, opset 13: the int8 form opens and is near."""
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[-1]),
        helper.make_node("Sub", ["x", "mean"], ["centred"]),
        helper.make_node("MatMul", ["centred", "matrix"], ["product"]),
        helper.make_node("Identity", ["product"], ["logits"]),
    ]
    made = model(nodes, [constant("matrix", random(16, 24))], x=TOKENS, rank=3, opset=13, contrib=False)
    x = random(2, 5, 16, seed=3)
    expected = run(save(tmp_path, made), x)[0]
    assert np.abs(run(int8(tmp_path, made), x)[0] - expected).mean() < 0.02 * expected.std()
