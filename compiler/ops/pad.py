"""Constant padding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from compiler.ir.operator import Operator
from compiler.ir.tensor import IntType


@dataclass(frozen=True, kw_only=True)
class Pad(Operator):
    """The input (H, W, C) with `before` and `after` = (y, x, c) elements of code `value` around it."""

    kind: ClassVar[str] = "pad"
    in_shape: tuple[int, int, int]
    before: tuple[int, int, int] = (0, 0, 0)
    after: tuple[int, int, int] = (0, 0, 0)
    value: int = 0
    data_type: IntType = IntType.I8
