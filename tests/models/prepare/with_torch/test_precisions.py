"""int8 and fp16 of every family's exported graph: near fp32, and still independent of a pair's neighbours."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.prepare.fp16 import KEPT, halve
from models.prepare.gates import GATES
from models.prepare.graph import Graph
from models.prepare.int8 import quantise
from tests.support.families import CASES, FUSED, HEEDING, LAYERS, Case, Exported, pairs, run_single, run_together

pytestmark = pytest.mark.prepare
Get = Callable[[Case], Exported]
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.family}{' masked' * case.masked}")
heeding = pytest.mark.parametrize("case", HEEDING, ids=lambda case: case.family)


def int8(made: Exported, folder: Path) -> Path:
    graph = Graph(made.path)
    quantise(graph)
    graph.save(folder / "int8.onnx")
    return folder / "int8.onnx"


@every_case
def test_int8_moves_logits_by_little_of_their_spread(exported: Get, case: Case, tmp_path: Path) -> None:
    """By a tenth on average and a half at most (the gates), on random weights, which are harder than trained ones."""
    made = exported(case)
    difference = np.abs(run_single(int8(made, tmp_path), pairs()) - made.expected) / made.expected.std()
    assert 0 < difference.mean() < GATES["int8"].mean
    assert difference.max() < GATES["int8"].worst


@every_case
def test_int8_rounds_every_product_by_a_matrix_and_the_word_table(exported: Get, case: Case, tmp_path: Path) -> None:
    """Six products a layer, and those outside the layers; in the fused families no MatMul by a matrix is left."""
    made = exported(case)
    before, after = Graph(made.path).operators(), Graph(int8(made, tmp_path)).operators()
    assert after["MatMulIntegerToFloat"] >= 6 * LAYERS
    if case.family in FUSED:
        assert after["MatMul"] == 0
        assert after["MatMulIntegerToFloat"] == before["MatMul"]
    assert after["Gemm"] == before["Gemm"]
    assert (tmp_path / "int8.onnx.data").stat().st_size < 0.5 * made.path.with_name("model.onnx.data").stat().st_size


@heeding
def test_int8_gives_a_pair_the_same_logit_in_any_batch(exported: Get, case: Case, tmp_path: Path) -> None:
    """Each token is rounded by a scale of its own: a padded batch gives what the pairs give alone, to 1e-5."""
    path = int8(exported(case), tmp_path)
    np.testing.assert_allclose(run_together(path, pairs()), run_single(path, pairs()), atol=1e-5)


@every_case
@pytest.mark.parametrize("rung", range(len(KEPT)))
def test_fp16_is_near_fp32_on_every_rung(exported: Get, case: Case, rung: int, tmp_path: Path) -> None:
    """Half precision moves logits by a fiftieth of their spread at most, whatever is kept; it weighs about half."""
    made = exported(case)
    graph = Graph(made.path)
    halve(graph, KEPT[rung])
    path = tmp_path / "fp16.onnx"
    graph.save(path)
    found = run_single(path, pairs())
    assert found.dtype == np.float32
    difference = np.abs(found - made.expected) / made.expected.std()
    assert 0 < difference.max() < 0.02
    if rung < 3:
        assert (tmp_path / "fp16.onnx.data").stat().st_size < 0.55 * made.path.with_name(
            "model.onnx.data"
        ).stat().st_size


@heeding
def test_fp16_keeps_padding_out(exported: Get, case: Case, tmp_path: Path) -> None:
    """The mask's -50 or -65504 still leave padding no share that shows in half precision."""
    graph = Graph(exported(case).path)
    halve(graph, KEPT[0])
    graph.save(tmp_path / "fp16.onnx")
    together, alone = (run(tmp_path / "fp16.onnx", pairs()) for run in (run_together, run_single))
    assert np.abs(together - alone).max() < 0.02 * alone.std()


@pytest.mark.parametrize("rung", range(len(KEPT)))
def test_norms_of_single_operators_stay_whole_in_fp16(exported: Get, rung: int, tmp_path: Path) -> None:
    """DeBERTa computes its norms by hand; whatever is kept in fp32 around them, ONNX Runtime opens the graph."""
    made = exported(Case("deberta", masked=False))
    graph = Graph(made.path)
    assert graph.operators()["LayerNormalization"] == 0
    halve(graph, KEPT[rung])
    assert graph.operators()["LayerNormalization"] == 1 + 2 * LAYERS
    assert graph.operators()["Sqrt"] == 0
    graph.save(tmp_path / "fp16.onnx")
    difference = np.abs(run_single(tmp_path / "fp16.onnx", pairs()) - made.expected) / made.expected.std()
    assert 0 < difference.max() < 0.02
