"""Addition of two activations with their own scales."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from compiler.ir.operator import Operator
from compiler.ir.tensor import IntType
from compiler.ops.broadcast import Broadcast


@dataclass(frozen=True, kw_only=True)
class Add(Operator):
    """y = clamp((a*mul_a + b*mul_b + add) >> shift, low, high) on raw codes, in int32.

    count: elements of a and y. `broadcast` of b: "none" (count elements), "channel" (`channels`
    elements, repeated on every row) or "scalar" (one element). channels is 0 unless "channel".
    """

    kind: ClassVar[str] = "add"
    count: int
    channels: int = 0
    broadcast: Broadcast = "none"
    mul_a: int
    mul_b: int
    add: int
    shift: int
    low: int
    high: int
    type_a: IntType = IntType.I8
    type_b: IntType = IntType.I8
    output_type: IntType = IntType.I8
