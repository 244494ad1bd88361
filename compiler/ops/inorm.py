"""The normalisations of the integer dialect: iRMSNorm and iLayerNorm of PACT and Deeploy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from compiler.ir.access import Box, Space, TileCall
from compiler.ir.operator import TABLES, Operator, Parts
from compiler.ir.tensor import Constant, IntArray, IntType, Tensor
from compiler.ops.base import require
from compiler.ops.requant import LIMIT, Int64s, check_clamp
from compiler.ops.rows import row_space


@dataclass(frozen=True, kw_only=True)
class INorm(Operator):
    """Rows of a (rows, channels) view, divided by their root mean square, in int32.

    With x the codes as they are (no zero point), per row, `/` truncating towards zero:
        m = centred ? (sum of x) / channels : 0             iLayerNorm : iRMSNorm
        d = x - m
        r = isqrt((sum of d*d) / channels + 1)              the largest integer with r*r <= ...
        y = clamp(((d*weight[c]) / r + bias[c]) >> shift, low, high)        (arithmetic shift)
    weight int32[channels]; bias int32[channels], or int32[0] for none. shift: log2 of the dialect's D;
    its n_levels are low and high. The truncation and the 1 under the root are those of Deeploy's kernels
    (Generic, PULPOpen); PACT's iRMSNorm writes floor for the division, which differs only where a
    truncated quotient is a multiple of 2^shift. Raises OperatorError where 32 bits do not hold it.
    """

    kind: ClassVar[str] = "inorm"
    rows: int
    channels: int
    centred: bool
    weight: Constant
    bias: Constant
    shift: int
    low: int
    high: int
    input_type: IntType = IntType.I8
    output_type: IntType = IntType.I8

    def __post_init__(self) -> None:
        bytewise = self.input_type.bytes == self.output_type.bytes == 1
        require(bytewise, f"{self.name}: inorm needs 8-bit input and output")
        check_clamp(self.name, self.shift, self.low, self.high, self.output_type)
        for table, shapes in ((self.weight, [(self.channels,)]), (self.bias, [(self.channels,), (0,)])):
            good = table.array.dtype == np.int32 and table.array.shape in shapes
            require(good, f"{self.name}: weight and bias must be int32[{self.channels}]")
        low, high = self.input_type.low, self.input_type.high
        deviation = high - low if self.centred else max(-low, high)
        need = max(self._largest(deviation), self.channels * deviation**2 + 1)
        require(need < LIMIT, f"{self.name}: inorm may reach {need}, 32 bits hold less than {LIMIT}")

    def _largest(self, deviation: int) -> int:
        """A bound on d*weight and on the quotient plus bias (d is at most channels^0.5 times r)."""
        weight = int(np.abs(self.weight.array.astype(np.int64)).max(initial=0))
        bias = int(np.abs(self.bias.array.astype(np.int64)).max(initial=0))
        quotient = min(deviation, math.isqrt(self.channels) + 1) * weight
        return max(deviation * weight, quotient + bias)

    def space(self, tensors: Mapping[str, Tensor]) -> Space:
        names, extents = (self.inputs[0], self.output), (self.rows, self.channels)
        return row_space("inorm", tensors, names, (self.input_type, self.output_type), extents)

    def compute(
        self,
        call: TileCall,
        inputs: Sequence[IntArray],
        block: bytes,
        layout: str,
        accumulator: IntArray | None,
    ) -> IntArray:
        tables = np.frombuffer(block, np.int32).astype(np.int64)
        weight, bias = tables[: self.channels], tables[self.channels :]
        deviation = inputs[0].astype(np.int64)
        if self.centred:
            mean = truncated(deviation.sum(axis=-1, keepdims=True), self.channels)
            deviation = deviation - mean
        square = (deviation * deviation).sum(axis=-1, keepdims=True) // self.channels + 1
        # The square root of an integer below 2^31 has no other integer within a double's rounding.
        root = np.floor(np.sqrt(square.astype(np.float64))).astype(np.int64)
        total: Int64s = truncated(deviation * weight, root) + (bias if bias.size else 0)
        out: IntArray = np.clip(total >> self.shift, self.low, self.high).astype(self.output_type.dtype)
        return out

    def param_bytes(
        self, layout: str, parts: Parts, extents: Mapping[str, IntArray], last: IntArray | bool
    ) -> IntArray:
        shape = np.broadcast_shapes(*(np.shape(v) for v in extents.values()))
        words = self.weight.array.size + self.bias.array.size
        return np.full(shape, 4 * words if TABLES in parts else 0, np.int64)

    def param_block(self, layout: str, parts: Parts, box: Box, last: bool) -> bytes:
        return self.weight.array.tobytes() + self.bias.array.tobytes() if TABLES in parts else b""


def truncated(numerator: Int64s, denominator: Int64s | int) -> Int64s:
    """numerator / denominator rounded towards zero, as C divides; denominator > 0."""
    quotient: Int64s = np.sign(numerator) * (np.abs(numerator) // np.asarray(denominator, np.int64))
    return quotient
