"""Rotary position embedding: pairs of channels turned by angles that grow with the position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from compiler.ir.access import Axis, Dim, Space, TileCall
from compiler.ir.operator import Operator
from compiler.ir.tensor import IntArray, IntType, Tensor
from compiler.ops.base import access, require
from compiler.ops.requant import RealAffine, check_clamp, check_overflow, requantise
from costmodels.work import KernelSpec


@dataclass(frozen=True, kw_only=True)
class Rope(Operator):
    """y = clamp((((x - zero_point)*cos + turned*sin)*mul + add) >> shift, low, high), in int32.

    Inputs (x, cos, sin). Views: x and y (rows, heads, depth), cos and sin int16 (rows, depth), the same for
    all heads. `turned` is (-second, first) of the channels (first, second) of a pair, less their zero point.
    Pairs are (d, d + depth/2), or (2d, 2d + 1) if interleaved. x and y have 8 bits.
    Raises OperatorError for an odd depth and where it could overflow 32 bits.
    """

    kind: ClassVar[str] = "rope"
    rows: int
    heads: int
    depth: int
    zero_point: int
    mul: int
    add: int
    shift: int
    low: int
    high: int
    interleaved: bool = False
    input_type: IntType = IntType.I8
    output_type: IntType = IntType.I8

    def __post_init__(self) -> None:
        require(self.depth % 2 == 0, f"{self.name}: rope turns pairs of channels, not {self.depth}")
        bytewise = self.input_type.bytes == self.output_type.bytes == 1
        require(bytewise, f"{self.name}: rope takes and gives 8-bit codes")
        check_clamp(self.name, self.shift, self.low, self.high, self.output_type)
        sums = rope_range(self.input_type, self.zero_point)
        check_overflow(self.name, np.array([self.mul]), np.array([self.add]), sums)

    def space(self, tensors: Mapping[str, Tensor]) -> Space:
        dims = (Dim("y", self.rows), Dim("h", self.heads), Dim("c", self.depth, tileable=False))
        rows, heads, depth = Axis(self.rows, (("y", 1),)), Axis(self.heads, (("h", 1),)), Axis(self.depth)
        spec = KernelSpec(
            kernel="rope",
            dims=tuple((dim.name, dim.extent) for dim in dims),
            splits=(("y", "h"),),
        )
        x, cos, sin = self.inputs
        return Space(
            spec=spec,
            dims=dims,
            inputs=(
                access(tensors, x, (rows, heads, depth), self.input_type),
                access(tensors, cos, (rows, depth), IntType.I16),
                access(tensors, sin, (rows, depth), IntType.I16),
            ),
            output=access(tensors, self.output, (rows, heads, depth), self.output_type),
            orders=(("y", "h"), ("h", "y")),
        )

    def compute(
        self,
        call: TileCall,
        inputs: Sequence[IntArray],
        block: bytes,
        layout: str,
        accumulator: IntArray | None,
    ) -> IntArray:
        x = inputs[0].astype(np.int64) - self.zero_point
        cos, sin = (table.astype(np.int64)[:, None, :] for table in inputs[1:])
        sums = x * cos + self._turned(x) * sin
        out = requantise(sums, self.mul, self.add, self.shift, self.low, self.high)
        return out.astype(self.output_type.dtype)

    def _turned(self, x: IntArray) -> IntArray:
        if not self.interleaved:
            first, second = np.split(x, 2, axis=-1)
            return np.concatenate([-second, first], axis=-1)
        return np.stack([-x[..., 1::2], x[..., ::2]], axis=-1).reshape(x.shape)


def rope_range(dtype: IntType, zero_point: int) -> tuple[IntArray, IntArray]:
    """Least and largest x*cos + turned*sin for any int16 tables, [1] each."""
    reach = 2 * max(dtype.high - zero_point, zero_point - dtype.low) * -IntType.I16.low
    return np.array([-reach]), np.array([reach])


def _affine(x: Tensor, cos: Tensor, y: Tensor, bounds: tuple[int, int]) -> RealAffine:
    """From the sums to output steps."""
    factor = np.array([x.scale * cos.scale / y.scale])
    return RealAffine(factor, (), y.zero_point, rope_range(x.dtype, x.zero_point), bounds)


def rope_error_steps(x: Tensor, cos: Tensor, y: Tensor, bounds: tuple[int, int] | None = None) -> float:
    """Bound on |y before its last rounding - exact rotation| in output steps, where it does not saturate.

    The factor's rounding (`RealAffine.error_steps`), and half a step of each table entry on two codes.
    """
    affine = _affine(x, cos, y, bounds if bounds is not None else (y.dtype.low, y.dtype.high))
    reach = max(x.dtype.high - x.zero_point, x.zero_point - x.dtype.low)
    tables = float(affine.multipliers[0]) * reach
    return float(affine.error_steps(affine.choose_shift())[0]) + tables


def rope_from_scales(
    name: str,
    x: Tensor,
    cos: Tensor,
    sin: Tensor,
    y: Tensor,
    rows: int,
    heads: int,
    depth: int,
    interleaved: bool = False,
    bounds: tuple[int, int] | None = None,
) -> Rope:
    """The rotation of real values; bounds: clamp in output codes (default: the type's range).

    cos and sin are symmetric and of one scale, such as 2^-14. Raises OperatorError where they are not, where
    32 bits do not hold it, and where it would be off by an output step (`rope_error_steps`).
    """
    alike = (cos.scale, cos.zero_point) == (sin.scale, 0) == (cos.scale, sin.zero_point)
    require(alike, f"{name}: rope needs cos and sin of one scale, without zero point")
    limits = bounds if bounds is not None else (y.dtype.low, y.dtype.high)
    error = rope_error_steps(x, cos, y, limits)
    require(error < 1, f"{name}: rope would be off by up to {error:.1f} steps")
    scalars = _affine(x, cos, y, limits).requant()
    return Rope(
        name=name,
        inputs=(x.name, cos.name, sin.name),
        output=y.name,
        rows=rows,
        heads=heads,
        depth=depth,
        zero_point=x.zero_point,
        mul=int(scalars.mul.array[0]),
        add=int(scalars.add.array[0]),
        shift=scalars.shift,
        low=scalars.low,
        high=scalars.high,
        interleaved=interleaved,
        input_type=x.dtype,
        output_type=y.dtype,
    )
