"""Concatenation along the last axis of a view, each input requantised on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from compiler.ir.access import Axis, Dim, Space, TileCall
from compiler.ir.operator import Operator
from compiler.ir.tensor import IntArray, IntType, Tensor
from compiler.ops.base import access, require
from compiler.ops.requant import check_clamp, check_overflow, code_range, requantise
from compiler.ops.requantise import rescale
from costmodels.work import KernelSpec


@dataclass(frozen=True, kw_only=True)
class Concat(Operator):
    """y[row, offset_k + j] = clamp((x_k[row, j]*mul[k] + add[k]) >> shift[k], low, high).

    Views: inputs (rows, widths[k]), output (rows, sum of widths). An input whose scale is the output's
    has mul 1, add 0, shift 0: a copy. Raises OperatorError where it could overflow 32 bits.
    """

    kind: ClassVar[str] = "concat"
    rows: int
    widths: tuple[int, ...]
    mul: tuple[int, ...]
    add: tuple[int, ...]
    shift: tuple[int, ...]
    low: int
    high: int
    input_types: tuple[IntType, ...]
    output_type: IntType = IntType.I8

    def __post_init__(self) -> None:
        fields = (self.widths, self.mul, self.add, self.shift, self.input_types)
        same = all(len(field) == len(self.inputs) for field in fields)
        require(same, f"{self.name}: one width, mul, add, shift and type per input")
        bytewise = all(dtype.bytes == 1 for dtype in (*self.input_types, self.output_type))
        require(bytewise, f"{self.name}: concat joins 8-bit tensors")
        for mul, add, shift, dtype in zip(self.mul, self.add, self.shift, self.input_types, strict=True):
            check_clamp(self.name, shift, self.low, self.high, self.output_type)
            check_overflow(self.name, np.array([mul]), np.array([add]), code_range(dtype))

    def space(self, tensors: Mapping[str, Tensor]) -> Space:
        total = sum(self.widths)
        rows = Axis(self.rows, (("y", 1),))
        spec = KernelSpec(
            kernel="concat",
            dims=(("y", self.rows), ("c", total)),
            fan_in=len(self.inputs),
            input_bytes=max(dtype.bytes for dtype in self.input_types),
            output_bytes=self.output_type.bytes,
            splits=(("y",),),
        )
        reads = zip(self.inputs, self.widths, self.input_types, strict=True)
        return Space(
            spec=spec,
            dims=(Dim("y", self.rows), Dim("c", total, tileable=False)),
            inputs=tuple(access(tensors, name, (rows, Axis(width)), dtype) for name, width, dtype in reads),
            output=access(tensors, self.output, (rows, Axis(total)), self.output_type),
            orders=(("y",),),
        )

    def compute(
        self,
        call: TileCall,
        inputs: Sequence[IntArray],
        block: bytes,
        layout: str,
        accumulator: IntArray | None,
    ) -> IntArray:
        parts = [
            requantise(data, mul, add, shift, self.low, self.high)
            for data, mul, add, shift in zip(inputs, self.mul, self.add, self.shift, strict=True)
        ]
        out: IntArray = np.concatenate(parts, axis=1).astype(self.output_type.dtype)
        return out


def concat_from_scales(
    name: str, rows: int, inputs: Sequence[Tensor], y: Tensor, bounds: tuple[int, int] | None = None
) -> Concat:
    """Concatenation of views (rows, elements/rows), each rounded once; bounds: clamp in output codes."""
    mul, add, shift = zip(*(rescale(x, y) for x in inputs), strict=True)
    low, high = bounds if bounds is not None else (y.dtype.low, y.dtype.high)
    return Concat(
        name=name,
        inputs=tuple(x.name for x in inputs),
        output=y.name,
        rows=rows,
        widths=tuple(x.elements // rows for x in inputs),
        mul=mul,
        add=add,
        shift=shift,
        low=low,
        high=high,
        input_types=tuple(x.dtype for x in inputs),
        output_type=y.dtype,
    )
