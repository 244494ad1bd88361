"""Quant and Dequant: the ends of the integers.

The real numbers between them are float32, as in Deeploy's kernels. A Quant behind a Dequant is a function of
single codes; an input that nothing but a Quant reads is its codes, an output of reals the codes below them.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np

from compiler.frontend.dialect.requantshift import plain
from compiler.frontend.dialect.state import DialectReader
from compiler.frontend.dialect.terms import Real, Scalar
from compiler.frontend.errors import Refused
from compiler.frontend.reader import integer, number
from compiler.frontend.source import Node
from compiler.ir import IntType

CONVERSION = MappingProxyType(dict.fromkeys(("bit_width", "scale", "signed", "zero_point")))
"""Attributes of both."""


def dequant(reader: DialectReader, node: Node) -> None:
    """(code - zero_point) * scale."""
    codes = reader.term(node)
    if not isinstance(codes, Scalar):
        raise Refused("input 0", "sums of 32 bits", "8-bit codes: a RequantShift before it")
    scale, zero = _scale_and_zero(node)
    reals = (codes.values.astype(np.float32) - np.float32(zero)) * np.float32(scale)
    reader.pend(node, Real(codes.shape, codes, reals, f"(code - {zero:g}) * {scale:g}"))


def quant(reader: DialectReader, node: Node) -> None:
    """clamp(x * scale + zero_point, rounded half away from zero); `scale` is one over a code's step."""
    term = reader.term(node)
    if not isinstance(term, Real):
        raise Refused("input 0", "codes, no real numbers", "a Dequant before it, or an input of its own")
    dtype = _type_of(node)
    scale, zero = _scale_and_zero(node)
    shifted = term.reals * np.float32(scale) + np.float32(zero)
    rounded = np.trunc(shifted + np.copysign(np.float32(0.5), shifted)).astype(np.int64)
    values = np.clip(rounded, dtype.low, dtype.high)
    reader.pend(node, replace(term.codes, values=values), plain(dtype))


def _scale_and_zero(node: Node) -> tuple[float, float]:
    scale, zero = (number(node.attributes, name, np.nan) for name in ("scale", "zero_point"))
    if zero != round(zero):
        raise Refused("zero_point", f"{zero}", "an integer")
    return scale, zero


def _type_of(node: Node) -> IntType:
    if integer(node.attributes, "bit_width", 8) != 8:
        raise Refused("bit_width", f"{node.attributes['bit_width']} bits", "8 bits")
    return IntType.I8 if integer(node.attributes, "signed", 1) else IntType.U8
