"""Nearest-neighbour resizing by integer or rational factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from compiler.ir.operator import Operator
from compiler.ir.tensor import IntType


@dataclass(frozen=True, kw_only=True)
class Resize(Operator):
    """y[oy, ox, c] = x[(oy*down_y) // up_y + offset_y, (ox*down_x) // up_x + offset_x, c].

    in_shape (H, W, C); the output is (H*up_y // down_y, W*up_x // down_x, C).
    """

    kind: ClassVar[str] = "resize"
    in_shape: tuple[int, int, int]
    up: tuple[int, int] = (1, 1)
    down: tuple[int, int] = (1, 1)
    offset: tuple[int, int] = (0, 0)
    data_type: IntType = IntType.I8
