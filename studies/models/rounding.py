"""Coarse grids for measured numbers, so that the last bit of a float kernel never reaches a file.

Statistics come out of float32 kernels whose summation order depends on the processor. Rounded to few
bits they are the same everywhere, and so are the weights, scales and hashes that follow from them.
"""

import math

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

_BITS = 6
"""Of the statistics of thousands of channels, each of which could fall on the edge of a step."""

_RANGE_BITS = 10
"""Of the tens of activation ranges. Coarser, the ratios of their scales would be simple fractions, and sums
of requantised tensors would fall halfway between two integers far more often than in real networks."""


def round_mantissa(values: NDArray[np.floating]) -> FloatArray:
    """`values` with six significant bits; zero stays zero. Any shape."""
    mantissa, exponent = np.frexp(values.astype(np.float64))
    return _scaled(np.round(np.ldexp(mantissa, _BITS)), exponent - _BITS)


def round_to_step(values: NDArray[np.floating], spread: NDArray[np.floating]) -> FloatArray:
    """`values` on a grid of 1/64 of the power of two at or above `spread`, which is positive.

    For what may be close to zero by cancellation (a mean beside its deviation), where six significant
    bits would be six bits of noise. The shapes broadcast.
    """
    _, exponent = np.frexp(spread.astype(np.float64))
    scaled = np.ldexp(values.astype(np.float64), _BITS - exponent)
    return _scaled(np.round(scaled), exponent - _BITS)


def round_range(low: float, high: float) -> tuple[float, float]:
    """(low, high), not empty, its ends on a grid of 1/1024 of the power of two at or above its width."""
    _, exponent = math.frexp(high - low)
    step = math.ldexp(1.0, exponent - _RANGE_BITS)
    return round(low / step) * step, round(high / step) * step


def _scaled(integers: NDArray[np.floating], exponent: NDArray[np.integer]) -> FloatArray:
    """integers * 2**exponent."""
    result: FloatArray = np.ldexp(integers, exponent).astype(np.float32)
    return result
