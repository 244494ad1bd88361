"""The softmax of the integer dialect (I-BERT's polynomial, as PACT and Deeploy define iSoftmax)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from compiler.ir.access import Box, Space, TileCall
from compiler.ir.operator import TABLES, Operator, Parts
from compiler.ir.tensor import Constant, IntArray, IntType, Tensor
from compiler.ops.base import require
from compiler.ops.rows import row_space

ENTRIES = 256
WORD = 2**32
MAX_HALVINGS = 31


@dataclass(frozen=True, kw_only=True)
class ISoftmax(Operator):
    """Shares of every row of a (rows, channels) view, in unsigned 32-bit arithmetic.

    With m the row's maximum and e = table[m - x] (uint32[256]):
        s = sum of e over the row
        y = (e * (levels - 1)) // s + offset            (unsigned division, truncating; never clamped)
    Codes are used as they are, without zero point. offset: 0 for an unsigned output; Deeploy's signed
    variant has -levels/2. Raises OperatorError where 32 bits do not hold the sum or a product, or where
    the output type does not hold offset .. offset + levels - 1.
    """

    kind: ClassVar[str] = "isoftmax"
    rows: int
    channels: int
    table: Constant
    levels: int = 256
    offset: int = 0
    input_type: IntType = IntType.I8
    output_type: IntType = IntType.U8

    def __post_init__(self) -> None:
        table = self.table.array
        good = table.dtype == np.uint32 and table.shape == (ENTRIES,) and self.input_type.bytes == 1
        require(good, f"{self.name}: isoftmax needs 8-bit input and a uint32[{ENTRIES}] table")
        require(int(table[0]) > 0, f"{self.name}: the row's maximum has no weight, its sum may be 0")
        low, high = self.offset, self.offset + self.levels - 1
        fits = self.output_type.bytes == 1 and self.output_type.low <= low < high <= self.output_type.high
        require(fits, f"{self.name}: {self.output_type.value} does not hold {low}..{high}")
        largest = int(table.max())
        fits = largest * (self.levels - 1) < WORD and largest * self.channels < WORD
        require(fits, f"{self.name}: 32 bits do not hold an isoftmax over {self.channels} channels")

    def space(self, tensors: Mapping[str, Tensor]) -> Space:
        names, extents = (self.inputs[0], self.output), (self.rows, self.channels)
        return row_space("isoftmax", tensors, names, (self.input_type, self.output_type), extents)

    def compute(
        self,
        call: TileCall,
        inputs: Sequence[IntArray],
        block: bytes,
        layout: str,
        accumulator: IntArray | None,
    ) -> IntArray:
        table = np.frombuffer(block, np.uint32).astype(np.int64)
        codes = inputs[0].astype(np.int64)
        e = table[codes.max(axis=-1, keepdims=True) - codes]
        shares = e * (self.levels - 1) // e.sum(axis=-1, keepdims=True)
        out: IntArray = (shares + self.offset).astype(self.output_type.dtype)
        return out

    def param_bytes(
        self, layout: str, parts: Parts, extents: Mapping[str, IntArray], last: IntArray | bool
    ) -> IntArray:
        shape = np.broadcast_shapes(*(np.shape(v) for v in extents.values()))
        return np.full(shape, 4 * ENTRIES if TABLES in parts else 0, np.int64)

    def param_block(self, layout: str, parts: Parts, box: Box, last: bool) -> bytes:
        return self.table.array.tobytes() if TABLES in parts else b""


def polynomial_table(coeff_a: int, coeff_b: int, coeff_c: int, log2: int) -> Constant:
    """The dialect's exp of -d code steps for d = 0..255, uint32[256].

    z = d // log2 and p = z*log2 - d, so that p is in (-log2, 0], and
        e = (coeff_a*(p + coeff_b)^2 + coeff_c) >> z        (0 from z = 32 on)
    which is I-BERT's second-order polynomial (arXiv 2101.01321, algorithm 2), with the rounding of
    PACT's and Deeploy's generic iSoftmax. Raises OperatorError for log2 < 1 or a value outside 32 bits.
    """
    require(log2 >= 1, f"isoftmax: log2 is {log2}, must be at least 1")
    table = []
    for distance in range(ENTRIES):
        halvings = distance // log2
        p = halvings * log2 - distance
        value = coeff_a * (p + coeff_b) ** 2 + coeff_c
        require(0 <= value < WORD, f"isoftmax: the polynomial reaches {value}, outside 32 bits")
        table.append(value >> halvings if halvings <= MAX_HALVINGS else 0)
    return Constant(np.array(table, np.uint32))
