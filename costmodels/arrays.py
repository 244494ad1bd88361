"""Array arithmetic that all cost formulas share. Counts are float64, exact below 2^53."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from costmodels.work import FloatArray

Counts = npt.NDArray[np.number[Any]]


def floats(values: npt.ArrayLike) -> FloatArray:
    """The values as float64, without a copy where they are already."""
    return np.asarray(values, np.float64)


def ceil_div(values: npt.ArrayLike, divisor: float) -> FloatArray:
    """Elementwise values / divisor rounded up; exact for whole numbers below 2^53."""
    return np.asarray(np.ceil(floats(values) / divisor))


def floor_div(values: npt.ArrayLike, divisor: float) -> FloatArray:
    """Elementwise values / divisor rounded down; exact for whole numbers below 2^53."""
    return np.asarray(np.floor(floats(values) / divisor))


def mean_of(total: npt.ArrayLike, count: npt.ArrayLike) -> FloatArray:
    """total / count, and 0 where count is 0 (as total then is)."""
    return floats(total) / np.maximum(floats(count), 1.0)
