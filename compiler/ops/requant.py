"""The one integer semantics: y = clamp((acc * mul + add) >> shift, low, high) in 32 bits.

How the integers come from real values. With M the real multiplier of a channel, mul = round(M * 2^shift)
and add = round(2^shift * everything that is added) + (zero point << shift) + half: derived from the real
values, not from `mul`, so that a channel whose mul is 0 or 3 keeps its bias. What the rounding of mul
costs, (mul - M*2^shift) * acc, grows with acc; `add` therefore takes it back at the accumulator of a
typical output (`null_point`), so that only the distance from there counts, and `error_steps` bounds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compiler.ir.tensor import Constant, IntArray, IntType
from compiler.ops.base import OperatorError, require

Reals = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

LIMIT = 2**31
MAX_SHIFT = 31


@dataclass(frozen=True)
class Requant:
    """Requantisation of int32 accumulators, per channel: clamp((acc*mul + add) >> shift, low, high).

    mul, add: int32[C]; shift 0..31; low, high: the bounds of the output code, inclusive. The operator
    that holds it has proven that acc*mul and acc*mul + add fit 32 bits for every input.
    """

    mul: Constant
    add: Constant
    shift: int
    low: int
    high: int

    def check(
        self, name: str, channels: int, output_type: IntType, acc_range: tuple[IntArray, IntArray]
    ) -> None:
        """Raise OperatorError unless it is well formed and no accumulator in the range overflows."""
        for table in (self.mul, self.add):
            good = table.array.dtype == np.int32 and table.array.shape == (channels,)
            require(good, f"{name}: requantisation tables must be int32[{channels}]")
        check_clamp(name, self.shift, self.low, self.high, output_type)
        check_overflow(name, self.mul.array, self.add.array, acc_range)


def check_clamp(name: str, shift: int, low: int, high: int, output_type: IntType) -> None:
    """Raise OperatorError unless shift and clamp bounds are possible for `output_type`."""
    require(0 <= shift <= MAX_SHIFT, f"{name}: shift {shift} is outside 0..{MAX_SHIFT}")
    inside = output_type.low <= low <= high <= output_type.high
    require(inside, f"{name}: clamp [{low}, {high}] does not fit {output_type.value}")


def check_overflow(name: str, mul: IntArray, add: IntArray, acc_range: tuple[IntArray, IntArray]) -> None:
    """Raise OperatorError unless acc, acc*mul and acc*mul + add fit 32 bits over the whole range."""
    need = peak(mul.astype(np.int64), add.astype(np.int64), acc_range)
    require(need < LIMIT, f"{name}: requantisation may reach {need:.0f}, 32 bits hold less than {LIMIT}")


def code_range(dtype: IntType) -> tuple[IntArray, IntArray]:
    """Least and largest code of a type, [1] each."""
    return np.array([dtype.low]), np.array([dtype.high])


def peak(mul: Int64s, add: Int64s, acc_range: tuple[IntArray, IntArray]) -> float:
    """Largest |acc|, |acc*mul| or |acc*mul + add| for acc in the (low, high) range; all [C].

    Also |mul| and |add|, which must fit a word themselves. In floating point: int64 could wrap, while
    2^31 is far below the 2^53 from which doubles round.
    """
    largest = np.maximum(np.abs(mul), np.abs(add)).astype(np.float64)
    for acc in acc_range:
        product = acc.astype(np.float64) * mul
        largest = np.maximum.reduce([largest, np.abs(product), np.abs(product + add), np.abs(acc)])
    return float(largest.max(initial=0))


def requantise(
    acc: IntArray, mul: IntArray | int, add: IntArray | int, shift: int, low: int, high: int
) -> npt.NDArray[np.int32]:
    """clamp((acc*mul + add) >> shift, low, high) as 32-bit hardware computes it; shape of `acc`.

    `mul` and `add` broadcast over the last axis. Raises OverflowError where 32 bits do not hold the
    product or the sum: the proof that came with the operator was wrong.
    """
    product = acc.astype(np.int64) * mul
    total = product + add
    for value in (product, total):
        if value.size and not -LIMIT <= int(value.min()) <= int(value.max()) < LIMIT:
            raise OverflowError(f"requantisation overflows 32 bits: {value.min()}..{value.max()}")
    out: npt.NDArray[np.int32] = np.clip(total >> shift, low, high).astype(np.int32)
    return out


def fixed(values: Reals | float, shift: int) -> Int64s:
    """Real values in fixed point with `shift` fraction bits, rounded to nearest.

    Values beyond int64 saturate: far too large for the 32 bits that callers test for.
    """
    scaled = np.rint(np.ldexp(np.asarray(values, np.float64), shift))
    return np.clip(scaled, -(2.0**62), 2.0**62).astype(np.int64)


def offset_table(addends: Sequence[Reals | float], zero_point: int, shift: int) -> Int64s:
    """add = round(sum of addends * 2^shift) + (zero_point << shift) + half, which rounds half up.

    `addends` are real values in output steps (the bias, the share of the input's zero point).
    """
    half = 1 << (shift - 1) if shift else 0
    total = np.sum(np.broadcast_arrays(*(np.asarray(a, np.float64) for a in addends), 0.0), axis=0)
    return fixed(total, shift) + (zero_point << shift) + half


@dataclass(frozen=True)
class RealAffine:
    """y = acc*multipliers + sum(addends) + zero_point in output steps, clamped to `bounds`.

    multipliers and each addend: real, [C]. acc_range: the (least, largest) accumulators, [C] each.
    """

    multipliers: Reals
    addends: tuple[Reals, ...]
    zero_point: int
    acc_range: tuple[IntArray, IntArray]
    bounds: tuple[int, int]

    @property
    def null_point(self) -> Reals:
        """The accumulator of a typical output, where the rounding of mul shall cost nothing; [C].

        Typical is half-way between the zero point, around which codes crowd, and the middle of the
        clamp range, from which no output is far. Outputs that saturate cannot err.
        """
        return self._accumulator_of((self.zero_point + sum(self.bounds) / 2) / 2)

    def _accumulator_of(self, output: float) -> Reals:
        """The accumulator in the range whose real output comes nearest to `output`; [C]."""
        constant = sum(self.addends, np.zeros(self.multipliers.shape)) + self.zero_point
        steep = np.where(self.multipliers == 0, np.finfo(np.float64).tiny, self.multipliers)
        with np.errstate(over="ignore"):
            return np.clip((output - constant) / steep, *self.acc_range)

    def integers(self, shift: int) -> tuple[Int64s, Int64s]:
        """(mul, add) for a shift.

        Where mul rounds to 0 although 1 moves no result by more than half a step, it is 1: the result
        stays within 1 LSB, and an NPU wants positive multipliers (MobileNetV1 has such channels).
        """
        mul = fixed(self.multipliers, shift)
        widest = np.maximum.reduce([np.abs(acc) for acc in self.acc_range])
        mul[(mul == 0) & (widest << 1 <= 1 << shift)] = 1
        rounding = self.multipliers - np.ldexp(mul.astype(np.float64), -shift)
        add = offset_table((*self.addends, rounding * self.null_point), self.zero_point, shift)
        return mul, add

    def error_steps(self, shift: int) -> Reals:
        """Bound on |integer result before its last rounding - real result| where neither saturates; [C].

        In output steps. The slope's error counts from the null point to the accumulators at which the
        output saturates. Below 1, the code is within 1 LSB of the rounded real value.
        """
        mul, _ = self.integers(shift)
        slope = np.abs(np.ldexp(mul.astype(np.float64), -shift) - self.multipliers)
        ends = [self._accumulator_of(bound) for bound in self.bounds]
        return slope * np.maximum(*(np.abs(end - self.null_point) for end in ends)) + 2.0 ** -(shift + 1)

    def choose_shift(self) -> int:
        """The largest shift <= 31 at which nothing leaves 32 bits; OperatorError where none does."""
        for shift in range(MAX_SHIFT, -1, -1):
            if peak(*self.integers(shift), self.acc_range) < LIMIT:
                return shift
        raise OperatorError("a requantisation overflows 32 bits even without a shift")

    def requant(self) -> Requant:
        """The integers of the best shift; raises OperatorError where 32 bits do not hold any."""
        shift = self.choose_shift()
        mul, add = (Constant(table.astype(np.int32)) for table in self.integers(shift))
        return Requant(mul, add, shift, *self.bounds)
