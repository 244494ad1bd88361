"""Integer normalisation is within its documented bound of real arithmetic, for every width and spread."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from compiler.ir import IntType, Tensor
from compiler.ir.tensor import IntArray
from compiler.ops.base import OperatorError
from compiler.ops.norm import Norm, RealNorm, norm_from_scales, reciprocal_root
from tests.compiler.ops.tiles import run_whole

WIDTHS = (1, 2, 3, 5, 16, 48, 64, 65, 257, 512, 4096)
ROWS = 24


def real_norm(rng: np.random.Generator, centred: bool, channels: int, epsilon: float) -> RealNorm:
    gamma = rng.uniform(0.2, 2.0, channels) * rng.choice([1, 1, -1], channels)
    return RealNorm(centred, gamma, rng.normal(0, 0.3, channels), epsilon)


def codes_of(rng: np.random.Generator, x: Tensor) -> IntArray:
    """Rows of every spread around the zero point, the last ones: all equal, one hot, one lowest."""
    spread = 2.0 ** rng.uniform(-2, 8 * x.dtype.bytes - 1, (ROWS, 1))
    wide = np.rint(rng.normal(0, spread, x.shape)) + x.zero_point
    wide[-3:] = x.zero_point
    wide[-2, 0], wide[-1, -1] = x.zero_point + 1, x.dtype.low
    codes: IntArray = np.clip(wide, x.dtype.low, x.dtype.high).astype(x.dtype.dtype)
    return codes


@pytest.mark.parametrize("dtype", [IntType.I8, IntType.U8, IntType.I16])
@pytest.mark.parametrize("epsilon", [0.0, 1e-5, 0.1])
@pytest.mark.parametrize("centred", [False, True])
def test_error_is_below_the_bound_and_one_step(centred: bool, epsilon: float, dtype: IntType) -> None:
    rng = np.random.default_rng([centred, int(epsilon * 1e6), dtype.bytes])
    for channels in WIDTHS:
        if centred and dtype is IntType.I16 and channels > 1024:
            continue
        zero = int(rng.integers(-10, 11)) + dtype.low + 2 ** (8 * dtype.bytes - 1)
        x = Tensor("x", (ROWS, channels), dtype, float(10 ** rng.uniform(-4, -1)), zero)
        y = Tensor("y", x.shape, IntType.I8, float(rng.uniform(0.01, 0.06)), -3)
        real = real_norm(rng, centred, channels, epsilon)
        op = norm_from_scales("norm", real, ROWS, x, y)
        codes = codes_of(rng, x)
        with np.errstate(invalid="ignore"):  # 0 / 0 where all codes are equal and epsilon is 0
            exact = np.nan_to_num(real(x.scale * (codes.astype(np.float64) - zero)) - real.beta) + real.beta
        expected = np.clip(exact / y.scale + y.zero_point, -128, 127)
        bound = real.error_steps(y, (-128, 127))
        assert bound < min(1.0, 0.03 * math.sqrt(channels) + 0.02)
        result = run_whole(op, {"x": x, "y": y}, [codes])
        assert np.abs(result - expected).max() <= 0.5 + bound
        assert np.abs(result - np.rint(expected)).max() <= 1


def test_a_typical_bound() -> None:
    """A row of 64 over a range of 8: a hundredth of an output step."""
    real = RealNorm(False, np.ones(64), np.zeros(64), 1e-5)
    y = Tensor("y", (1, 64), IntType.I8, 8 / 127, 0)
    assert 0.005 < real.error_steps(y, (-128, 127)) < 0.03


def test_reciprocal_root_of_any_double_word() -> None:
    rng = np.random.default_rng(0)
    words = [1, 2, 3, 4, 2**32 - 1, 2**32, 2**62, 2**63, 2**64 - 1]
    words += [int(2 ** rng.uniform(0, 63.9)) for _ in range(2000)]
    reciprocals, shifts = reciprocal_root(np.array(words, np.uint64))
    for word, reciprocal, shift in zip(words, reciprocals.tolist(), shifts.tolist(), strict=True):
        assert 2**62 <= word << 2 * shift < 2**64
        assert 2**15 < reciprocal <= 2**16
        assert reciprocal * 2.0 ** (shift - 47) == pytest.approx(1 / math.sqrt(word), rel=2**-15 + 2**-16)


def made(**changes: Any) -> Norm:
    x, y = Tensor("x", (1, 8), IntType.I8, 0.1), Tensor("y", (1, 8), IntType.I8, 0.05)
    op = norm_from_scales("norm", RealNorm(True, np.ones(8), np.zeros(8), 0.0), 1, x, y)
    return dataclasses.replace(op, **changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"input_type": IntType.I32}, "8-bit or int16 input"),
        ({"epsilon": 2**64}, "beyond 64 bits"),
        ({"epsilon": -1}, "beyond 64 bits"),
        ({"channels": 4}, r"int32\[4\]"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(OperatorError, match=said):
        made(**changes)


def test_too_wide_rows_are_refused() -> None:
    """Words that would overflow, and an output finer than the arithmetic."""
    x = Tensor("x", (1, 2**16), IntType.U8, 0.1)
    real = RealNorm(True, np.ones(2**16), np.zeros(2**16), 0.0)
    with pytest.raises(OperatorError, match="bits do not hold"):
        norm_from_scales("norm", real, 1, x, Tensor("y", x.shape, IntType.I8, 10.0))
    with pytest.raises(OperatorError, match="would be off by up to"):
        norm_from_scales("norm", real, 1, x, Tensor("y", x.shape, IntType.I8, 0.001))
    tiny, coarse = Tensor("x", x.shape, IntType.U8, 1e-9), Tensor("y", x.shape, IntType.I8, 10.0)
    with pytest.raises(OperatorError, match="beyond 64 bits"):
        norm_from_scales("norm", dataclasses.replace(real, epsilon=1.0), 1, tiny, coarse)
