"""Codes of one quantisation as codes of another: between 8 bits and int16, or with another scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from compiler.ir.access import Axis, Dim, Space, TileCall
from compiler.ir.operator import Operator
from compiler.ir.tensor import IntArray, IntType, Tensor
from compiler.ops.base import access, require
from compiler.ops.requant import RealAffine, check_clamp, check_overflow, code_range, requantise
from costmodels.work import KernelSpec


@dataclass(frozen=True, kw_only=True)
class Requantise(Operator):
    """y = clamp((x*mul + add) >> shift, low, high) on raw codes of 8 or 16 bits, in int32.

    count: elements. Raises OperatorError for int32 codes and where it could overflow 32 bits.
    """

    kind: ClassVar[str] = "requantise"
    count: int
    mul: int
    add: int
    shift: int
    low: int
    high: int
    input_type: IntType = IntType.I8
    output_type: IntType = IntType.I8

    def __post_init__(self) -> None:
        narrow = max(self.input_type.bytes, self.output_type.bytes) <= 2
        require(narrow, f"{self.name}: requantise takes and gives codes of 8 or 16 bits")
        check_clamp(self.name, self.shift, self.low, self.high, self.output_type)
        check_overflow(self.name, np.array([self.mul]), np.array([self.add]), code_range(self.input_type))

    def space(self, tensors: Mapping[str, Tensor]) -> Space:
        axes = (Axis(self.count, (("n", 1),)),)
        spec = KernelSpec(
            kernel="requantise",
            dims=(("n", self.count),),
            input_bytes=self.input_type.bytes,
            output_bytes=self.output_type.bytes,
            splits=(("n",),),
        )
        return Space(
            spec=spec,
            dims=(Dim("n", self.count),),
            inputs=(access(tensors, self.inputs[0], axes, self.input_type),),
            output=access(tensors, self.output, axes, self.output_type),
            orders=(("n",),),
        )

    def compute(
        self,
        call: TileCall,
        inputs: Sequence[IntArray],
        block: bytes,
        layout: str,
        accumulator: IntArray | None,
    ) -> IntArray:
        out = requantise(inputs[0], self.mul, self.add, self.shift, self.low, self.high)
        return out.astype(self.output_type.dtype)


def rescale(x: Tensor, y: Tensor) -> tuple[int, int, int]:
    """(mul, add, shift) that move codes of x to the quantisation of y; (1, 0, 0) where they are equal."""
    if (x.scale, x.zero_point) == (y.scale, y.zero_point):
        return 1, 0, 0
    ratio = np.array([x.scale / y.scale])
    correction = -ratio * x.zero_point
    bounds = (y.dtype.low, y.dtype.high)
    scalars = RealAffine(ratio, (correction,), y.zero_point, code_range(x.dtype), bounds).requant()
    return int(scalars.mul.array[0]), int(scalars.add.array[0]), scalars.shift


def requantise_from_scales(
    name: str, x: Tensor, y: Tensor, bounds: tuple[int, int] | None = None
) -> Requantise:
    """y = x in real values, rounded once; bounds: clamp in output codes (default: the type's range).

    Raises OperatorError where 32 bits do not hold it.
    """
    mul, add, shift = rescale(x, y)
    low, high = bounds if bounds is not None else (y.dtype.low, y.dtype.high)
    return Requantise(
        name=name,
        inputs=(x.name,),
        output=y.name,
        count=x.elements,
        mul=mul,
        add=add,
        shift=shift,
        low=low,
        high=high,
        input_type=x.dtype,
        output_type=y.dtype,
    )
