"""Rounding a matrix for the inputs it meets: what it wins, what it never exceeds, and that no CPU's sums overflow."""

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from models.prepare.quantise import NO_INPUTS, PerToken, round_columns
from models.prepare.rounding import MOST, MOST_OF_TWO, Inputs, compensated
from models.prepare.writer import Writer

Floats = npt.NDArray[np.float32]
WIDTH, OUT, TOKENS = 64, 48, 3000


def tokens(seed: int = 0) -> Floats:
    """Inputs as an encoder has them: channels that go together, and one that towers over the others."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(TOKENS, 12)) @ np.random.default_rng(9).normal(size=(12, WIDTH))
    x += random.normal(scale=0.3, size=x.shape)
    x[:, 5] *= 8
    return x.astype(np.float32)


def matrix(seed: int = 1) -> Floats:
    return np.random.default_rng(seed).normal(size=(WIDTH, OUT)).astype(np.float32)


def known(x: Floats, divisors: npt.NDArray[np.float64] | None = None) -> Inputs:
    return Inputs(x.T.astype(np.float64) @ x / len(x), divisors)


def product(x: Floats, weights: Floats, inputs: Inputs | None) -> Floats:
    """The product by ONNX Runtime, int8 inside."""
    writer = Writer()
    found = PerToken(inputs={"one": inputs} if inputs else NO_INPUTS).matmul(writer, "one", "x", weights)
    ends = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, "tokens", len(weights)]),
        helper.make_tensor_value_info(found, TensorProto.FLOAT, [1, "tokens", weights.shape[1]]),
    ]
    session = ort.InferenceSession(writer.model("product", ends[:1], ends[1:]), providers=["CPUExecutionProvider"])
    return np.asarray(session.run([found], {"x": x[np.newaxis]})[0][0], np.float32)


def error(found: Floats, exact: Floats) -> float:
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def test_known_inputs_lose_less_on_tokens_not_seen() -> None:
    """On other tokens of the same kind the matrix alone errs by less than a quarter of plain rounding's error."""
    unseen, weights = tokens(seed=5), matrix()
    exact = unseen @ weights
    plain, sizes = round_columns(weights)
    steps, fitted_sizes = compensated(weights, known(tokens()))
    assert error(unseen @ (steps * fitted_sizes), exact) < 0.25 * error(unseen @ (plain * sizes), exact)


def test_inputs_that_do_not_go_together_are_rounded_to_the_nearest_step() -> None:
    """With nothing to make up for, an error is half a step at most, and the steps are finer than 7 bits'."""
    weights = matrix()
    steps, sizes = compensated(weights, Inputs(np.eye(WIDTH)))
    assert (np.abs(steps * sizes - weights) <= sizes / 2 * 1.001).mean() > 0.999
    assert (sizes < round_columns(weights)[1]).all()


@pytest.mark.parametrize("seed", range(4))
def test_no_weight_and_no_two_neighbours_pass_their_bounds(seed: int) -> None:
    """Neighbours are rows 0 and 1, 2 and 3, …; a column of zeros stays zero."""
    weights = matrix(seed) ** 3
    weights[:, 7] = 0
    steps = compensated(weights, known(tokens(seed)))[0].astype(int)
    assert np.abs(steps).max() <= MOST
    for signed in (np.maximum(steps, 0), np.maximum(-steps, 0)):
        two = signed[0::2] + signed[1::2]
        assert two.max() <= MOST_OF_TWO
    assert np.abs(steps).max() > 100
    assert (steps[:, 7] == 0).all()


def test_sums_at_the_bound_do_not_overflow() -> None:
    """Every activation at its highest step and neighbours at their bound: the sum is exact on this CPU too.

    On AVX2 without VNNI two products are added in 16 bits; neighbours of 127 and 127 come out wrong there.
    """
    column = np.tile([MOST, MOST_OF_TWO - MOST], WIDTH // 2)
    turned = np.tile([1, MOST, MOST, 1], WIDTH // 4)
    weights = np.stack([column, -column, turned, np.full(WIDTH, MOST_OF_TWO // 2)], axis=1).astype(np.float32)
    steps, sizes = compensated(weights, Inputs(np.eye(WIDTH)))
    np.testing.assert_allclose(steps * sizes, weights, rtol=1e-6)
    x = np.ones((4, WIDTH), np.float32)
    np.testing.assert_allclose(product(x, weights, Inputs(np.eye(WIDTH))), x @ weights, rtol=1e-5)


def test_divided_channels_leave_the_product_as_it_is_and_make_it_finer() -> None:
    """The matrix takes up what the tall channel is divided by; the others get finer steps."""
    x, weights = tokens(), matrix()
    divisors = np.where(np.arange(WIDTH) == 5, 6.0, 1.0)
    exact = x @ weights
    whole, divided = (error(product(x, weights, known(x, by)), exact) for by in (None, divisors))
    assert divided < 0.7 * whole
    assert divided < 0.01
