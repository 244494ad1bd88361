"""The one integer semantics: y = clamp((acc * mul + add) >> shift, low, high) in 32 bits."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.ir.tensor import Constant


@dataclass(frozen=True)
class Requant:
    """Requantisation of int32 accumulators, per channel: clamp((acc*mul + add) >> shift, low, high).

    mul, add: int32[C]; shift 0..31; low, high: the bounds of the output code, inclusive. The operator
    that holds it has proven that |acc*mul| + |add| < 2^31 for every input.
    """

    mul: Constant
    add: Constant
    shift: int
    low: int
    high: int
