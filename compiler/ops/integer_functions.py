"""Functions of one integer code that the integer dialect defines, exact, and their tables.

Where the input has 8 bits and a RequantShift follows, such a function is a `Lut` with 256 entries,
whatever happens in between: no kernel, no 32-bit tensor. All take and give int64 arrays.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from compiler.ops.base import require

Int64s = npt.NDArray[np.int64]


def hard_swish(x: Int64s, three: int, six: int, one_over_six: int) -> Int64s:
    """iHardswish: x * clamp(x + three, 0, six) * one_over_six."""
    product: Int64s = x * np.clip(x + three, 0, six) * one_over_six
    return product


def gelu(x: Int64s, b: int, one: int) -> Int64s:
    """iGELU (I-BERT, arXiv 2101.01321, algorithm 3): x * ((one + sign(x)*(one - (min(|x|, -b) + b)^2)) >> 1).

    b is negative.
    """
    erf = np.sign(x) * (one - (np.minimum(np.abs(x), -b) + b) ** 2)
    product: Int64s = x * ((one + erf) >> 1)
    return product


def true_integer_div(x: Int64s, y: int, delta: int, eps: int, eta: int) -> Int64s:
    """TrueIntegerDiv by a constant y: delta*eta*x / (eta*y + eps), rounded down.

    That reproduces the golden outputs of Deeploy's microLlama models. Deeploy's generic RQDiv kernel rounds
    half away from zero, which does not.
    """
    divisor = eta * y + eps
    require(divisor > 0, f"TrueIntegerDiv: the divisor {divisor} is not positive")
    quotient: Int64s = x * (delta * eta) // divisor
    return quotient


def integer_div(x: Int64s, y: int, delta: int, eps: int, eta: int) -> Int64s:
    """IntegerDiv by a constant y: floor(delta*eta*x / (eta*y + eps) + 1/2), as QuantLib computes it."""
    divisor = eta * y + eps
    require(divisor > 0, f"IntegerDiv: the divisor {divisor} is not positive")
    quotient: Int64s = (2 * x * (delta * eta) + divisor) // (2 * divisor)
    return quotient


def requant_shift(
    x: Int64s, mul: int, add: int, div: int, bounds: tuple[int, int], rounding: bool = True
) -> Int64s:
    """RequantShift: clamp((x*mul + add + (div/2 if rounding)) >> log2(div)), bounds inclusive."""
    require(div > 0 and div & (div - 1) == 0, f"RequantShift: div {div} is not a power of two")
    total = x * mul + add + (div // 2 if rounding else 0)
    clamped: Int64s = np.clip(total >> (div.bit_length() - 1), *bounds)
    return clamped
