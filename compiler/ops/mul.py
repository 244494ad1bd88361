"""Product of two activations with their own scales."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from compiler.ir.access import Space, TileCall
from compiler.ir.operator import Operator
from compiler.ir.tensor import IntArray, IntType, Tensor
from compiler.ops.base import require
from compiler.ops.broadcast import Broadcast, broadcast_space, check_broadcast, check_narrow
from compiler.ops.requant import RealAffine, check_clamp, check_overflow, requantise

FACTOR_ERROR = 1 / 128
"""Largest relative error of the factor of a product with an int16 operand."""


@dataclass(frozen=True, kw_only=True)
class Mul(Operator):
    """y = clamp(((a - zero_a)*(b - zero_b)*mul + add) >> shift, low, high), in int32.

    count, channels, broadcast, types: as in `Add`. Raises OperatorError where it could overflow 32 bits.
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

    def __post_init__(self) -> None:
        check_broadcast(self.name, self.count, self.channels, self.broadcast)
        check_narrow(self.name, (self.type_a, self.type_b, self.output_type))
        check_clamp(self.name, self.shift, self.low, self.high, self.output_type)
        products = product_range((self.type_a, self.zero_a), (self.type_b, self.zero_b))
        check_overflow(self.name, np.array([self.mul]), np.array([self.add]), products)

    def space(self, tensors: Mapping[str, Tensor]) -> Space:
        names = (self.inputs[0], self.inputs[1], self.output)
        types = (self.type_a, self.type_b, self.output_type)
        form = (self.broadcast, self.count, self.channels)
        return broadcast_space("mul", tensors, names, types, form)

    def compute(
        self,
        call: TileCall,
        inputs: Sequence[IntArray],
        block: bytes,
        layout: str,
        accumulator: IntArray | None,
    ) -> IntArray:
        product = (inputs[0].astype(np.int64) - self.zero_a) * (inputs[1].astype(np.int64) - self.zero_b)
        out = requantise(product, self.mul, self.add, self.shift, self.low, self.high)
        return out.astype(self.output_type.dtype)


def product_range(a: tuple[IntType, int], b: tuple[IntType, int]) -> tuple[IntArray, IntArray]:
    """Least and largest (a - zero_a)*(b - zero_b), [1] each; operands as (type, zero point)."""
    ends = [(dtype.low - zero, dtype.high - zero) for dtype, zero in (a, b)]
    products = [x * y for x, y in itertools.product(*ends)]
    return np.array([min(products)]), np.array([max(products)])


def mul_from_scales(
    name: str,
    operands: tuple[Tensor, Tensor],
    output: Tensor,
    *,
    broadcast: Broadcast = "none",
    bounds: tuple[int, int] | None = None,
) -> Mul:
    """y = a*b in real values; bounds: clamp in output codes (default: the type's range).

    A scalar or channel operand comes second. Raises OperatorError where 32 bits do not hold it, or leave so
    few bits to the factor of int16 operands that it errs by more than 1/128.
    """
    a, b = operands
    ratio = np.array([a.scale * b.scale / output.scale])
    products = product_range((a.dtype, a.zero_point), (b.dtype, b.zero_point))
    limits = bounds if bounds is not None else (output.dtype.low, output.dtype.high)
    scalars = RealAffine(ratio, (), output.zero_point, products, limits).requant()
    error = abs(scalars.mul.array[0] / 2**scalars.shift / ratio[0] - 1)
    good = max(a.dtype.bytes, b.dtype.bytes) == 1 or error <= FACTOR_ERROR
    require(good, f"{name}: the factor of {a.dtype.value} times {b.dtype.value} would err by {error:.1%}")
    return Mul(
        name=name,
        inputs=(a.name, b.name),
        output=output.name,
        count=output.elements,
        channels=b.elements if broadcast == "channel" else 0,
        broadcast=broadcast,
        zero_a=a.zero_point,
        zero_b=b.zero_point,
        mul=int(scalars.mul.array[0]),
        add=int(scalars.add.array[0]),
        shift=scalars.shift,
        low=scalars.low,
        high=scalars.high,
        type_a=a.dtype,
        type_b=b.dtype,
        output_type=output.dtype,
    )
