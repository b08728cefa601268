"""The two kinds of arithmetic in a graph: fp32, and int8 whose rounding no neighbour can change.

Int8: matrices are rounded per output column, the word table per row, once and for all. Activations are rounded at run
time with one scale per TOKEN, not per tensor as ONNX Runtime's quantize_dynamic does: a token's values then depend on
no other token, so a score does not depend on its batch, and one wild token (BERT's [CLS] and [SEP] reach 40 times the
typical value) does not coarsen the others. Weights keep 7 bits: 2 · 255 · 63 < 2^15, so the pairwise sums of AVX2
CPUs without VNNI cannot saturate and every CPU computes the same integers.

A product whose inputs were looked at beforehand (`Inputs`) can be rounded with less loss: channels that tower over the
others are divided down before the token is rounded (Xiao et al. 2022, arXiv 2211.10438), and the matrix is rounded so
that the errors of its rows make up for one another, to nearly 8 bits (`models.prepare.rounding`).
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
    """How a token's values are laid onto the 256 steps."""

    zero: int
    """The step that stands for 0."""
    smallest_peak: float
    """A token whose peak is lower is rounded as if it were this high; keeps a token of zeros from dividing by 0."""


SYMMETRIC = _Range(zero=128, smallest_peak=1e-6)
MOSTLY_POSITIVE = _Range(zero=40, smallest_peak=1.0)
"""What GELU gives: never below -0.17, which is 37 of 215 steps at a peak of at least 1."""


class Fp32:
    """Plain arithmetic: the reference that int8 is measured against."""

    def matmul(self, writer: Writer, at: str, x: str, matrix: Matrix) -> str:
        """Write x times matrix."""
        return writer.node("MatMul", x, writer.constant(f"{at}.weight", matrix), at=at)

    def gelu_matmul(self, writer: Writer, at: str, x: str, matrix: Matrix) -> str:
        """Write x times matrix."""
        return self.matmul(writer, at, x, matrix)

    def lookup(self, writer: Writer, at: str, table: Matrix, ids: str) -> str:
        """Write the rows of the table."""
        return writer.node("Gather", writer.constant(f"{at}.table", table), ids, at=at)


class PerToken:
    """Int8 products of activations rounded per token and weights rounded per column.

    Args:
        one_shape: all inputs of products have the shape [batch, sequence, width], so one tensor of zero points serves.
        inputs: what the inputs of a product, named by its `at`, are known to look like; the others are rounded plainly.
    """

    def __init__(self, *, one_shape: bool = True, inputs: Mapping[str, Inputs] = NO_INPUTS) -> None:
        self._one_shape = one_shape
        self._inputs = inputs

    def matmul(self, writer: Writer, at: str, x: str, matrix: Matrix) -> str:
        """Write x times matrix; a token's range is symmetric about 0."""
        return self._product(writer, at, x, matrix, SYMMETRIC)

    def gelu_matmul(self, writer: Writer, at: str, x: str, matrix: Matrix) -> str:
        """Write x times matrix; GELU's range is nearly all above 0, and so are most of the 256 steps."""
        return self._product(writer, at, x, matrix, MOSTLY_POSITIVE)

    def lookup(self, writer: Writer, at: str, table: Matrix, ids: str) -> str:
        """Write the rows of the table, each with its own scale."""
        rounded, scales = round_rows(table)
        rows = writer.node("Gather", writer.constant(f"{at}.table", rounded), ids, at=at)
        steps = writer.node("Cast", rows, to=1, at=at)
        scale = writer.node("Gather", writer.constant(f"{at}.scale", scales), ids, at=f"{at}.scale")
        return writer.node("Mul", steps, scale, at=at)

    def _round(self, writer: Writer, at: str, x: str, width: int, span: _Range) -> tuple[str, str]:
        """Write x in steps, a token's peak being its highest step; return the steps and a step's size."""
        size = writer.node("Abs", x, at=at) if span is SYMMETRIC else x
        top = writer.node("ReduceMax", size, writer.constant("axis-1", [-1], np.int64), keepdims=1, at=at)
        smallest = writer.constant(f"peak.{span.zero}", span.smallest_peak, np.float32)
        peak = writer.node("Max", top, smallest, at=at)
        step = writer.node("Mul", peak, writer.constant(f"step.{span.zero}", 1 / (255 - span.zero), np.float32), at=at)
        zeros = _zeros(writer, step, span.zero, f"zeros.{span.zero}" if self._one_shape else f"{at}.zeros")
        return writer.node("QuantizeLinear", x, step, zeros, at=at, axis=-1, block_size=width), step

    def _product(self, writer: Writer, at: str, x: str, matrix: Matrix, span: _Range) -> str:
        """Write x times matrix; x is rounded once, however many matrices it is multiplied by."""
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
    """Write the zero point of every token, once for each `at`."""

    def write() -> str:
        shape = writer.node("Shape", like, at=at)
        value = numpy_helper.from_array(np.array([zero], np.uint8))
        return writer.node("ConstantOfShape", shape, at=at, value=value)

    return writer.once(at, write)


def round_columns(matrix: Matrix) -> tuple[Int8, Matrix]:
    """Round a matrix [in, out] to 7-bit steps: the steps, and the size of a step per column [out]."""
    steps, scales = nearest(matrix, axis=0, levels=WEIGHT_LEVELS)
    return steps, scales[0]


def round_rows(table: Matrix) -> tuple[Int8, Matrix]:
    """Round a table [rows, width] to 8-bit steps: the steps, and the size of a step per row [rows, 1]."""
    return nearest(table, axis=1, levels=TABLE_LEVELS)
