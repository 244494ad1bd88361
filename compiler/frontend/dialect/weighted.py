"""Products with constant integer weights, as terms."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from compiler.frontend.constants import Const
from compiler.frontend.dialect.requantshift import Int64s, integers_of
from compiler.frontend.dialect.state import DialectReader
from compiler.frontend.dialect.terms import Sums
from compiler.frontend.errors import Refused
from compiler.frontend.operators_math import conv_kind, convolution
from compiler.frontend.reader import integer, number
from compiler.frontend.source import Node
from compiler.frontend.steps import Linear, Value


def conv(reader: DialectReader, node: Node) -> None:
    """Windows over (1, C, H, W); what lies outside the input is the code 0."""
    x, weights, groups, window = convolution(reader, node)
    if len(x.shape) != 4:
        raise Refused("input 0", f"rank {len(x.shape)}", "(1, C, H, W)")
    codes = _codes(weights)
    ones, zeros = np.ones(len(codes)), np.zeros(len(codes))
    kind = conv_kind(window, groups, codes=codes, scale=ones, bias=zeros)
    shape = (1, codes.shape[0], *window.out)
    bias = _added(reader, node, 2)
    offset = bias.reshape(1, -1, 1, 1) if bias.ndim == 1 else bias
    reader.pend(node, Sums(shape, x, kind, 1, offset))


def gemm(reader: DialectReader, node: Node) -> None:
    """alpha * A B + beta * C with a constant B; C broadcasts."""
    x, weights = reader.value(node), reader.required(node, 1, "B")
    if len(x.shape) != 2 or len(weights.shape) != 2:
        raise Refused("inputs", f"shapes {x.shape} and {weights.shape}", "matrices")
    if integer(node.attributes, "transA", 0):
        x = reader.transpose(node, x, (1, 0), inner=":transposed")
    matrix = weights if integer(node.attributes, "transB", 0) else weights.mapped(np.transpose)
    alpha, beta = (integers_of(np.asarray(number(node.attributes, k, 1.0)), k) for k in ("alpha", "beta"))
    _pend(reader, node, x, matrix, int(alpha), int(beta) * _added(reader, node, 2))


def linear(reader: DialectReader, node: Node, x: Value, matrix: Const) -> None:
    """x times a constant [K, O] over the last axis."""
    if len(matrix.shape) != 2:
        raise Refused("B", f"a stack of matrices {matrix.shape}", "one constant matrix")
    _pend(reader, node, x, matrix.mapped(np.transpose), 1, np.zeros((), np.int64))


def _pend(reader: DialectReader, node: Node, x: Value, matrix: Const, factor: int, offset: Int64s) -> None:
    codes = _codes(matrix)
    if x.shape[-1] != codes.shape[1]:
        raise Refused("B", f"{x.shape} times {codes.T.shape}", "inner extents that agree")
    shape = (*x.shape[:-1], codes.shape[0])
    if offset.ndim > len(shape) or np.broadcast_shapes(offset.shape, shape) != shape:
        raise Refused("C", f"shape {offset.shape} for {shape}", "a shape that broadcasts")
    kind = Linear(codes=codes, scale=np.ones(len(codes)), bias=np.zeros(len(codes)))
    reader.pend(node, Sums(shape, x, kind, factor, offset))


def _codes(weights: Const) -> npt.NDArray[np.int8]:
    codes = integers_of(weights.array, "weights")
    low, high = int(codes.min(initial=0)), int(codes.max(initial=0))
    if low < -128 or high > 127:
        raise Refused("weights", f"from {low} to {high}", "int8")
    return codes.astype(np.int8)


def _added(reader: DialectReader, node: Node, index: int) -> Int64s:
    if not node.has_input(index):
        return np.zeros((), np.int64)
    return integers_of(reader.required(node, index, "bias").array, "bias")
