"""A graph in the hand: reading constants, saving, tidying, and raising its opset; on small graphs made by hand."""

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from models.prepare.errors import PrepareError
from models.prepare.graph import Graph
from models.prepare.opset import raise_opset
from models.prepare.writer import Writer
from tests.support.small_graphs import constant, encoder, model, random, run, save, token_ids

FLOATS = (TensorProto.FLOAT, ("batch", 16))


def opset(graph: Graph, domain: str = "") -> int:
    return next(int(entry.version) for entry in graph.model.opset_import if entry.domain == domain)


def by_old_rules() -> onnx.ModelProto:
    """A graph of opset 11: the mean over an axis that an attribute names, a matrix, and a new axis by attribute."""
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["x", "mean"], ["centred"]),
        helper.make_node("MatMul", ["centred", "matrix"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["sum"]),
        helper.make_node("Unsqueeze", ["sum"], ["logits"], axes=[0]),
    ]
    constants = [constant("matrix", random(16, 32)), constant("bias", random(32, seed=1))]
    return model(nodes, constants, x=FLOATS, rank=3, opset=11)


def test_constants_are_read_wherever_they_lie(tmp_path: Path) -> None:
    """In the graph file or in a weights file, with others before them: the arrays that were put in."""
    inside = Graph(save(tmp_path, encoder()))
    (tmp_path / "apart").mkdir()
    apart = Graph(save(tmp_path / "apart", encoder(), external="some_weights.bin"))
    for graph in (inside, apart):
        np.testing.assert_array_equal(graph.array("words"), random(1000, 16))
        np.testing.assert_array_equal(graph.array("layer1.down"), random(32, 16, seed=14, size=0.3))
        assert graph.array("first").item() == 0
        assert graph.shape("kinds") == (3, 16)
        assert graph.is_fp32("kinds")
        assert not graph.is_fp32("first")
        assert graph.is_constant("words")
        assert not graph.is_constant("x")
    assert inside.weights_files() == []
    assert apart.weights_files() == ["some_weights.bin"]
    assert isinstance(apart.array("words"), np.memmap)


def test_saving_writes_one_weights_file_that_its_users_can_read(tmp_path: Path) -> None:
    """Graph and model.onnx.data have the same permissions, small constants stay in the graph, the logits too."""
    source, ids = save(tmp_path, encoder(), external="w.bin"), token_ids()
    (tmp_path / "out").mkdir()
    before = os.umask(0o022)
    try:
        Graph(source).save(tmp_path / "out" / "model.onnx")
    finally:
        os.umask(before)
    files = {path.name: path for path in (tmp_path / "out").iterdir()}
    assert sorted(files) == ["model.onnx", "model.onnx.data"]
    assert {path.stat().st_mode & 0o777 for path in files.values()} == {0o644}
    saved = Graph(files["model.onnx"])
    assert saved.weights_files() == ["model.onnx.data"]
    assert files["model.onnx"].stat().st_size < 10_000
    source.with_name("w.bin").unlink()
    assert not isinstance(saved.array("first"), np.memmap)
    np.testing.assert_array_equal(run(files["model.onnx"], ids)[0], run(save(tmp_path, encoder()), ids)[0])


def test_saving_again_replaces_the_weights_file(tmp_path: Path) -> None:
    """A second save to the same place leaves a weights file of the same size, not one twice as long."""
    source = save(tmp_path, encoder())
    sizes = []
    for _ in range(2):
        Graph(source).save(tmp_path / "again.onnx")
        sizes.append((tmp_path / "again.onnx.data").stat().st_size)
    assert sizes[0] == sizes[1]


def test_nodes_can_be_saved_without_the_weights(tmp_path: Path) -> None:
    """The graph file is written anew, and the weights file beside it is not touched."""
    path = save(tmp_path, encoder(), external="w.bin")
    weights = path.with_name("w.bin")
    before = weights.read_bytes()
    graph = Graph(path)
    next(node for node in graph.model.graph.node if node.op_type == "Gemm").name = "renamed"
    graph.save_nodes(path)
    assert weights.read_bytes() == before
    assert "renamed" in {node.name for node in Graph(path).nodes}
    assert run(path, token_ids())[0].shape == (3, 1)


def test_what_nobody_reads_is_dropped(tmp_path: Path) -> None:
    """Idle chains of nodes, their constants and the exporter's notes go; the logits stay."""
    made = encoder()
    made.graph.initializer.extend([constant("idle", random(4, 4)), constant("idle2", random(4, 4))])
    made.graph.node.insert(0, helper.make_node("MatMul", ["idle", "idle2"], ["idle3"]))
    made.graph.node.append(helper.make_node("Tanh", ["idle3"], ["idle4"]))
    made.graph.value_info.append(helper.make_tensor_value_info("word", TensorProto.FLOAT, [None] * 3))
    note = onnx.StringStringEntryProto(key="pkg.torch.source", value="/home/somebody/model.py")
    for part in (made.graph, made.graph.node[1], made.graph.initializer[0], made.graph.input[0]):
        part.metadata_props.append(note)
    path = save(tmp_path, made)
    graph = Graph(path)
    graph.tidy()
    assert {node.op_type for node in graph.nodes} == {node.op_type for node in encoder().graph.node}
    assert not graph.is_constant("idle")
    assert not graph.is_constant("idle2")
    assert not graph.model.graph.value_info
    assert b"somebody" not in graph.model.SerializeToString()
    logits = run(path, token_ids())[0]
    graph.save_nodes(path)
    np.testing.assert_array_equal(run(path, token_ids())[0], logits)


def test_what_a_branch_reads_is_kept(tmp_path: Path) -> None:
    """A constant and a node that only the branches of an If name are not dropped."""

    def branch(nodes: list[onnx.NodeProto], output: str) -> onnx.GraphProto:
        value = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
        return helper.make_graph(nodes, output, [], [value])

    nodes = [
        helper.make_node("Mul", ["x", "scale"], ["scaled"]),
        helper.make_node(
            "If",
            ["condition"],
            ["logits"],
            then_branch=branch([helper.make_node("Add", ["scaled", "shift"], ["then"])], "then"),
            else_branch=branch([helper.make_node("Identity", ["scaled"], ["else"])], "else"),
        ),
    ]
    condition = onnx.numpy_helper.from_array(np.array(True), "condition")
    constants = [condition, constant("scale", [2.0] * 16), constant("shift", [1.0] * 16)]
    path = save(tmp_path, model(nodes, constants, x=FLOATS))
    graph = Graph(path)
    graph.tidy()
    graph.save_nodes(path)
    x = random(2, 16)
    np.testing.assert_allclose(run(path, x)[0], 2 * x + 1, rtol=1e-6)


def test_makers_and_readers_are_found(tmp_path: Path) -> None:
    """A value has one maker, an input or a constant none, and its readers come in the order of running."""
    graph = Graph(save(tmp_path, encoder()))
    maker = graph.maker("hidden1")
    assert maker is not None
    assert maker.op_type == "LayerNormalization"
    assert graph.maker("x") is None
    assert graph.maker("words") is None
    assert [node.op_type for node in graph.readers("hidden0")] == ["MatMul", "MatMul", "MatMul", "Add"]
    assert graph.operators()["LayerNormalization"] == 4


def test_kinds_of_weights_are_told_apart(tmp_path: Path) -> None:
    """Matrices and tables count, whole numbers of 32 and 64 bits and vectors do not."""
    made = encoder()
    assert Graph(save(tmp_path, made)).float_kinds() == {"FLOAT"}
    made.graph.initializer.append(constant("indices", [[1, 2]]))
    assert Graph(save(tmp_path, made)).float_kinds() == {"FLOAT"}
    for kind in (np.float16, np.int8):
        made.graph.initializer.append(onnx.numpy_helper.from_array(np.ones((2, 2), kind), str(kind)))
    assert Graph(save(tmp_path, made)).float_kinds() == {"FLOAT", "FLOAT16", "INT8"}


def test_a_needed_opset_is_only_ever_raised(tmp_path: Path) -> None:
    """A newer one stays, an older one rises, one that is not there is added."""
    graph = Graph(save(tmp_path, model([helper.make_node("Identity", ["x"], ["logits"])], [], contrib=False)))
    graph.needs("", 17)
    assert opset(graph) == 21
    graph.needs("", 22)
    assert opset(graph) == 22
    graph.needs("com.microsoft", 1)
    assert opset(graph, "com.microsoft") == 1


def test_what_is_no_graph_is_refused(tmp_path: Path) -> None:
    """The message names the file."""
    (tmp_path / "model.onnx").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(PrepareError, match=r"model\.onnx is not an ONNX graph"):
        Graph(tmp_path / "model.onnx")


@pytest.mark.parametrize("external", [None, "w.bin"], ids=["inside", "apart"])
def test_an_old_graph_is_brought_to_a_newer_opset(tmp_path: Path, external: str | None) -> None:
    """From 11 to 21, where axes are no attributes any more: the same logits, inputs and weights file."""
    path, x = save(tmp_path, by_old_rules(), external=external), random(5, 16)
    expected = run(path, x)[0]
    graph = Graph(path)
    raise_opset(graph, 21)
    assert opset(graph) == 21
    assert [value.name for value in graph.model.graph.input] == ["x"]
    assert graph.weights_files() == ([] if external is None else [external])
    np.testing.assert_array_equal(graph.array("matrix"), random(16, 32))
    graph.save(tmp_path / "newer.onnx")
    np.testing.assert_allclose(run(tmp_path / "newer.onnx", x)[0], expected, atol=1e-6)


def test_ort_operators_outlive_a_newer_opset(tmp_path: Path) -> None:
    """Nodes of com.microsoft go through the conversion unchanged, whichever opset is named first."""
    made = encoder()
    path = save(tmp_path, made)
    expected = run(path, token_ids())[0]
    made.opset_import[0].version = 20
    graph = Graph(save(tmp_path, made))
    raise_opset(graph, 21)
    assert (opset(graph), opset(graph, "com.microsoft")) == (21, 1)
    graph.save_nodes(path)
    np.testing.assert_allclose(run(path, token_ids())[0], expected, atol=1e-6)


def test_a_graph_that_is_new_enough_is_left_alone(tmp_path: Path) -> None:
    """A graph of the same opset, or of a newer one, does not change by a byte."""
    made = encoder()
    made.opset_import.insert(0, made.opset_import.pop())
    assert [entry.domain for entry in made.opset_import] == ["com.microsoft", ""]
    graph = Graph(save(tmp_path, made))
    before = graph.model.SerializeToString()
    for version in (17, 21):
        raise_opset(graph, version)
    assert graph.model.SerializeToString() == before


def test_an_operator_that_cannot_be_converted_is_a_sentence(tmp_path: Path) -> None:
    """One that ONNX never had: the message says from which opset to which."""
    nodes = [helper.make_node("NeverHeardOf", ["x"], ["logits"])]
    graph = Graph(save(tmp_path, model(nodes, [], x=FLOATS, opset=9)))
    with pytest.raises(PrepareError, match="has opset 9 and cannot be converted to opset 21") as raised:
        raise_opset(graph, 21)
    assert "\n" not in str(raised.value)


def test_a_writers_nodes_are_handed_over_and_its_constants_kept() -> None:
    """Nodes leave once, a constant or a part is written once, and names say where a node stands."""
    writer = Writer()
    twice = writer.constant("two", 2.0, np.float32)
    assert writer.constant("two", 3.0, np.float32) == twice
    assert writer.node("Mul", "x", twice, at="here") == "here.Mul"
    assert writer.once("part", lambda: writer.node("Tanh", "here.Mul", at="there")) == "there.Tanh"
    assert writer.once("part", lambda: writer.node("Tanh", "x", at="elsewhere")) == "there.Tanh"
    assert [node.name for node in writer.take_nodes()] == ["here.Mul", "there.Tanh"]
    assert writer.take_nodes() == []
    (only,) = writer.constants
    assert onnx.numpy_helper.to_array(only) == 2.0
