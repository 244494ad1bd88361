"""Sums, products and matrix products of two operands, and functions of one, as terms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from compiler.frontend.constants import Const
from compiler.frontend.dialect.functions import FUNCTIONS
from compiler.frontend.dialect.requantshift import integers_of, scalar
from compiler.frontend.dialect.state import DialectReader
from compiler.frontend.dialect.terms import Pair, Products, Ratio, Scalar
from compiler.frontend.errors import Refused
from compiler.frontend.operators_math import operands
from compiler.frontend.source import Node
from compiler.ops.base import OperatorError
from compiler.ops.integer_functions import integer_div


def add(reader: DialectReader, node: Node) -> None:
    """a + b; a constant joins the sums before it."""
    constant, other = _constant(reader, node)
    if constant is None:
        _pair(reader, node, is_sum=True)
        return
    term, c = reader.term(node, other), integers_of(constant.array, "constant")
    _same_shape(term.shape, c.shape)
    reader.pend(node, term.plus(c))


def multiply(reader: DialectReader, node: Node) -> None:
    """a * b; a constant number joins the table before it."""
    constant, other = _constant(reader, node)
    if constant is None:
        _pair(reader, node, is_sum=False)
        return
    term, c = reader.term(node, other), integers_of(constant.array, "constant")
    if not isinstance(term, Scalar) or c.size != 1:
        raise Refused("inputs", f"a constant of shape {c.shape}", "one number times 8-bit codes")
    reader.pend(node, replace(term, values=term.values * int(c.reshape(-1)[0])))


def product(reader: DialectReader, node: Node) -> None:
    """a @ b over the last two axes; the leading ones are equal."""
    a, b = reader.value(node, 0), reader.value(node, 1)
    if min(len(a.shape), len(b.shape)) < 2 or a.shape[-1] != b.shape[-2]:
        raise Refused("inputs", f"{a.shape} times {b.shape}", "matrices whose inner extents agree")
    if a.shape[:-2] != b.shape[:-2]:
        raise Refused("inputs", f"stacks of {a.shape[:-2]} and {b.shape[:-2]} matrices", "equal stacks")
    shape = (*a.shape[:-1], b.shape[-1])
    reader.pend(node, Products(shape, a, b, np.zeros((), np.int64)))


def division(reader: DialectReader, node: Node) -> None:
    """IntegerDiv(x, y): by a constant number a function of codes, else of two tensors."""
    delta, eps, eta = (scalar(node, name) for name in ("Delta", "eps", "eta"))
    divisor = reader.constant(node, 1)
    if divisor is None:
        a, b, shape = operands(reader, node)
        if a.name != reader.value(node).name:
            raise Refused("inputs", f"{b.shape} divided by {a.shape}", "a divisor that broadcasts")
        reader.pend(node, Ratio(shape, a, b, delta * eta, eta, eps, np.zeros((), np.int64)))
        return
    term, y = reader.term(node), integers_of(divisor.array, "y")
    if not isinstance(term, Scalar) or y.size != 1:
        raise Refused(
            "inputs", f"a divisor of shape {y.shape}", "8-bit codes by one number, or by 8-bit codes"
        )
    if 2 * abs(delta * eta) * int(np.abs(term.values).max(initial=1)) >= 2**62:
        raise Refused("Delta", f"{delta} times eta {eta}", "products of 62 bits")
    try:
        quotients = integer_div(term.values, int(y.reshape(-1)[0]), delta, eps, eta)
    except OperatorError as error:
        raise Refused("y", str(error), "a positive divisor") from error
    reader.pend(node, replace(term, values=quotients))


def function(reader: DialectReader, node: Node) -> None:
    """A function of every element."""
    term = reader.term(node)
    if not isinstance(term, Scalar):
        raise Refused("input 0", "sums of 32 bits", "8-bit codes: a RequantShift before it")
    reader.pend(node, replace(term, values=FUNCTIONS[node.operator](node, term.values)))


def _pair(reader: DialectReader, node: Node, *, is_sum: bool) -> None:
    a, b, shape = operands(reader, node)
    reader.pend(node, Pair(shape, a, b, is_sum, np.zeros((), np.int64)))


def _constant(reader: DialectReader, node: Node) -> tuple[Const | None, int]:
    """(the constant operand, index of the other one)."""
    left, right = reader.constant(node, 0), reader.constant(node, 1)
    return (left, 1) if left is not None else (right, 0)


def _same_shape(shape: tuple[int, ...], constant: tuple[int, ...]) -> None:
    if len(constant) > len(shape) or np.broadcast_shapes(shape, constant) != shape:
        raise Refused("inputs", f"constant {constant} enlarges {shape}", "constants that broadcast")
