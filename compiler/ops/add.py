"""Addition of two activations with their own scales."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from compiler.ir.access import Space, TileCall
from compiler.ir.operator import Operator
from compiler.ir.tensor import IntArray, IntType, Tensor
from compiler.ops.base import OperatorError, require
from compiler.ops.broadcast import Broadcast, broadcast_space, check_broadcast, check_narrow
from compiler.ops.requant import LIMIT, MAX_SHIFT, check_clamp, fixed, offset_table, requantise


@dataclass(frozen=True, kw_only=True)
class Add(Operator):
    """y = clamp((a*mul_a + b*mul_b + add) >> shift, low, high) on raw codes, in int32.

    count: elements of a and y. `broadcast` of b: "none" (count elements), "channel" (`channels`
    elements, repeated on every row) or "scalar" (one element). channels is 0 unless "channel".
    Codes have 8 bits or are int16. Between int16 tensors of one scale the sum is exact, and
    clamped; of different scales a factor has 15 bits, whose rounding costs half a step of y for each operand.
    Raises OperatorError for int32 codes and where it could overflow 32 bits.
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

    def __post_init__(self) -> None:
        check_broadcast(self.name, self.count, self.channels, self.broadcast)
        check_narrow(self.name, (self.type_a, self.type_b, self.output_type))
        check_clamp(self.name, self.shift, self.low, self.high, self.output_type)
        need = sum_peak((self.type_a, self.type_b), (self.mul_a, self.mul_b), self.add)
        require(need < LIMIT, f"{self.name}: the sum may reach {need}, 32 bits hold less than {LIMIT}")

    def space(self, tensors: Mapping[str, Tensor]) -> Space:
        names = (self.inputs[0], self.inputs[1], self.output)
        types = (self.type_a, self.type_b, self.output_type)
        form = (self.broadcast, self.count, self.channels)
        return broadcast_space("add", tensors, names, types, form)

    def compute(
        self,
        call: TileCall,
        inputs: Sequence[IntArray],
        block: bytes,
        layout: str,
        accumulator: IntArray | None,
    ) -> IntArray:
        a, b = (operand.astype(np.int64) for operand in inputs)
        total = a * self.mul_a + b * self.mul_b
        out = requantise(total, 1, self.add, self.shift, self.low, self.high)
        return out.astype(self.output_type.dtype)


def sum_peak(types: tuple[IntType, IntType], factors: tuple[int, int], add: int) -> int:
    """Largest absolute value of any term or partial sum of a*mul_a + b*mul_b + add."""
    terms = [(dtype.low * mul, dtype.high * mul) for dtype, mul in zip(types, factors, strict=True)]
    sums = [a + b for a, b in itertools.product(*terms)]
    return max(abs(value) for value in (add, *terms[0], *terms[1], *sums, *(s + add for s in sums)))


def add_from_scales(
    name: str,
    operands: tuple[Tensor, Tensor],
    output: Tensor,
    *,
    broadcast: Broadcast = "none",
    signs: tuple[int, int] = (1, 1),
    bounds: tuple[int, int] | None = None,
) -> Add:
    """y = signs[0]*a + signs[1]*b in real values, with as many fraction bits as 32 bits hold.

    bounds: clamp in output codes (default: the type's range); a scalar or channel operand comes second.
    """
    a, b = operands
    ratios = (signs[0] * a.scale / output.scale, signs[1] * b.scale / output.scale)
    corrections = (-ratios[0] * a.zero_point, -ratios[1] * b.zero_point)
    for shift in range(MAX_SHIFT, -1, -1):
        mul_a, mul_b = (int(fixed(ratio, shift)) for ratio in ratios)
        add = int(offset_table(corrections, output.zero_point, shift))
        if sum_peak((a.dtype, b.dtype), (mul_a, mul_b), add) < LIMIT:
            break
    else:
        raise OperatorError(f"{name}: the scales of its operands are too far apart for 32 bits")
    low, high = bounds if bounds is not None else (output.dtype.low, output.dtype.high)
    return Add(
        name=name,
        inputs=(a.name, b.name),
        output=output.name,
        count=output.elements,
        channels=b.elements if broadcast == "channel" else 0,
        broadcast=broadcast,
        mul_a=mul_a,
        mul_b=mul_b,
        add=add,
        shift=shift,
        low=low,
        high=high,
        type_a=a.dtype,
        type_b=b.dtype,
        output_type=output.dtype,
    )
