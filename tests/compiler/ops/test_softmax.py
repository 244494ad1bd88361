"""Softmax in 32 bits is within its documented bound of float, for every width."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.ir import IntType, Tensor
from compiler.ir.tensor import IntArray
from compiler.ops.base import OperatorError
from compiler.ops.softmax import Softmax, softmax_error_steps, softmax_from_scales
from tests.compiler.ops.tiles import run_whole

WIDTHS = (*range(2, 40), *range(40, 1001, 60), 1000)


def build(channels: int, rows: int, x_scale: float, y_scale: float) -> tuple[Softmax, Tensor, Tensor]:
    x = Tensor("x", (rows, channels), IntType.I8, x_scale, 5)
    y = Tensor("y", x.shape, IntType.U8, y_scale, 0)
    return softmax_from_scales("softmax", rows, channels, x, y), x, y


def rows_of(rng: np.random.Generator, rows: int, channels: int) -> IntArray:
    """Uniform, peaked and flat rows; the last two all equal and one hot."""
    spread = rng.choice([1, 10, 60, 300], (rows, 1))
    codes = np.clip(np.rint(rng.normal(0, spread, (rows, channels))), -128, 127).astype(np.int8)
    codes[-1] = -128
    codes[-2] = -128
    codes[-2, 0] = 127
    return codes


@pytest.mark.parametrize("y_scale", [1 / 256, 0.0039, 1 / 127, 0.0031])
@pytest.mark.parametrize("x_scale", [0.004, 0.06, 0.5])
def test_error_is_below_the_bound_and_one_step(x_scale: float, y_scale: float) -> None:
    rng = np.random.default_rng(2)
    for channels in WIDTHS:
        op, x, y = build(channels, 20, x_scale, y_scale)
        codes = rows_of(rng, 20, channels)
        real = np.exp((codes.astype(np.float64) - codes.max(1, keepdims=True)) * x_scale)
        expected = np.minimum(real / real.sum(1, keepdims=True) / y_scale, 255)
        result = run_whole(op, {"x": x, "y": y}, [codes])
        bound = softmax_error_steps(op)
        assert bound < 0.3
        assert np.abs(result - expected).max() <= 0.5 + bound
        assert np.abs(result - np.rint(expected)).max() <= 1


def test_too_many_channels_are_refused() -> None:
    with pytest.raises(OperatorError, match="would be off by up to"):
        build(2**14, 1, 0.1, 1 / 256)


def test_useless_output_scales_are_refused() -> None:
    with pytest.raises(OperatorError, match=r"output steps of 1\.0"):
        build(10, 1, 0.1, 1.0)
