"""Quotients of two activations in the integer dialect: IntegerDiv with the RequantShift behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from compiler.ir.access import Space, TileCall
from compiler.ir.operator import Operator
from compiler.ir.tensor import IntArray, IntType, Tensor
from compiler.ops.base import require
from compiler.ops.broadcast import Broadcast, broadcast_space, check_broadcast
from compiler.ops.requant import LIMIT, check_clamp, check_overflow, requantise


@dataclass(frozen=True, kw_only=True)
class IntegerDiv(Operator):
    """y = clamp((q*mul + add) >> shift, low, high), q = floor(a*factor / d + 1/2), d = b*eta + eps, in int32.

    The quotient is floor((2*a*factor + d) / (2*d)): ties go up, also for negative ones, as in QuantLib's
    IntegerDiv with factor = Delta*eta. Codes are used as they are. count, channels, broadcast: as in `Add`.
    Raises OperatorError where a code of b makes d less than 1, or where 32 bits do not hold it.
    """

    kind: ClassVar[str] = "idiv"
    count: int
    channels: int = 0
    broadcast: Broadcast = "none"
    factor: int
    eta: int
    eps: int
    mul: int
    add: int
    shift: int
    low: int
    high: int
    type_a: IntType = IntType.I8
    type_b: IntType = IntType.I8
    output_type: IntType = IntType.I8

    def __post_init__(self) -> None:
        check_broadcast(self.name, self.count, self.channels, self.broadcast)
        check_clamp(self.name, self.shift, self.low, self.high, self.output_type)
        bytewise = self.type_a.bytes == self.type_b.bytes == self.output_type.bytes == 1
        require(bytewise, f"{self.name}: idiv needs 8-bit operands and output")
        divisors = [self.type_b.low * self.eta + self.eps, self.type_b.high * self.eta + self.eps]
        least, most = min(divisors), max(divisors)
        require(least > 0, f"{self.name}: a divisor may be {least}, must be positive")
        largest = max(-self.type_a.low, self.type_a.high) * abs(self.factor)
        need = 2 * (largest + most)
        require(need < LIMIT, f"{self.name}: idiv may reach {need}, 32 bits hold less than {LIMIT}")
        quotient = largest // least + 1
        sums = (np.array([-quotient]), np.array([quotient]))
        check_overflow(self.name, np.array([self.mul]), np.array([self.add]), sums)

    def space(self, tensors: Mapping[str, Tensor]) -> Space:
        names = (self.inputs[0], self.inputs[1], self.output)
        types = (self.type_a, self.type_b, self.output_type)
        return broadcast_space("idiv", tensors, names, types, (self.broadcast, self.count, self.channels))

    def compute(
        self,
        call: TileCall,
        inputs: Sequence[IntArray],
        block: bytes,
        layout: str,
        accumulator: IntArray | None,
    ) -> IntArray:
        divisor = inputs[1].astype(np.int64) * self.eta + self.eps
        quotient = (2 * inputs[0].astype(np.int64) * self.factor + divisor) // (2 * divisor)
        out = requantise(quotient, self.mul, self.add, self.shift, self.low, self.high)
        return out.astype(self.output_type.dtype)
