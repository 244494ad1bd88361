"""Mean over windows; global average pooling and ReduceMean over the image are one window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from compiler.ir.operator import Operator
from compiler.ir.tensor import Constant, IntType


@dataclass(frozen=True, kw_only=True)
class AvgPool(Operator):
    """y = clamp((sum*mul[n] + add[n]) >> shift, low, high).

    sum: of the raw codes of the n taps inside the input. With `count_include_pad` a tap in the padding
    contributes `pad_value` (the input's zero point) and n is kh*kw everywhere. mul, add: int32[kh*kw+1].
    in_shape (H, W, C); pads (top, left, bottom, right); out_hw (Ho, Wo).
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
