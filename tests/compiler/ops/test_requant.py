"""The integer semantics: exact, never overflowing, as precise as 32 bits allow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.ir import IntType, Tensor
from compiler.ir.tensor import Constant
from compiler.ops.accumulate import accumulator_range
from compiler.ops.base import OperatorError
from compiler.ops.conv2d import Conv2d, conv_affine, conv_requant
from compiler.ops.requant import RealAffine, Requant, peak, requantise


def test_requantise_floors_and_clamps() -> None:
    acc = np.array([[-3, 2], [100, 7]], np.int32)
    out = requantise(acc, np.array([2, 5]), np.array([1, -1]), 1, -2, 20)
    assert out.tolist() == [[-2, 4], [20, 17]]


@pytest.mark.parametrize(("mul", "add"), [(2**15, 0), (1, 2**31 - 1), (-(2**16), 0)])
def test_requantise_refuses_to_overflow(mul: int, add: int) -> None:
    with pytest.raises(OverflowError):
        requantise(np.array([2**16]), mul, add, 0, 0, 1)


def naive_range(weights: list[int], low: int, high: int) -> tuple[int, int]:
    least = sum(min(code * w for code in (low, high, 0)) for w in weights)
    return least, sum(max(code * w for code in (low, high, 0)) for w in weights)


@given(st.lists(st.integers(-128, 127), min_size=1, max_size=9), st.booleans())
def test_accumulator_range_is_reached(weights: list[int], signed: bool) -> None:
    low, high = (-128, 127) if signed else (0, 255)
    least, most = accumulator_range(np.array([weights], np.int8), low, high)
    assert (int(least[0]), int(most[0])) == naive_range(weights, low, high)


@settings(deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), depth=st.integers(1, 600), steep=st.floats(-4, 2))
def test_shift_is_the_largest_that_fits(seed: int, depth: int, steep: float) -> None:
    rng = np.random.default_rng(seed)
    acc_range = accumulator_range(rng.integers(-128, 128, (5, depth)), -128, 127)
    multipliers = 10**steep / np.maximum(acc_range[1], 1) * 255 * rng.uniform(0.1, 1, 5)
    affine = RealAffine(multipliers, (rng.normal(0, 50, 5),), 3, acc_range, (-128, 127))
    shift = affine.choose_shift()
    assert peak(*affine.integers(shift), acc_range) < 2**31
    assert shift == 31 or peak(*affine.integers(shift + 1), acc_range) >= 2**31


@settings(deadline=None, derandomize=True, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), depth=st.integers(1, 500))
def test_real_values_are_met_within_the_bound(seed: int, depth: int) -> None:
    """Against the exact affine function, at random codes and at the extreme ones."""
    rng = np.random.default_rng(seed)
    dtype = (IntType.I8, IntType.U8)[rng.integers(2)]
    weights = rng.integers(-127, 128, (6, 1, 1, depth)).astype(np.int8)
    x = Tensor("x", (1, depth), dtype, 0.02, int(rng.integers(dtype.low, dtype.high + 1)))
    y = Tensor(
        "y", (1, 6), dtype, 0.02 * 0.01 * 60 * np.sqrt(depth), int(rng.integers(dtype.low, dtype.high))
    )
    scales, bias = rng.uniform(0.01, 0.02, 6), rng.normal(0, 10 * y.scale, 6)
    codes = rng.integers(dtype.low, dtype.high + 1, (50, depth))
    flat = weights.reshape(6, depth).astype(np.int64)
    codes[:6] = np.where(flat > 0, dtype.high, dtype.low)
    codes[6:12] = np.where(flat > 0, dtype.low, dtype.high)
    affine = conv_affine(weights, x, scales, bias, y)
    r = affine.requant()
    result = requantise(codes @ flat.T, r.mul.array, r.add.array, r.shift, r.low, r.high)
    real = ((codes - x.zero_point) @ flat.T * x.scale * scales + bias) / y.scale + y.zero_point
    bound = affine.error_steps(r.shift)
    assert bound.max() < 1
    error = np.abs(result - np.clip(real, dtype.low, dtype.high))
    assert (error <= 0.5 + bound + 1e-9).all()
    assert np.abs(result - np.clip(np.rint(real), dtype.low, dtype.high)).max() <= 1


def test_dead_channel_keeps_a_positive_multiplier_and_its_bias() -> None:
    weights = np.zeros((2, 1, 1, 4), np.int8)
    weights[0] = 100
    x, y = Tensor("x", (1, 4), IntType.I8, 0.1, -128), Tensor("y", (1, 2), IntType.I8, 0.1, -20)
    requant = conv_requant(weights, x, np.array([0.01, 1e-12]), np.array([0.0, 1.2]), y)
    assert requant.mul.array[1] == 1
    assert requant.add.array[1] >> requant.shift == 12 - 20


def test_scales_that_32_bits_cannot_hold_are_refused() -> None:
    weights = np.ones((1, 1, 1, 4), np.int8)
    x, y = Tensor("x", (1, 4), IntType.I8, 1e9, 0), Tensor("y", (1, 1), IntType.I8, 1e-9, 0)
    with pytest.raises(OperatorError, match="overflows 32 bits"):
        conv_requant(weights, x, 1.0, 0.0, y)


def convolution(weights: tuple[int, ...], requant: Requant, pad_value: int = 0) -> Conv2d:
    return Conv2d(
        name="c",
        inputs=("x",),
        output="y",
        in_shape=(4, 4, 2),
        weights=Constant(np.full(weights, 127, np.int8)),
        requant=requant,
        pad_value=pad_value,
    )


def requant_of(mul: int, channels: int = 3, shift: int = 8, low: int = -128) -> Requant:
    table = Constant(np.full(channels, mul, np.int32))
    return Requant(table, Constant(np.zeros(channels, np.int32)), shift, low, 127)


@pytest.mark.parametrize(
    ("weights", "requant", "pad_value", "message"),
    [
        ((3, 3, 3, 2), requant_of(2**20), 0, "requantisation may reach"),
        ((3, 3, 3, 2), requant_of(1, channels=2), 0, r"int32\[3\]"),
        ((3, 3, 3, 2), requant_of(1, shift=32), 0, "shift 32"),
        ((3, 3, 3, 2), requant_of(1, low=-129), 0, "does not fit int8"),
        ((3, 3, 3, 1), requant_of(1), 0, "1 groups"),
        ((3, 5, 5, 2), requant_of(1), 0, "larger than the input"),
        ((3, 3, 3, 2), requant_of(1), 200, "padding code 200"),
    ],
)
def test_contradictions_are_refused(
    weights: tuple[int, ...], requant: Requant, pad_value: int, message: str
) -> None:
    with pytest.raises(OperatorError, match=message):
        convolution(weights, requant, pad_value)
