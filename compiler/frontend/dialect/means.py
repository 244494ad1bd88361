"""The integers that make a mean of codes exact."""

from __future__ import annotations

from compiler.frontend.dialect.kinds import Shift
from compiler.frontend.errors import Refused
from compiler.ir import IntType

MAX_PRODUCT_BITS = 31


def exact_mean(count: int, dtype: IntType) -> Shift:
    """(sum*mul + add) >> shift = floor(sum/count + 1/2) for every sum of `count` codes of `dtype`.

    mul = ceil(2^shift / count), so that count*mul exceeds 2^shift by e < count; add = 2^(shift-1) - low*e.
    Then what is floored is too large by at most (high - low)*e / 2^shift, and never too small.
    sum/count + 1/2 is at least 1/count below the next integer, for an odd count half of that: what is less
    changes no floor.
    Raises Refused where 32 bits do not hold such a product.
    """
    spread, odd = dtype.high - dtype.low, count % 2
    for shift in range(count > 1, MAX_PRODUCT_BITS):
        mul = -(-(1 << shift) // count)
        excess = count * mul - (1 << shift)
        add = (1 << shift >> 1) - dtype.low * excess
        largest = count * max(-dtype.low, dtype.high) * mul + add
        exact = (1 + odd) * spread * excess * count < 1 << shift
        if exact and largest < 1 << MAX_PRODUCT_BITS:
            return Shift(mul, add, shift, dtype.low, dtype.high)
    raise Refused("axes", f"the mean of {count} codes", "counts whose division is exact in 32 bits")
