"""Permutation of axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from compiler.ir.operator import Operator
from compiler.ir.tensor import IntType


@dataclass(frozen=True, kw_only=True)
class Transpose(Operator):
    """Output axis k is input axis perm[k]. in_shape: the collapsed input view, rank 1 to 4."""

    kind: ClassVar[str] = "transpose"
    in_shape: tuple[int, ...]
    perm: tuple[int, ...]
    data_type: IntType = IntType.I8
