"""The two kinds of arithmetic in a graph: fp32, and int8 that rounds each token independently of all others.

In int8, matrices are rounded per output column and the word table per row, in advance. Activations are rounded at run
time with one scale per token, not per tensor as ONNX Runtime's quantize_dynamic does. A token's values therefore depend
on no other token, so a score does not depend on its batch, and an outlier token (BERT's [CLS] and [SEP] reach 40 times
the typical value) does not make the others less precise. Weights have 7 bits: 2 · 255 · 63 < 2^15, so the pairwise sums
of AVX2 CPUs without VNNI cannot saturate and every CPU computes the same integers.

A product whose inputs were measured beforehand (`Inputs`) can be rounded with less error: outlier channels are scaled
down before the token is rounded (Xiao et al. 2022, arXiv 2211.10438), and the matrix is rounded to nearly 8 bits so
that the errors of its rows compensate each other (`models.prepare.rounding`).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from onnx import numpy_helper

from models.prepare.rounding import Inputs, compensated, nearest
from models.prepare.writer import CONTRIB, Writer

Matrix = npt.NDArray[np.float32]
Int8 = npt.NDArray[np.int8]

WEIGHT_LEVELS = 63
TABLE_LEVELS = 127
NO_INPUTS: Mapping[str, Inputs] = MappingProxyType({})


class _Range(NamedTuple):
    """The mapping of a token's values to the 256 steps."""

    zero: int
    """The step that represents 0."""
    smallest_peak: float
    """The lower bound of a token's peak value, which prevents a division by 0 for a token of zeros."""


SYMMETRIC = _Range(zero=128, smallest_peak=1e-6)
MOSTLY_POSITIVE = _Range(zero=40, smallest_peak=1.0)
"""The range of GELU, which is never below -0.17: 37 of 215 steps at a peak of at least 1."""


class Fp32:
    """Plain fp32 arithmetic, the reference for int8."""

    def matmul(self, writer: Writer, at: str, x: str, matrix: Matrix) -> str:
        """Write x times matrix."""
        return writer.node("MatMul", x, writer.constant(f"{at}.weight", matrix), at=at)

    def gelu_matmul(self, writer: Writer, at: str, x: str, matrix: Matrix) -> str:
        """Write x times matrix."""
        return self.matmul(writer, at, x, matrix)

    def lookup(self, writer: Writer, at: str, table: Matrix, ids: str) -> str:
        """Write the lookup of the table's rows."""
        return writer.node("Gather", writer.constant(f"{at}.table", table), ids, at=at)


class PerToken:
    """Int8 products of activations rounded per token and weights rounded per column.

    Args:
        one_shape: whether all inputs of products have the shape [batch, sequence, width] and can share one tensor of
            zero points.
        inputs: measurements of a product's inputs, by its `at`; products without them are rounded to nearest.
    """

    def __init__(self, *, one_shape: bool = True, inputs: Mapping[str, Inputs] = NO_INPUTS) -> None:
        self._one_shape = one_shape
        self._inputs = inputs

    def matmul(self, writer: Writer, at: str, x: str, matrix: Matrix) -> str:
        """Write x times matrix; a token's range is symmetric about 0."""
        return self._product(writer, at, x, matrix, SYMMETRIC)

    def gelu_matmul(self, writer: Writer, at: str, x: str, matrix: Matrix) -> str:
        """Write x times matrix, for x from GELU: most of the 256 steps are above 0, as GELU's range is."""
        return self._product(writer, at, x, matrix, MOSTLY_POSITIVE)

    def lookup(self, writer: Writer, at: str, table: Matrix, ids: str) -> str:
        """Write the lookup of the table's rows, each with its own scale."""
        rounded, scales = round_rows(table)
        rows = writer.node("Gather", writer.constant(f"{at}.table", rounded), ids, at=at)
        steps = writer.node("Cast", rows, to=1, at=at)
        scale = writer.node("Gather", writer.constant(f"{at}.scale", scales), ids, at=f"{at}.scale")
        return writer.node("Mul", steps, scale, at=at)

    def _round(self, writer: Writer, at: str, x: str, width: int, span: _Range) -> tuple[str, str]:
        """Write x in steps, with each token's peak at its highest step; return the steps and the size of a step."""
        size = writer.node("Abs", x, at=at) if span is SYMMETRIC else x
        top = writer.node("ReduceMax", size, writer.constant("axis-1", [-1], np.int64), keepdims=1, at=at)
        smallest = writer.constant(f"peak.{span.zero}", span.smallest_peak, np.float32)
        peak = writer.node("Max", top, smallest, at=at)
        step = writer.node("Mul", peak, writer.constant(f"step.{span.zero}", 1 / (255 - span.zero), np.float32), at=at)
        zeros = _zeros(writer, step, span.zero, f"zeros.{span.zero}" if self._one_shape else f"{at}.zeros")
        return writer.node("QuantizeLinear", x, step, zeros, at=at, axis=-1, block_size=width), step

    def _product(self, writer: Writer, at: str, x: str, matrix: Matrix, span: _Range) -> str:
        """Write x times matrix; x is rounded only once, even if it is multiplied by several matrices."""
        inputs = self._inputs.get(at)
        rounded, scales = compensated(matrix, inputs) if inputs else round_columns(matrix)
        if inputs and inputs.divisors is not None:
            factors = writer.constant(f"{at}.factors", 1 / inputs.divisors, np.float32)
            x = writer.node("Mul", x, factors, at=f"{at}.input")
        steps, step = writer.once(f"{x} in steps", lambda: self._round(writer, at, x, len(matrix), span))
        product = writer.node(
            "MatMulIntegerToFloat",
            *(steps, writer.constant(f"{at}.weight", rounded), writer.constant("unit", 1, np.float32)),
            *(writer.constant(f"{at}.weight_scale", scales), writer.constant(f"zero.{span.zero}", span.zero, np.uint8)),
            at=at,
            domain=CONTRIB,
        )
        return writer.node("Mul", product, step, at=f"{at}.scaled")


def _zeros(writer: Writer, like: str, zero: int, at: str) -> str:
    """Write a tensor with the zero point of every token, once for each `at`."""

    def write() -> str:
        shape = writer.node("Shape", like, at=at)
        value = numpy_helper.from_array(np.array([zero], np.uint8))
        return writer.node("ConstantOfShape", shape, at=at, value=value)

    return writer.once(at, write)


def round_columns(matrix: Matrix) -> tuple[Int8, Matrix]:
    """Round a matrix [in, out] to 7-bit steps; return the steps and the size of a step per column [out]."""
    steps, scales = nearest(matrix, axis=0, levels=WEIGHT_LEVELS)
    return steps, scales[0]


def round_rows(table: Matrix) -> tuple[Int8, Matrix]:
    """Round a table [rows, width] to 8-bit steps; return the steps and the size of a step per row [rows, 1]."""
    return nearest(table, axis=1, levels=TABLE_LEVELS)
