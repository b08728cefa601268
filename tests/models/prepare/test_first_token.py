"""The pass that leaves the last layer its first token only: same logits, less work, and hands off other graphs."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from models.prepare.first_token import only_first_token
from models.prepare.graph import Graph
from tests.support.small_graphs import constant, encoder, run, save, token_ids

MEAN = [
    helper.make_node("ReduceMean", ["hidden", "axis"], ["pooled"], keepdims=0),
]
POOLINGS = {
    "the mean": MEAN,
    "the second token": [helper.make_node("Gather", ["hidden", "second"], ["pooled"], axis=1)],
    "an axis that is not the tokens'": [
        helper.make_node("Gather", ["hidden", "first"], ["pooled"], axis=0),
    ],
    "the first in a list": [
        helper.make_node("Gather", ["hidden", "firsts"], ["one"], axis=1),
        helper.make_node("Squeeze", ["one", "axis"], ["pooled"]),
    ],
    "the first token twice": [
        helper.make_node("Gather", ["hidden", "first"], ["a"], axis=1),
        helper.make_node("Gather", ["hidden", "first"], ["b"], axis=1),
        helper.make_node("Add", ["a", "b"], ["pooled"]),
    ],
    "the first token and the mean": [
        helper.make_node("Gather", ["hidden", "first"], ["a"], axis=1),
        helper.make_node("ReduceMean", ["hidden", "axis"], ["b"], keepdims=0),
        helper.make_node("Add", ["a", "b"], ["pooled"]),
    ],
}


def with_pooling(pooling: list[onnx.NodeProto]) -> onnx.ModelProto:
    made = encoder(pooling=pooling)
    made.graph.initializer.extend([constant("axis", [1]), constant("second", 1), constant("firsts", [0])])
    return made


def passed(folder: Path, made: onnx.ModelProto) -> tuple[bool, Path]:
    graph = Graph(save(folder, made))
    applied = only_first_token(graph)
    graph.save(folder / "passed.onnx")
    return applied, folder / "passed.onnx"


def queries(path: Path) -> list[str]:
    """What every attention is asked with."""
    return [node.input[0] for node in Graph(path).nodes if node.op_type == "MultiHeadAttention"]


@pytest.mark.parametrize("reshapes", [False, True], ids=["plain", "with reshapes"])
@pytest.mark.parametrize("layers", [1, 2])
def test_the_last_layer_sees_the_first_token_only(tmp_path: Path, layers: int, reshapes: bool) -> None:
    """The logits stay; the last attention's query and the last norm have one row, those before have all."""
    ids = token_ids(4, 9)
    expected = run(save(tmp_path, encoder(layers=layers)), ids)[0]
    applied, path = passed(tmp_path, encoder(layers=layers, reshapes=reshapes))
    assert applied
    logits, *heard, last = run(path, ids, *queries(path), f"hidden{layers}")
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    assert [query.shape[1] for query in heard] == [9] * (layers - 1) + [1]
    assert last.shape == (4, 1, 16)


def test_reshapes_to_heads_and_back_are_dropped(tmp_path: Path) -> None:
    """Around the fused attention they do nothing: none is left, and the logits are the same."""
    made, ids = encoder(reshapes=True), token_ids()
    expected = run(save(tmp_path, made), ids)[0]
    applied, path = passed(tmp_path, made)
    assert applied
    assert Graph(path).operators()["Reshape"] == 0
    np.testing.assert_allclose(run(path, ids)[0], expected, atol=1e-5)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_graph_that_reads_more_than_the_first_token_is_left_alone(tmp_path: Path, pooling: str) -> None:
    """The pass says that it did nothing, and every node is as it was."""
    made = with_pooling(POOLINGS[pooling])
    applied, path = passed(tmp_path, made)
    assert not applied
    assert [node.SerializeToString() for node in Graph(path).nodes] == [n.SerializeToString() for n in made.graph.node]


def test_a_graph_without_fused_attention_is_left_alone(tmp_path: Path) -> None:
    """There is no last attention to look for."""
    made = encoder(layers=0)
    applied, path = passed(tmp_path, made)
    assert not applied
    assert len(Graph(path).nodes) == len(made.graph.node)


def test_an_operator_that_mixes_tokens_after_the_attention_stops_the_pass(tmp_path: Path) -> None:
    """A softmax over the tokens of the last layer needs them all, though a first token is taken after it."""
    mixing = [
        helper.make_node("Softmax", ["hidden"], ["mixed"], axis=1),
        helper.make_node("Gather", ["mixed", "first"], ["pooled"], axis=1),
    ]
    applied, _ = passed(tmp_path, encoder(pooling=mixing))
    assert not applied
