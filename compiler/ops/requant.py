"""The one integer semantics: y = clamp((acc * mul + add) >> shift, low, high) in 32 bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compiler.ir.tensor import Constant, IntArray, IntType
from compiler.ops.base import require

Reals = npt.NDArray[np.float64]

LIMIT = 2**31
MAX_SHIFT = 31


@dataclass(frozen=True)
class Requant:
    """Requantisation of int32 accumulators, per channel: clamp((acc*mul + add) >> shift, low, high).

    mul, add: int32[C]; shift 0..31; low, high: the bounds of the output code, inclusive. The operator
    that holds it has proven that |acc*mul| + |add| < 2^31 for every input.
    """

    mul: Constant
    add: Constant
    shift: int
    low: int
    high: int

    @property
    def channels(self) -> int:
        return self.mul.array.size

    def check(self, name: str, channels: int, output_type: IntType, acc_abs_max: IntArray) -> None:
        """Raise OperatorError unless it is well formed and no accumulator up to the bound overflows."""
        for table in (self.mul, self.add):
            good = table.array.dtype == np.int32 and table.array.shape == (channels,)
            require(good, f"{name}: requantisation tables must be int32[{channels}]")
        check_clamp(name, self.shift, self.low, self.high, output_type)
        check_overflow(name, self.mul.array, self.add.array, acc_abs_max)


def check_clamp(name: str, shift: int, low: int, high: int, output_type: IntType) -> None:
    """Raise OperatorError unless shift and clamp bounds are possible for `output_type`."""
    require(0 <= shift <= MAX_SHIFT, f"{name}: shift {shift} is outside 0..{MAX_SHIFT}")
    inside = output_type.low <= low <= high <= output_type.high
    require(inside, f"{name}: clamp [{low}, {high}] does not fit {output_type.value}")


def check_overflow(name: str, mul: IntArray, add: IntArray, acc_abs_max: IntArray | int) -> None:
    """Raise OperatorError unless |acc|max*|mul| + |add| < 2^31 everywhere."""
    worst = magnitude(acc_abs_max) * magnitude(mul) + magnitude(add)
    need = int(worst.max(initial=0))
    require(need < LIMIT, f"{name}: requantisation may reach {need}, 32 bits hold less than {LIMIT}")


def magnitude(values: IntArray | int) -> npt.NDArray[np.int64]:
    """Absolute values in int64 (of any int32, without overflow)."""
    return np.abs(np.asarray(values, np.int64))


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


def fixed(values: Reals | float, shift: int) -> npt.NDArray[np.int64]:
    """Real values in fixed point with `shift` fraction bits, rounded to nearest."""
    return np.rint(np.ldexp(np.asarray(values, np.float64), shift)).astype(np.int64)


def offset_table(addends: Sequence[Reals | float], zero_point: int, shift: int) -> npt.NDArray[np.int64]:
    """add = sum of round(addend*2^shift) + (zero_point << shift) + half, which rounds half up.

    `addends` are real values in output steps (the bias, the share of the input's zero point).
    """
    half = 1 << (shift - 1) if shift else 0
    base = np.asarray((zero_point << shift) + half, np.int64)
    for addend in addends:
        base = base + fixed(addend, shift)
    return base


def choose_shift(
    multipliers: Reals, addends: Sequence[Reals | float], zero_point: int, acc_abs_max: IntArray
) -> int:
    """The largest shift <= 31 for which |acc|max*|mul| + |add| < 2^31 on every channel.

    multipliers: real, output steps per accumulator unit, [C]; addends and zero_point as in
    `offset_table`. Raises OperatorError where even shift 0 overflows.
    """
    for shift in range(MAX_SHIFT, -1, -1):
        mul = fixed(multipliers, shift)
        # A float test first: a product of two large int64 numbers could wrap and look small.
        rough = acc_abs_max.astype(np.float64) * np.abs(mul)
        if float(rough.max(initial=0)) < 2 * LIMIT and int(magnitude(mul).max(initial=0)) < LIMIT:
            worst = magnitude(acc_abs_max) * magnitude(mul)
            worst = worst + magnitude(offset_table(addends, zero_point, shift))
            if int(worst.max(initial=0)) < LIMIT:
                return shift
    require(False, "requantisation overflows 32 bits even without a shift")
    raise AssertionError


def derive_requant(
    multipliers: Reals,
    addends: Sequence[Reals],
    zero_point: int,
    acc_abs_max: IntArray,
    bounds: tuple[int, int],
) -> Requant:
    """The Requant of y = acc*multipliers + sum(addends) + zero_point, clamped to `bounds`.

    Every array is [C]. Where a multiplier rounds to zero although taking 1 instead moves no result by
    more than 1/16 step, it becomes 1: an NPU wants positive multipliers.
    Raises OperatorError where 32 bits do not hold it.
    """
    shift = choose_shift(multipliers, addends, zero_point, acc_abs_max)
    mul = fixed(multipliers, shift)
    mul[(mul == 0) & (magnitude(acc_abs_max) << 4 <= 1 << shift)] = 1
    add = np.broadcast_to(offset_table(addends, zero_point, shift), mul.shape)
    check_overflow("requantisation", mul, add, acc_abs_max)
    return Requant(Constant(mul.astype(np.int32)), Constant(add.astype(np.int32)), shift, *bounds)
