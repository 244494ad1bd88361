"""Maximum over windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from compiler.ir.operator import Operator
from compiler.ir.tensor import IntType


@dataclass(frozen=True, kw_only=True)
class MaxPool(Operator):
    """Maximum over the taps that lie inside the input; the type's lowest code where none does.

    in_shape (H, W, C); pads (top, left, bottom, right); out_hw (Ho, Wo) honours ceil_mode.
    """

    kind: ClassVar[str] = "maxpool"
    in_shape: tuple[int, int, int]
    out_hw: tuple[int, int]
    window: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    data_type: IntType = IntType.I8
