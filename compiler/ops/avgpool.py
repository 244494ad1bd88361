"""Mean over windows; global average pooling and ReduceMean over the image are one window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from compiler.ir.access import Box, Space, TileCall
from compiler.ir.operator import TABLES, Operator, Parts
from compiler.ir.tensor import Constant, IntArray, IntType, Tensor
from compiler.ops.base import require
from compiler.ops.pooling import PoolGeometry
from compiler.ops.requant import RealAffine, check_clamp, check_overflow, requantise


@dataclass(frozen=True, kw_only=True)
class AvgPool(Operator):
    """y = clamp((sum*mul[n] + add[n]) >> shift, low, high).

    sum: of the raw codes of the n taps inside the input. With `count_include_pad` a tap in the padding
    contributes `pad_value` (the input's zero point) and n is kh*kw everywhere. mul, add: int32[kh*kw+1].
    in_shape (H, W, C); pads (top, left, bottom, right); out_hw (Ho, Wo).
    Raises OperatorError where it could overflow 32 bits.
    """

    kind: ClassVar[str] = "avgpool"
    in_shape: tuple[int, int, int]
    out_hw: tuple[int, int]
    window: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    count_include_pad: bool = False
    pad_value: int = 0
    mul: Constant
    add: Constant
    shift: int
    low: int
    high: int
    input_type: IntType = IntType.I8
    output_type: IntType = IntType.I8

    def __post_init__(self) -> None:
        require(
            self.input_type.bytes == self.output_type.bytes == 1,
            f"{self.name}: avgpool takes and gives 8-bit codes",
        )
        self._geometry.check(self.name)
        check_clamp(self.name, self.shift, self.low, self.high, self.output_type)
        counts = np.arange(self.window[0] * self.window[1] + 1)
        for table in (self.mul, self.add):
            good = table.array.dtype == np.int32 and table.array.shape == counts.shape
            require(good, f"{self.name}: tables must be int32[{counts.size}]")
        sums = (counts * self.input_type.low, counts * self.input_type.high)
        check_overflow(self.name, self.mul.array, self.add.array, sums)

    @property
    def _geometry(self) -> PoolGeometry:
        return PoolGeometry(self.in_shape, self.out_hw, self.window, self.stride, (1, 1), self.pads[:2])

    def space(self, tensors: Mapping[str, Tensor]) -> Space:
        names, types = (self.inputs[0], self.output), (self.input_type, self.output_type)
        return self._geometry.space("avgpool", tensors, names, types)

    def compute(
        self,
        call: TileCall,
        inputs: Sequence[IntArray],
        block: bytes,
        layout: str,
        accumulator: IntArray | None,
    ) -> IntArray:
        rows, columns, _ = call.output.shape
        region, out = call.inputs[0], (rows, columns)
        fill = self.pad_value if self.count_include_pad else 0
        sums = self._geometry.taps(inputs[0], region, out, fill).sum(axis=(2, 3), dtype=np.int64)
        inside = np.ones(region.shape[:2], np.uint8)
        ones = self._geometry.taps(inside, region, out, int(self.count_include_pad))
        counts = ones.sum(axis=(2, 3), dtype=np.int64)[..., None]
        mul, add = np.frombuffer(block, np.int32).reshape(2, -1).astype(np.int64)
        result = requantise(sums, mul[counts], add[counts], self.shift, self.low, self.high)
        return result.astype(self.output_type.dtype)

    def param_bytes(
        self, layout: str, parts: Parts, extents: Mapping[str, IntArray], last: IntArray | bool
    ) -> IntArray:
        shape = np.broadcast_shapes(*(np.shape(v) for v in extents.values()))
        return np.full(shape, 8 * self.mul.array.size if TABLES in parts else 0, np.int64)

    def param_block(self, layout: str, parts: Parts, box: Box, last: bool) -> bytes:
        return self.mul.array.tobytes() + self.add.array.tobytes() if TABLES in parts else b""


def avgpool_from_scales(
    name: str,
    x: Tensor,
    y: Tensor,
    *,
    in_shape: tuple[int, int, int],
    out_hw: tuple[int, int],
    window: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    count_include_pad: bool = False,
    bounds: tuple[int, int] | None = None,
) -> AvgPool:
    """The mean in real values: round(sum * mul) with the divisor of each border position.

    bounds: clamp in output codes (default: the type's range).
    """
    taps = window[0] * window[1]
    counts = np.arange(taps + 1)
    # A window without a tap inside has no mean; its multiplier is 0 and it gives the zero point.
    ratios = np.where(counts > 0, x.scale / y.scale / np.maximum(counts, 1), 0.0)
    correction = np.where(counts > 0, -x.scale / y.scale * x.zero_point, 0.0)
    sums = (counts * x.dtype.low, counts * x.dtype.high)
    limits = bounds if bounds is not None else (y.dtype.low, y.dtype.high)
    requant = RealAffine(ratios, (correction,), y.zero_point, sums, limits).requant()
    return AvgPool(
        name=name,
        inputs=(x.name,),
        output=y.name,
        in_shape=in_shape,
        out_hw=out_hw,
        window=window,
        stride=stride,
        pads=pads,
        count_include_pad=count_include_pad,
        pad_value=x.zero_point,
        mul=requant.mul,
        add=requant.add,
        shift=requant.shift,
        low=requant.low,
        high=requant.high,
        input_type=x.dtype,
        output_type=y.dtype,
    )
