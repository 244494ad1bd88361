"""Exact hypervolume (the volume dominated up to a reference point) in two and three dimensions,
minimisation.
"""

from __future__ import annotations

import numpy as np

from dse.solver.pareto import FloatArray, nondominated


def hypervolume(points: FloatArray, reference: FloatArray) -> float:
    """Volume between `points` [n, d], d = 2 or 3, and `reference` [d]; points not below it in every column
    count 0.

    Raises ValueError for another d. Definition: Zitzler and Thiele 1998.
    """
    points, reference = np.asarray(points, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if reference.shape not in {(2,), (3,)} or points.ndim != 2 or points.shape[1] != len(reference):
        raise ValueError(
            f"hypervolume needs points [n, 2] or [n, 3], got {points.shape} and {reference.shape}"
        )
    inside = points[(points < reference).all(axis=1)]
    return _area(inside, reference) if len(reference) == 2 else _volume(inside, reference)


def _area(points: FloatArray, reference: FloatArray) -> float:
    if len(points) == 0:
        return 0.0
    front = points[nondominated(points)]
    right = np.append(front[1:, 0], reference[0])
    return float(((right - front[:, 0]) * (reference[1] - front[:, 1])).sum())


def _volume(points: FloatArray, reference: FloatArray) -> float:
    """Sum of slabs along the third column; within a slab the section is a constant area."""
    heights = np.unique(points[:, 2])
    tops = np.append(heights, reference[2])[1:]
    front = np.zeros((0, 2))
    total = 0.0
    for height, top in zip(heights, tops, strict=True):
        front = np.concatenate([front, points[points[:, 2] == height, :2]])
        front = front[nondominated(front)]
        total += (float(top) - float(height)) * _area(front, reference[:2])
    return total
