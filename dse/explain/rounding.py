"""Whole numbers that add up where the fractions did."""

from __future__ import annotations

import math
from collections.abc import Sequence


def apportion(values: Sequence[float], total: int) -> tuple[int, ...]:
    """Whole parts of `total` in the proportions of `values` that (nearly) add up to it.

    Largest remainders: every value is rounded down, and what is missing goes one by one to the largest
    fractions, of equal ones to the first. No part is then 1 or more away from its value, and a value that is
    whole keeps its number. Raises ValueError where the sum is further than 1 from `total`.
    """
    if abs(sum(values) - total) > 1 + 1e-6 * max(1.0, abs(total)):
        raise ValueError(f"{sum(values)} is no sum that rounds to {total}")
    whole = [math.floor(value) for value in values]
    missing = total - sum(whole)
    by_fraction = sorted(range(len(whole)), key=lambda k: whole[k] - values[k])
    for place in range(abs(missing)):
        where = by_fraction[place] if missing > 0 else by_fraction[-1 - place]
        whole[where] += 1 if missing > 0 else -1
    return tuple(whole)
