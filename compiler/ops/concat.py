"""Concatenation along the last axis of a view, each input requantised on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from compiler.ir.operator import Operator
from compiler.ir.tensor import IntType


@dataclass(frozen=True, kw_only=True)
class Concat(Operator):
    """y[row, offset_k + j] = clamp((x_k[row, j]*mul[k] + add[k]) >> shift[k], low, high).

    Views: inputs (rows, widths[k]), output (rows, sum of widths). An input whose scale is the output's
    has mul 1, add 0, shift 0: a copy.
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
