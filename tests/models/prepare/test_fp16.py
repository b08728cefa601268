"""The fp16 pass on small graphs: every rung of what is kept in fp32 runs, and the logits stay fp32."""

import itertools
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from models.prepare.fp16 import KEPT, halve
from models.prepare.graph import Graph
from tests.support.small_graphs import constant, encoder, model, random, run, save, token_ids

KINDS = {TensorProto.FLOAT: "fp32", TensorProto.FLOAT16: "fp16"}


def fp16(folder: Path, made: onnx.ModelProto, kept: frozenset[str] = KEPT[0]) -> Path:
    """Write the fp16 form of a model."""
    graph = Graph(save(folder, made))
    halve(graph, kept)
    graph.save(folder / "fp16.onnx")
    return folder / "fp16.onnx"


def kinds(path: Path) -> dict[str, str]:
    """Precision of every float constant, by the name that it had."""
    constants = onnx.load(str(path)).graph.initializer
    return {t.name.removesuffix(".fp16"): KINDS[t.data_type] for t in constants if t.data_type in KINDS}


@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: "+".join(sorted(kept)) or "nothing")
def test_every_rung_runs_near_fp32(tmp_path: Path, kept: frozenset[str]) -> None:
    """Whatever is kept, the graph opens, its logits are fp32 and within a hundredth of their spread, not equal."""
    ids = token_ids(40)
    expected = run(save(tmp_path, encoder()), ids)[0]
    found = run(fp16(tmp_path, encoder(), kept), ids)[0]
    assert found.dtype == np.float32
    difference = np.abs(found - expected)
    assert 0 < difference.max() < 0.02 * expected.std()


def test_every_rung_keeps_what_the_one_before_keeps() -> None:
    """The ladder holds back the norms, then the classifier, then the tables too; it starts with nothing."""
    steps = [more - one for one, more in itertools.pairwise(KEPT)]
    assert [KEPT[0], *steps] == [frozenset(), {"LayerNormalization"}, {"Gemm"}, {"Gather"}]


@pytest.mark.parametrize(
    ("rung", "in_fp32"),
    [
        (0, set()),
        (1, {"ones", "zeros"}),
        (2, {"ones", "zeros", "out"}),
        (3, {"ones", "zeros", "out", "words", "kinds"}),
    ],
)
def test_a_rung_holds_back_its_operators_constants(tmp_path: Path, rung: int, in_fp32: set[str]) -> None:
    """Every other float is halved, once each, and none is there in both forms."""
    found = kinds(fp16(tmp_path, encoder(), KEPT[rung]))
    assert {name for name, kind in found.items() if kind == "fp32"} == in_fp32
    assert len(found) == 15


def test_a_kept_table_gives_what_its_rows_say(tmp_path: Path) -> None:
    """Rows are rounded only after they are looked up, and a Gather of whole numbers is not touched."""
    nodes = [
        helper.make_node("Gather", ["numbers", "x"], ["ids"]),
        helper.make_node("Gather", ["table", "ids"], ["row"]),
        helper.make_node("Identity", ["row"], ["logits"]),
    ]
    table = random(5, 4)
    made = model(nodes, [constant("numbers", [4, 3, 2, 1, 0]), constant("table", table)], rank=3)
    path = fp16(tmp_path, made, KEPT[3])
    expected = table[::-1].astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(run(path, np.arange(5)[None])[0][0], expected)
    assert kinds(path) == {"table": "fp32"}


def test_numbers_beyond_fp16_become_its_largest(tmp_path: Path) -> None:
    """A mask of -3.4e38, as a constant and in an attribute, stays a finite number: 0 times it is not NaN."""
    lowest = float(np.finfo(np.float32).min)
    filled = helper.make_tensor("value", TensorProto.FLOAT, [1], [lowest])
    nodes = [
        helper.make_node("Cast", ["x"], ["open"], to=TensorProto.FLOAT),
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("ConstantOfShape", ["shape"], ["lowest"], value=filled),
        helper.make_node("Mul", ["open", "lowest"], ["one"]),
        helper.make_node("Mul", ["open", "mask"], ["two"]),
        helper.make_node("Max", ["one", "two"], ["logits"]),
    ]
    path = fp16(tmp_path, model(nodes, [constant("mask", [lowest])]))
    np.testing.assert_array_equal(run(path, np.array([[0, 1]]))[0], [[0, -65504]])


def test_casts_and_default_constants_become_fp16(tmp_path: Path) -> None:
    """A cast to fp32 and a ConstantOfShape that names no value (so fp32's 0) meet fp16 without a clash of kinds."""
    nodes = [
        helper.make_node("Cast", ["x"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["x"], ["truth"], to=TensorProto.BOOL),
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("Where", ["truth", "numbers", "zeros"], ["chosen"]),
        helper.make_node("Add", ["chosen", "half"], ["logits"]),
    ]
    path = fp16(tmp_path, model(nodes, [constant("half", [0.5])]))
    np.testing.assert_array_equal(run(path, np.array([[3, 0, -2]]))[0], [[3.5, 0.5, -1.5]])


def test_the_logits_are_fp32_whatever_gives_them(tmp_path: Path) -> None:
    """A kept Gemm or a halved one: the graph's output is named and is of the kind that it was."""
    for kept in KEPT:
        (output,) = onnx.load(str(fp16(tmp_path, encoder(), kept))).graph.output
        assert (output.name, output.type.tensor_type.elem_type) == ("logits", TensorProto.FLOAT)
