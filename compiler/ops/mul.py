"""Product of two activations with their own scales."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from compiler.ir.operator import Operator
from compiler.ir.tensor import IntType
from compiler.ops.broadcast import Broadcast


@dataclass(frozen=True, kw_only=True)
class Mul(Operator):
    """y = clamp(((a - zero_a)*(b - zero_b)*mul + add) >> shift, low, high), in int32.

    count, channels, broadcast: as in `Add`.
    """

    kind: ClassVar[str] = "mul"
    count: int
    channels: int = 0
    broadcast: Broadcast = "none"
    zero_a: int
    zero_b: int
    mul: int
    add: int
    shift: int
    low: int
    high: int
    type_a: IntType = IntType.I8
    type_b: IntType = IntType.I8
    output_type: IntType = IntType.I8
