"""Integer softmax over the last axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from compiler.ir.operator import Operator
from compiler.ir.tensor import Constant, IntType


@dataclass(frozen=True, kw_only=True)
class Softmax(Operator):
    """Softmax of every row of a (rows, channels) view, in unsigned 32-bit arithmetic.

    With m the row's maximum and e = table[m - x] (uint32[256], exp in fixed point):
        s = sum over the row of (e + (1 << (sum_shift - 1))) >> sum_shift
        d = (s >> 16) * multiplier + (((s & 0xffff) * multiplier) >> 16)
        y = min(zero_point + (e + (d >> 1)) / d, high)          (unsigned division, truncating)
    d is the sum in units of one output step: multiplier = scale_y * 2^(sum_shift + 16), at most 2^16.
    """

    kind: ClassVar[str] = "softmax"
    rows: int
    channels: int
    table: Constant
    sum_shift: int
    multiplier: int
    zero_point: int
    high: int
    input_type: IntType = IntType.I8
    output_type: IntType = IntType.I8
