"""Write the graph: a bi-encoder with a cross-encoder's interface.

It reads a pair like any BERT cross-encoder (`input_ids`, `attention_mask`, `token_type_ids`, int64 [batch, sequence])
and returns `logits`, float32 [batch, 1]. Inside, a segment (the tokens of one type) attends only to itself and counts
its positions from 0, so query and document are encoded independently. The score is computed from their vectors:
`scale · (cosine of the mean vectors + maxsim_weight · MaxSim) + offset`, where MaxSim (Khattab and Zaharia 2020, arXiv
2004.12832) is the mean, over the query's tokens, of the highest cosine with any document token, weighted by the query
token's idf.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import onnx
from onnx import TensorProto, helper

from models.prepare.writer import CONTRIB, Writer
from tools.embedded.score import Score
from tools.embedded.weights import Layer, Matrix, Weights

NORM_EPSILON = 1e-12
"""`layer_norm_eps` of the encoder's config.json."""
APART = 50.0
"""The amount by which attention logits within a segment are higher, so that the other segment's share is about e^-50,
nothing in fp32. Not 100, because e^-100 is a denormal number, and those made the attention 4 times slower."""
WORST_COSINE = -1.0
LEAST_IDF = 0.1
"""A divisor below any positive idf, so that a query whose tokens all have an idf of 0 has a MaxSim of 0."""


class Arithmetic(Protocol):
    """The implementation of matrix products and table lookups in the graph: fp32 or int8."""

    def matmul(self, writer: Writer, at: str, x: str, matrix: Matrix) -> str:
        """Write x [..., in] times matrix [in, out]; return the product's name, float32."""
        ...

    def gelu_matmul(self, writer: Writer, at: str, x: str, matrix: Matrix) -> str:
        """Write x, an output of GELU, times matrix; return the product's name, float32."""
        ...

    def lookup(self, writer: Writer, at: str, table: Matrix, ids: str) -> str:
        """Write the lookup of a table's rows by ids; return the rows' name, float32."""
        ...


@dataclass(frozen=True)
class _Segments:
    """The names of the tensors that assign tokens to the two texts."""

    members: str
    """[batch, 2, sequence] float32: 1 where the token belongs to the query (row 0) or the document (row 1)."""
    positions: str
    """[batch, sequence] int64: the token's position in its own segment."""
    flags: str
    """[batch, sequence, heads * (head_width + 2)] float32: see `_attend`."""


def build(weights: Weights, idf: Matrix, score: Score, arithmetic: Arithmetic) -> bytes:
    """Write the whole graph, with the idf of every token [vocabulary]; return the ONNX file's bytes."""
    writer = Writer()
    segments = _segments(writer, weights)
    tokens = _embed(writer, weights, segments, arithmetic)
    for index, layer in enumerate(weights.layers):
        tokens = _layer(writer, f"layer{index}", tokens, layer, segments, arithmetic)
    idfs = writer.node("Gather", writer.constant("idf", idf), "input_ids", at="idf")
    _relevance(writer, tokens, segments, idfs, score)
    inputs = [_value(name, TensorProto.INT64, "sequence") for name in ("input_ids", "attention_mask", "token_type_ids")]
    return writer.model("embedded", inputs, [_value("logits", TensorProto.FLOAT, 1)])


def _value(name: str, kind: int, second: str | int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, ["batch", second])


def _axis(writer: Writer, axis: int) -> str:
    return writer.constant(f"axis{axis}", [axis], np.int64)


def _segments(writer: Writer, weights: Weights) -> _Segments:
    at = "segments"
    document = writer.node("Mul", "token_type_ids", "attention_mask", at=f"{at}.document")
    query = writer.node("Sub", "attention_mask", document, at=f"{at}.query")
    rows = [writer.node("Unsqueeze", row, _axis(writer, 1), at=row) for row in (query, document)]
    whole = writer.node("Concat", *rows, axis=1, at=at)
    count = writer.node("CumSum", whole, writer.constant("two", 2, np.int64), at=at)
    own = writer.node("Mul", count, whole, at=f"{at}.count")
    place = writer.node("ReduceSum", own, _axis(writer, 1), keepdims=0, at=at)
    below = writer.node("Sub", place, writer.constant("one", 1, np.int64), at=f"{at}.place")
    positions = writer.node("Max", below, writer.constant("zero", 0, np.int64), at=at)
    members = writer.node("Cast", whole, to=TensorProto.FLOAT, at=at)
    return _Segments(members, positions, _flags(writer, members, weights))


def _embed(writer: Writer, weights: Weights, segments: _Segments, arithmetic: Arithmetic) -> str:
    words = arithmetic.lookup(writer, "words", weights.words, "input_ids")
    table = writer.constant("positions", weights.positions)
    places = writer.node("Gather", table, segments.positions, at="positions")
    return _add_norm(writer, "embedding", [words, places], weights.norm)


def _layer(writer: Writer, at: str, x: str, layer: Layer, segments: _Segments, arithmetic: Arithmetic) -> str:
    context = _attend(writer, f"{at}.attention", x, layer, segments, arithmetic)
    attended = arithmetic.matmul(writer, f"{at}.out", context, layer.out)
    # The values' bias passes through the attention unchanged, since each token's weights sum to 1. It is computed in
    # float64, so that every CPU's order of summation gives the same float32.
    carried = layer.value_bias.astype(np.float64) @ layer.out.astype(np.float64)
    out_bias = (layer.out_bias + carried).astype(np.float32)
    x = _add_norm(writer, f"{at}.out", [attended, writer.constant(f"{at}.out.bias", out_bias), x], layer.out_norm)
    wide = arithmetic.matmul(writer, f"{at}.up", x, layer.up)
    active = writer.node("Sum", wide, writer.constant(f"{at}.up.bias", layer.up_bias), at=f"{at}.up")
    active = writer.node("Gelu", active, at=f"{at}.up")
    narrow = arithmetic.gelu_matmul(writer, f"{at}.down", active, layer.down)
    down_bias = writer.constant(f"{at}.down.bias", layer.down_bias)
    return _add_norm(writer, f"{at}.down", [narrow, down_bias, x], layer.down_norm)


def _attend(writer: Writer, at: str, x: str, layer: Layer, segments: _Segments, arithmetic: Arithmetic) -> str:
    """Let each token attend to the tokens of its own segment.

    There is no mask, because ONNX Runtime's fused attention takes half the time without one. Instead every head's query
    and key vectors end in two flags, one for the query's tokens and one for the document's, so that the logit of two
    tokens of the same segment is APART higher than that of tokens of different segments. The keys' bias is left out: it
    adds the same value to all logits of a token, which does not change the softmax.
    """
    heads, flags = layer.query.shape[1] // layer.head_width, 2
    width = heads * (layer.head_width + flags)
    packed = np.concatenate([_room(m, layer.head_width) for m in (layer.query, layer.key)] + [layer.value], axis=1)
    product = arithmetic.matmul(writer, f"{at}.qkv", x, packed)
    query, key, value = writer.split(product, [width, width, layer.value.shape[1]], axis=-1, at=at)
    bias = writer.constant(f"{at}.query_bias", _room(layer.query_bias[np.newaxis], layer.head_width)[0])
    query = writer.node("Sum", query, bias, segments.flags, at=f"{at}.query")
    key = writer.node("Sum", key, segments.flags, at=f"{at}.key")
    return writer.node(
        "MultiHeadAttention", query, key, value, at=at, domain=CONTRIB, num_heads=heads, scale=layer.head_width**-0.5
    )


def _room(matrix: Matrix, head_width: int) -> Matrix:
    """Widen every head of a matrix [in, heads * head_width] by two columns of zeros."""
    heads = matrix.reshape(len(matrix), -1, head_width)
    return np.pad(heads, ((0, 0), (0, 0), (0, 2))).reshape(len(matrix), -1)


def _flags(writer: Writer, members: str, weights: Weights) -> str:
    """Write each token's two flags for the columns added by `_room`: [batch, sequence, heads * (head_width + 2)]."""
    width = weights.head_width
    places = np.zeros((2, weights.heads, width + 2), np.float32)
    places[0, :, width] = places[1, :, width + 1] = np.sqrt(APART * np.sqrt(width))
    turned = writer.node("Transpose", members, perm=[0, 2, 1], at="segments.flags")
    return writer.node("MatMul", turned, writer.constant("segments.places", places.reshape(2, -1)), at="segments.flags")


def _add_norm(writer: Writer, at: str, terms: list[str], norm: tuple[Matrix, Matrix]) -> str:
    """Write LayerNorm(sum of terms); ONNX Runtime would fuse `Add` instead of `Sum` into an operator 6 times slower."""
    total = writer.node("Sum", *terms, at=at)
    constants = [writer.constant(f"{at}.norm.scale", norm[0]), writer.constant(f"{at}.norm.offset", norm[1])]
    return writer.node("LayerNormalization", total, *constants, at=at, axis=-1, epsilon=NORM_EPSILON)


def _relevance(writer: Writer, tokens: str, segments: _Segments, idfs: str, score: Score) -> None:
    cosine = _cosine(writer, tokens, segments.members)
    maxsim = _maxsim(writer, tokens, segments.members, idfs)
    weight = writer.constant("score.maxsim_weight", score.scale * score.maxsim_weight, np.float32)
    scale = writer.constant("score.scale", score.scale, np.float32)
    parts = [writer.node("Mul", cosine, scale, at="cosine.part"), writer.node("Mul", maxsim, weight, at="maxsim.part")]
    both = writer.node("Add", *parts, at="score.parts")
    offset = writer.constant("score.offset", score.offset, np.float32)
    writer.node("Add", both, offset, at="score", output="logits")


def _cosine(writer: Writer, tokens: str, members: str) -> str:
    """Write the cosine of the segments' mean vectors, [batch, 1], computed from sums; an empty segment gives 0."""
    at = "cosine"
    sums = writer.node("MatMul", members, tokens, at=at)
    unit = writer.node("LpNormalization", sums, axis=-1, p=2, at=at)
    query, document = writer.split(unit, [1, 1], axis=1, at=at)
    product = writer.node("Mul", query, document, at=at)
    return writer.node("ReduceSum", product, _axis(writer, -1), keepdims=0, at=at)


def _maxsim(writer: Writer, tokens: str, members: str, idfs: str) -> str:
    """Write the idf-weighted mean, over the query's tokens, of the highest cosine with a document token, [batch, 1].

    The value is -1 without a document and 0 if all the query's tokens have an idf of 0.
    """
    at = "maxsim"
    unit = writer.node("LpNormalization", tokens, axis=-1, p=2, at=at)
    turned = writer.node("Transpose", unit, perm=[0, 2, 1], at=at)
    cosines = writer.node("MatMul", unit, turned, at=at)
    query, document = writer.split(members, [1, 1], axis=1, at=at)
    there = writer.node("Cast", document, to=TensorProto.BOOL, at=at)
    worst = writer.constant("worst_cosine", WORST_COSINE, np.float32)
    candidates = writer.node("Where", there, cosines, worst, at=at)
    best = writer.node("ReduceMax", candidates, _axis(writer, 2), keepdims=0, at=at)
    weighed = writer.node("Unsqueeze", idfs, _axis(writer, 1), at=f"{at}.idf")
    weights = writer.node("Mul", query, weighed, at=f"{at}.weights")
    row = writer.node("Unsqueeze", best, _axis(writer, 1), at=at)
    parts = writer.node("Mul", row, weights, at=at)
    total = writer.node("ReduceSum", parts, _axis(writer, -1), keepdims=0, at=f"{at}.total")
    weight = writer.node("ReduceSum", weights, _axis(writer, -1), keepdims=0, at=f"{at}.weight")
    some = writer.node("Max", weight, writer.constant("least_idf", LEAST_IDF, np.float32), at=at)
    return writer.node("Div", total, some, at=at)
