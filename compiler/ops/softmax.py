"""Integer softmax over the last axis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from compiler.ir.access import Axis, Box, Space, TileCall
from compiler.ir.operator import TABLES, Operator, Parts
from compiler.ir.tensor import Constant, IntArray, IntType, Tensor
from compiler.ops.base import access, require
from compiler.ops.rows import row_space

ENTRIES = 256
WORD = 2**32


@dataclass(frozen=True, kw_only=True)
class Softmax(Operator):
    """Softmax of every row of a (rows, channels) view, in unsigned 32-bit arithmetic.

    With m the row's maximum and e = table[m - x] (uint32[256], exp in fixed point):
        s = sum over the row of (e + (1 << (sum_shift - 1))) >> sum_shift
        d = (s >> 16) * multiplier + (((s & 0xffff) * multiplier) >> 16)
        y = min(zero_point + (e + (d >> 1)) / d, high)          (unsigned division, truncating)
    d is the sum in units of one output step: multiplier = scale_y * 2^(sum_shift + 16), at most 2^16.
    causal_period > 0: of row i only the first min(channels, q % causal_period + 1 + causal_offset + position)
    columns count, q = i // causal_heads (rows of as many heads next to each other are one query's); behind
    them y is zero_point. position is the second input, int32 [1], clamped to 0 ..
    channels, where there is one, else 0: no mask is anywhere in memory.
    Raises OperatorError where 32 bits do not hold the sum.
    """

    kind: ClassVar[str] = "softmax"
    rows: int
    channels: int
    table: Constant
    sum_shift: int
    multiplier: int
    zero_point: int
    high: int
    input_type: IntType = IntType.I8
    output_type: IntType = IntType.I8
    causal_period: int = 0
    causal_offset: int = 0
    causal_heads: int = 1

    def __post_init__(self) -> None:
        masked = self.causal_period > 0 and self.causal_offset >= 0 and self.causal_heads > 0
        bare = self.causal_period == self.causal_offset == 0 and self.causal_heads == 1
        unmasked = len(self.inputs) == 1 and bare
        mask = f"period {self.causal_period}, offset {self.causal_offset}"
        require(masked or unmasked, f"{self.name}: softmax with a causal mask of {mask}")
        table = self.table.array
        good = table.dtype == np.uint32 and table.shape == (ENTRIES,) and self.input_type.bytes == 1
        require(good, f"{self.name}: softmax needs 8-bit input and a uint32[{ENTRIES}] table")
        require(0 < self.sum_shift < 32, f"{self.name}: sum shift {self.sum_shift} is outside 1..31")
        require(
            0 < self.multiplier <= 1 << 16, f"{self.name}: multiplier {self.multiplier} is outside 1..2^16"
        )
        largest, half = int(table.max()), 1 << (self.sum_shift - 1)
        row_sum = self.channels * ((largest + half) >> self.sum_shift)
        fits = largest + half < WORD and row_sum < WORD and largest + (row_sum >> 1) < WORD
        require(fits, f"{self.name}: 32 bits do not hold a softmax over {self.channels} channels")

    def space(self, tensors: Mapping[str, Tensor]) -> Space:
        names, extents = (self.inputs[0], self.output), (self.rows, self.channels)
        position = tuple(access(tensors, name, (Axis(1),), IntType.I32) for name in self.inputs[1:])
        types = (self.input_type, self.output_type)
        # All of a row is priced where only a run-time position knows.
        mask = (0, 0) if position else (self.causal_period, self.causal_offset)
        return row_space("softmax", tensors, names, types, extents, position, mask)

    def compute(
        self,
        call: TileCall,
        inputs: Sequence[IntArray],
        block: bytes,
        layout: str,
        accumulator: IntArray | None,
    ) -> IntArray:
        table = np.frombuffer(block, np.uint32).astype(np.int64)
        codes, seen = inputs[0].astype(np.int64), self._seen(call, inputs[1:])
        top = np.where(seen, codes, self.input_type.low).max(axis=-1, keepdims=True)
        e = np.where(seen, table[np.maximum(top - codes, 0)], 0)
        rounded = np.where(seen, (e + (1 << (self.sum_shift - 1))) >> self.sum_shift, 0)
        row_sum = rounded.sum(axis=-1, keepdims=True)
        upper, lower = row_sum >> 16, row_sum & 0xFFFF
        step = upper * self.multiplier + ((lower * self.multiplier) >> 16)
        quotient = np.where(seen, (e + (step >> 1)) // step, 0)
        out: IntArray = np.minimum(self.zero_point + quotient, self.high).astype(self.output_type.dtype)
        return out

    def _seen(self, call: TileCall, position: Sequence[IntArray]) -> npt.NDArray[np.bool_]:
        """Which entries of a tile count, [rows, channels]."""
        rows, columns = call.output.shape
        if not self.causal_period:
            return np.ones((rows, columns), np.bool_)
        at = min(max(int(position[0][0]), 0), self.channels) if position else 0
        row = np.arange(call.output.low[0], call.output.high[0]) // self.causal_heads % self.causal_period
        return np.arange(columns) < (row + 1 + self.causal_offset + at)[:, None]

    def param_bytes(
        self, layout: str, parts: Parts, extents: Mapping[str, IntArray], last: IntArray | bool
    ) -> IntArray:
        shape = np.broadcast_shapes(*(np.shape(v) for v in extents.values()))
        return np.full(shape, 4 * ENTRIES if TABLES in parts else 0, np.int64)

    def param_block(self, layout: str, parts: Parts, box: Box, last: bool) -> bytes:
        return self.table.array.tobytes() if TABLES in parts else b""


def softmax_error_steps(operator: Softmax) -> float:
    """Bound on |y before rounding - exact softmax / scale_y|, in output steps.

    A probability p = e/s has errors from three roundings. Per term of the sum at most half a unit of
    2^sum_shift plus half a unit of the table, the sum being at least table[0]; the multiplier half a
    unit, and d two units of truncation; e half a unit of the table. All relative to the largest value
    of the quotient, 1/scale_y. Below one step, the rounded result is within 1 LSB of float.
    """
    largest = float(operator.table.array.max())
    steps = 2.0 ** (operator.sum_shift + 16) / operator.multiplier
    summed = operator.channels * (2.0 ** (operator.sum_shift - 1) + 0.5) / largest
    scaled = 0.5 / operator.multiplier + 2.0 * steps / largest
    return steps * (summed + scaled + 0.5 / largest)


def softmax_from_scales(
    name: str,
    rows: int,
    channels: int,
    x: Tensor,
    y: Tensor,
    causal: tuple[int, int] | None = None,
    position: Tensor | None = None,
    causal_heads: int = 1,
) -> Softmax:
    """The softmax of real values x.scale * code over rows of `channels`.

    causal: (period, offset) of a mask; position: an int32 [1] that is added to the offset;
    causal_heads: neighbouring rows of one query.
    The table has as many fraction bits as a row's sum leaves room for. Raises OperatorError where the
    error bound reaches one output step (more than some 4000 channels at scale 1/256), or the output
    step is not between 2^-15 and 1/2.
    """
    require(2**-15 <= y.scale <= 0.5, f"{name}: softmax cannot produce output steps of {y.scale}")
    sum_shift = math.floor(-math.log2(y.scale))
    # The row sum reaches channels * 2^(bits - sum_shift): leave it, and e + d/2, inside 32 bits.
    bits = min(31, 31 - math.ceil(math.log2(channels)) + sum_shift)
    distances = np.arange(ENTRIES) * x.scale
    table = np.rint(np.ldexp(np.exp(-distances), bits)).astype(np.uint32)
    operator = Softmax(
        name=name,
        inputs=(x.name, position.name) if position else (x.name,),
        output=y.name,
        rows=rows,
        channels=channels,
        table=Constant(table),
        sum_shift=sum_shift,
        multiplier=round(math.ldexp(y.scale, sum_shift + 16)),
        zero_point=y.zero_point,
        high=y.dtype.high,
        input_type=x.dtype,
        output_type=y.dtype,
        causal_period=causal[0] if causal else 0,
        causal_offset=causal[1] if causal else 0,
        causal_heads=causal_heads,
    )
    error = softmax_error_steps(operator)
    require(error < 1, f"{name}: softmax over {channels} channels would be off by up to {error:.1f} steps")
    return operator
