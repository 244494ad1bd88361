"""Exact non-dominated filters on arrays of points; every column is minimised.

Divide and conquer over one coordinate at a time (Kung, Luccio, Preparata 1975; Bentley 1980), with numpy
doing the leaves. A row *weakly dominates* another if it is no larger in any column. Of equal rows exactly one
survives: the first in the input.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

# Below these sizes one broadcast comparison is cheaper than another level of recursion (measured, numpy 2).
_LEAF_ROWS = 256
_LEAF_PAIRS = 1 << 16
_FEW_ROWS = 24  # which columns vary is then not worth finding out
_SMALL_GROUP = 12  # rows a group: below, one pass for all groups is cheaper than a call for each
_EARLIER = np.triu(np.ones((_LEAF_ROWS, _LEAF_ROWS), dtype=bool), 1)


def nondominated(points: FloatArray) -> IntArray:
    """Indices of the non-dominated rows of `points` [n, d], one per set of equal rows, in lexicographic
    order.
    """
    points = _matrix(points)
    order = np.lexsort(points.T[::-1]) if len(points) else np.zeros(0, np.int64)
    return np.asarray(order[_nondominated_sorted(points[order])], dtype=np.int64)


def nondominated_in_groups(points: FloatArray, group: IntArray) -> IntArray:
    """Indices of the rows of `points` [n, d], d >= 2, that no row of the same `group` [n] dominates, ordered
    by group.

    Groups are filtered one by one. Where they are small, one pass serves all: shifting the first column up
    and the second down with the group number makes rows of different groups incomparable. Ranks take the
    place of values so that the shift is exact.
    """
    points = _matrix(points)
    if points.shape[1] < 2:
        raise ValueError(f"grouped filter needs at least 2 columns, got {points.shape[1]}")
    if len(points) == 0:
        return np.zeros(0, np.int64)
    order = _by_group(points, group)
    ends = np.append(np.flatnonzero(np.diff(group[order])) + 1, len(order))
    if len(ends) * _SMALL_GROUP <= len(order):
        rows, begins = points[order], (0, *ends[:-1].tolist())
        parts = [_nondominated_sorted(rows[a:b]) for a, b in zip(begins, ends.tolist(), strict=True)]
        return np.asarray(order[np.concatenate(parts)], dtype=np.int64)
    shifted = points.copy()
    for column, sign in ((0, 1), (1, -1)):
        rank = np.unique(points[:, column], return_inverse=True)[1]
        shifted[:, column] = rank + sign * group * len(points)
    return nondominated(shifted)


def _by_group(points: FloatArray, group: IntArray) -> IntArray:
    """The rows by group, then lexicographically; equal first values, which are rare, are looked for first."""
    order = np.argsort(points[:, 0], kind="stable")
    order = order[np.argsort(_short(group)[order], kind="stable")]
    first, code = points[order, 0], group[order]
    if ((first[1:] == first[:-1]) & (code[1:] == code[:-1])).any():
        order = np.lexsort((*points.T[::-1], group))
    return np.asarray(order, dtype=np.int64)


def _short(group: IntArray) -> NDArray[np.integer]:
    """The same numbers in 16 bits where they fit: those are sorted by radix."""
    fits = len(group) == 0 or (group.min() >= 0 and group.max() < 1 << 16)
    return group.astype(np.uint16) if fits else group


def filter_against(judges: FloatArray, points: FloatArray) -> BoolArray:
    """Mask [n] of the rows of `points` [n, d] that no row of `judges` [m, d] weakly dominates."""
    judges, points = _matrix(judges), _matrix(points)
    if judges.shape[1] != points.shape[1]:
        raise ValueError(f"judges have {judges.shape[1]} columns, points have {points.shape[1]}")
    alive = np.ones(len(points), dtype=bool)
    _strike(judges, points, alive, np.arange(len(points)), 0)
    return alive


def _matrix(points: FloatArray) -> FloatArray:
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] == 0:
        raise ValueError(f"points must be a matrix with at least one column, got shape {points.shape}")
    return points


def _nondominated_sorted(points: FloatArray) -> BoolArray:
    """Mask of non-dominated rows of lexicographically sorted `points`; the first of equal rows wins."""
    alive = np.ones(len(points), dtype=bool)
    if len(points) < 2:
        return alive
    if len(points) <= _FEW_ROWS and points.shape[1] > 2:
        _thin(points, alive, 0, len(points))
        return alive
    varying = points[:, points.min(axis=0) < points.max(axis=0)]
    if varying.shape[1] < 2:
        alive[1:] = False
    elif varying.shape[1] == 2:
        alive[1:] = varying[1:, 1] < np.minimum.accumulate(varying[:-1, 1])
    else:
        _thin(varying, alive, 0, len(varying))
    return alive


def _thin(points: FloatArray, alive: BoolArray, begin: int, end: int) -> None:
    """Clear `alive` on dominated rows of the sorted range [begin, end): only earlier rows can dominate later
    ones.
    """
    if end - begin <= _LEAF_ROWS:
        block = points[begin:end]
        worse = _pairs(block, block, 1)  # sorted: an earlier row is no larger in the first column
        worse &= _EARLIER[: end - begin, : end - begin]
        alive[begin:end] = ~worse.any(axis=0)
        return
    middle = (begin + end) // 2
    _thin(points, alive, begin, middle)
    _thin(points, alive, middle, end)
    judges = points[begin:middle][alive[begin:middle]]
    rest = middle + np.flatnonzero(alive[middle:end])
    _strike(judges, points[rest], alive, rest, 1)


def _pairs(judges: FloatArray, points: FloatArray, first: int) -> BoolArray:
    """[m, n]: judge i is no larger than point j in every column from `first` on."""
    left, right = judges.T[:, :, None], points.T[:, None, :]
    result: BoolArray = left[first] <= right[first]
    for column in range(first + 1, points.shape[1]):
        result &= left[column] <= right[column]
    return result


def _strike(judges: FloatArray, points: FloatArray, alive: BoolArray, index: IntArray, first: int) -> None:
    """Clear alive[index[j]] where a judge is no larger than point j in every column from `first` on."""
    if len(judges) == 0 or len(points) == 0:
        return
    columns = points.shape[1] - first
    if columns == 1:
        alive[index[points[:, first] >= judges[:, first].min()]] = False
    elif columns == 2:
        alive[index[_under_staircase(judges, points, first)]] = False
    elif len(judges) * len(points) <= _LEAF_PAIRS:
        alive[index[_pairs(judges, points, first).any(axis=0)]] = False
    else:
        _strike_split(judges, points, alive, index, first)


def _under_staircase(judges: FloatArray, points: FloatArray, first: int) -> BoolArray:
    order = np.argsort(judges[:, first], kind="stable")
    lowest = np.minimum.accumulate(judges[order, first + 1])
    position = np.searchsorted(judges[order, first], points[:, first], side="right")
    dominated = position > 0
    dominated &= lowest[np.maximum(position, 1) - 1] <= points[:, first + 1]
    return dominated


def _strike_split(
    judges: FloatArray, points: FloatArray, alive: BoolArray, index: IntArray, first: int
) -> None:
    """Halve both sets at a value of column `first`; low judges need not look at that column for high
    points.
    """
    judge_key, point_key = judges[:, first], points[:, first]
    if judge_key.max() <= point_key.min():
        _strike(judges, points, alive, index, first + 1)
        return
    if judge_key.min() > point_key.max():
        return
    keys = np.concatenate([judge_key, point_key])
    pivot = np.partition(keys, len(keys) // 2)[len(keys) // 2]
    if pivot == keys.min():  # more than half are equal to the smallest: split just above it
        pivot = keys[keys > pivot].min()
    low_judge, low_point = judge_key < pivot, point_key < pivot
    _strike(judges[low_judge], points[low_point], alive, index[low_point], first)
    high = np.flatnonzero(~low_point)
    high = high[alive[index[high]]]
    _strike(judges[low_judge], points[high], alive, index[high], first + 1)
    high = high[alive[index[high]]]
    _strike(judges[~low_judge], points[high], alive, index[high], first)
