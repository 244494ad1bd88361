"""Integer RMS and layer normalisation of rows, within a proven bound of real arithmetic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from compiler.ir.access import Box, Space, TileCall
from compiler.ir.operator import TABLES, Operator, Parts
from compiler.ir.tensor import IntArray, IntType, Tensor
from compiler.ops.base import require
from compiler.ops.requant import Int64s, RealAffine, Reals, Requant, requantise
from compiler.ops.rows import row_space

FRACTION = 12
"""Fraction bits of the sum of squares, so that epsilon rounds to little; even, as its root is shifted."""
UNIT = 15
"""Bits of a normalised element, the largest of any row being 1."""
CODE = 14
"""Bits of a deviation when the reciprocal root, which has 16, multiplies it."""
REACH = (1 << UNIT) + 8
"""No normalised element is larger: 2^UNIT and its errors, see `UNIT_ERROR`."""
UNIT_ERROR = 4.0
"""Bound on the error of a normalised element in its last place.

Relative to at most 2^15: the truncated root 2^-15, its rounded reciprocal 2^-16; and either the rounding of
epsilon, 1/2 of a sum of at least 2^12 under a root, 2^-14, or, where deviations of more than 14 bits lose
bits, half a unit of the largest root, 2^-14. Together 3.5; and 0.5 for the element's own rounding.
"""
INPUTS = (IntType.I8, IntType.U8, IntType.I16)


@dataclass(frozen=True, kw_only=True)
class Norm(Operator):
    """Rows of a (rows, channels) view divided by their root mean square; N = channels.

    centred (layer normalisation):  c = N*x - sum of x,   v = N * sum of x*x - (sum of x)^2
    else (RMS normalisation):       c = x - zero_point,   v = sum of c*c
    In integers, each step exact unless said:
        w = max((v << 12) + epsilon, 2^12) < 2^64;   j the largest shift with w << 2j < 2^64
        r = (2^31 + root/2) / root,   root = isqrt((w << 2j) >> 32)         (16 bits each; truncating)
        q = 26 - j + spread,   h = max(q - 14, 0),   s = min(q, 14)
        u = (((c + (1 << h >> 1)) >> h) * r + (1 << (s - 1))) >> s          (c/sqrt(v + eps) * 2^(15-spread))
        y = clamp((u*mul[channel] + add[channel]) >> shift, low, high)      (gamma, beta and output scale)
    spread: the least integer with 4^spread >= N if centred, else 0. epsilon: in units of v * 2^-12.
    Inputs have 8 bits or are int16; outputs have 8 bits. Raises OperatorError where words do not hold it.
    """

    kind: ClassVar[str] = "norm"
    rows: int
    channels: int
    centred: bool
    zero_point: int
    epsilon: int
    requant: Requant
    input_type: IntType = IntType.I8
    output_type: IntType = IntType.I8

    def __post_init__(self) -> None:
        good = self.input_type in INPUTS and self.output_type.bytes == 1
        require(good, f"{self.name}: norm needs 8-bit or int16 input and 8-bit output")
        reach = np.full(self.channels, REACH)
        self.requant.check(self.name, self.channels, self.output_type, (-reach, reach))
        low, high = self.input_type.low, self.input_type.high
        span = high - low if self.centred else max(high - self.zero_point, self.zero_point - low)
        count = self.channels**2 if self.centred else self.channels
        need = (count * span**2 << FRACTION) + self.epsilon
        require(self.epsilon >= 0 and need < 2**64, f"{self.name}: norm may reach {need}, beyond 64 bits")
        # The narrow kernel adds squares, and c is formed, in 32 bits.
        fits = self.channels * span * (2 if self.input_type.bytes == 2 else span) < 2**31
        require(fits, f"{self.name}: 32 bits do not hold a norm over {self.channels} channels")

    @property
    def spread(self) -> int:
        """The least integer with 4^spread >= the square of the largest possible c / sqrt(v)."""
        return (self.channels - 1).bit_length() + 1 >> 1 if self.centred else 0

    @property
    def kernel(self) -> str:
        """The kernel's name in C and in the cost models."""
        return "layernorm" if self.centred else "rmsnorm"

    def space(self, tensors: Mapping[str, Tensor]) -> Space:
        names, extents = (self.inputs[0], self.output), (self.rows, self.channels)
        return row_space(self.kernel, tensors, names, (self.input_type, self.output_type), extents)

    def compute(
        self,
        call: TileCall,
        inputs: Sequence[IntArray],
        block: bytes,
        layout: str,
        accumulator: IntArray | None,
    ) -> IntArray:
        mul, add = np.frombuffer(block, np.int32).astype(np.int64).reshape(2, self.channels)
        u = self._normalised(inputs[0].astype(np.int64))
        out = requantise(u, mul, add, self.requant.shift, self.requant.low, self.requant.high)
        return out.astype(self.output_type.dtype)

    def _normalised(self, x: Int64s) -> Int64s:
        """u of the definition, int64[rows, channels]."""
        if self.centred:
            total = x.sum(axis=-1, keepdims=True)
            c = self.channels * x - total
            v = self.channels * (x * x).sum(axis=-1, keepdims=True) - total * total
        else:
            c = x - self.zero_point
            v = (c * c).sum(axis=-1, keepdims=True)
        w = np.maximum((v.astype(np.uint64) << np.uint64(FRACTION)) + np.uint64(self.epsilon), 1 << FRACTION)
        reciprocal, j = reciprocal_root(w)
        q = 26 - j + self.spread
        h, s = np.maximum(q - CODE, 0), np.minimum(q, CODE)
        rounded = (c + (1 << h >> 1)) >> h
        u: Int64s = (rounded * reciprocal + (1 << (s - 1))) >> s
        return u

    def param_bytes(
        self, layout: str, parts: Parts, extents: Mapping[str, IntArray], last: IntArray | bool
    ) -> IntArray:
        shape = np.broadcast_shapes(*(np.shape(v) for v in extents.values()))
        return np.full(shape, 8 * self.channels if TABLES in parts else 0, np.int64)

    def param_block(self, layout: str, parts: Parts, box: Box, last: bool) -> bytes:
        tables = self.requant.mul.array.tobytes() + self.requant.add.array.tobytes()
        return tables if TABLES in parts else b""


def reciprocal_root(w: np.ndarray[tuple[int, ...], np.dtype[np.uint64]]) -> tuple[Int64s, Int64s]:
    """(r, j) with 1/sqrt(w) = r * 2^(j - 47), r in (2^15, 2^16], for w > 0; see `Norm`."""
    j = np.zeros(w.shape, np.int64)
    for step in (16, 8, 4, 2, 1):
        small = (w >> np.uint64(64 - 2 * step)) == 0
        w = np.where(small, w << np.uint64(2 * step), w)
        j = j + np.where(small, step, 0)
    # The square root of an integer below 2^32 has no other integer within a double's rounding.
    root = np.floor(np.sqrt((w >> np.uint64(32)).astype(np.float64))).astype(np.int64)
    return (2**31 + (root >> 1)) // root, j


@dataclass(frozen=True)
class RealNorm:
    """x / sqrt(mean of x^2 + epsilon) * gamma + beta on rows, x less its mean if centred.

    gamma, beta: real [channels].
    """

    centred: bool
    gamma: Reals
    beta: Reals
    epsilon: float

    def __call__(self, x: Reals) -> Reals:
        """Rows of real numbers normalised; any leading shape."""
        deviation = x - x.mean(axis=-1, keepdims=True) if self.centred else x
        root = np.sqrt((deviation**2).mean(axis=-1, keepdims=True) + self.epsilon)
        return np.asarray(deviation / root * self.gamma + self.beta)

    def affine(self, y: Tensor, bounds: tuple[int, int]) -> RealAffine:
        """From normalised elements (`Norm`, u) to output steps."""
        channels = self.gamma.size
        # u counts in sqrt(channels): RMS divides by the root of a sum, not of a mean.
        spread = (channels - 1).bit_length() + 1 >> 1 if self.centred else 0
        factor = 2.0 ** (spread - UNIT) if self.centred else math.sqrt(channels) * 2.0**-UNIT
        reach = np.full(channels, REACH)
        multipliers = np.asarray(self.gamma * factor / y.scale, np.float64)
        addends = (np.asarray(self.beta / y.scale, np.float64),)
        return RealAffine(multipliers, addends, y.zero_point, (-reach, reach), bounds)

    def error_steps(self, y: Tensor, bounds: tuple[int, int]) -> float:
        """Bound on |y before its last rounding - real result| in output steps, where it does not saturate.

        Below 1, the code is within 1 LSB of the rounded real value.
        """
        affine = self.affine(y, bounds)
        errors = np.abs(affine.multipliers) * UNIT_ERROR + affine.error_steps(affine.choose_shift())
        return float(errors.max(initial=0.0))


def norm_from_scales(
    name: str, real: RealNorm, rows: int, x: Tensor, y: Tensor, bounds: tuple[int, int] | None = None
) -> Norm:
    """`real` on rows of codes; bounds: clamp in output codes (default: the type's range).

    Raises OperatorError where words do not hold it, or the error bound reaches one output step.
    """
    channels = real.gamma.size
    limits = bounds if bounds is not None else (y.dtype.low, y.dtype.high)
    error = real.error_steps(y, limits)
    require(error < 1, f"{name}: norm over {channels} channels would be off by up to {error:.1f} steps")
    count = channels**2 if real.centred else channels
    epsilon = real.epsilon * count / x.scale**2 * 2.0**FRACTION
    require(epsilon < 2.0**63, f"{name}: epsilon {real.epsilon} at scale {x.scale} is beyond 64 bits")
    return Norm(
        name=name,
        inputs=(x.name,),
        output=y.name,
        rows=rows,
        channels=channels,
        centred=real.centred,
        zero_point=0 if real.centred else x.zero_point,
        epsilon=round(epsilon),
        requant=real.affine(y, limits).requant(),
        input_type=x.dtype,
        output_type=y.dtype,
    )
