"""Non-negative least squares by active sets (Lawson, Hanson, Solving Least Squares Problems, ch. 23)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from costmodels.work import FloatArray

TOLERANCE = 1e-10
SMALLEST = 1e-2
"""Residuals below this weigh as this."""

Mask = npt.NDArray[np.bool_]


def nonnegative(matrix: FloatArray, target: FloatArray) -> FloatArray:
    """The x >= 0 [n] that minimises |matrix x - target|; matrix [m, n], target [m].

    Columns are scaled to length 1 for the search, so that units do not matter; columns of zeros stay 0.
    """
    scale = np.sqrt((matrix * matrix).sum(axis=0))
    unit = matrix / np.where(scale > 0, scale, 1.0)
    x: FloatArray = np.zeros(matrix.shape[1])
    passive: Mask = np.zeros(len(x), bool)
    for _ in range(3 * len(x)):
        gradient = np.where(passive | (scale == 0), -np.inf, unit.T @ (target - unit @ x))
        entering = int(np.argmax(gradient))
        if gradient[entering] <= TOLERANCE * np.abs(target).max(initial=1.0):
            break
        passive[entering] = True
        x, passive = _descend(unit, target, x, passive)
    return np.asarray(x / np.where(scale > 0, scale, 1.0))


def nonnegative_robust(matrix: FloatArray, target: FloatArray, rounds: int = 20) -> FloatArray:
    """The x >= 0 [n] that nearly minimises the sum of |matrix x - target|, by reweighted least squares.

    A few rows that the model does not explain pull it less than squares do.
    """
    x = nonnegative(matrix, target)
    for _ in range(rounds):
        weight = 1.0 / np.sqrt(np.maximum(np.abs(matrix @ x - target), SMALLEST))
        x = nonnegative(matrix * weight[:, None], target * weight)
    return x


def _descend(unit: FloatArray, target: FloatArray, x: FloatArray, passive: Mask) -> tuple[FloatArray, Mask]:
    """The least squares on the passive columns, leaving those that would turn negative."""
    while passive.any():
        trial = np.zeros(len(x))
        trial[passive] = np.linalg.lstsq(unit[:, passive], target, rcond=None)[0]
        falling = passive & (trial <= 0)
        if not falling.any():
            return trial, passive
        step = (x[falling] / np.maximum(x[falling] - trial[falling], TOLERANCE)).min()
        x = x + step * (trial - x)
        passive = passive & (x > TOLERANCE)
    return np.zeros(len(x)), passive
