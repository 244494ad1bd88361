"""Any function of one 8-bit code, as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from compiler.ir.operator import Operator
from compiler.ir.tensor import Constant, IntType


@dataclass(frozen=True, kw_only=True)
class Lut(Operator):
    """y = table[x - low of the input type]; the table has 256 entries of the (8-bit) output type.

    count: elements.
    """

    kind: ClassVar[str] = "lut"
    count: int
    table: Constant
    input_type: IntType = IntType.I8
    output_type: IntType = IntType.I8
