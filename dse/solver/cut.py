"""Pruning by a known front: a label goes when all it could still become is excluded or already dominated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dse.solver.bounds import Bounds, weighted
from dse.solver.pareto import BoolArray, FloatArray, IntArray, nondominated

_FAR = 1e300  # a coordinate that is not limited; finite, so that zero weights times it are zero


@dataclass(frozen=True, eq=False)
class Cut:
    """Local upper bounds of a front: a point is *not* weakly dominated iff it lies strictly below some corner [K, d].

    `limits` [K, k] are facing . corner for every weight of the bounds. Corners are sorted by the first objective.
    """

    corners: FloatArray
    limits: FloatArray


def make_cut(front: FloatArray, bounds: Bounds, gap: float) -> Cut:
    """Corners of `front` [n, d] after dividing it by 1 + gap: what could improve less than that is given up."""
    front = np.asarray(front, dtype=np.float64)[:, : bounds.facing.shape[1]] / (1.0 + gap)
    corners = _corners_2d(front) if front.shape[1] == 2 else _corners_3d(front)
    return Cut(corners, weighted(corners, bounds.facing))


def survivors(cut: Cut, bounds: Bounds, labels: FloatArray, go: FloatArray) -> BoolArray:
    """Mask [n] of labels [n, c], with remaining costs go [n, k], that may still reach a point below some corner."""
    values = weighted(labels, bounds.weights) + go - (bounds.charge + bounds.margin)
    alive = np.zeros(len(labels), dtype=bool)
    first, last, single = _corner_range(cut, bounds, values)
    waiting = np.flatnonzero(first < last)
    mixed = np.flatnonzero(~single)
    for corner in range(len(cut.corners)):
        inside = waiting[(first[waiting] <= corner) & (corner < last[waiting])]
        for weight in mixed if len(inside) else ():
            inside = inside[values[inside, weight] < cut.limits[corner, weight]]
        if len(inside):
            alive[inside] = True
            waiting = waiting[~alive[waiting]]
    return alive


def _corner_range(cut: Cut, bounds: Bounds, values: FloatArray) -> tuple[IntArray, IntArray, BoolArray]:
    """Half-open range of corners that the bounds on single objectives leave, and which weights those are.

    In two dimensions the corners' first coordinate rises and the second falls, so that the range is exact; in three only
    the first coordinate narrows it and the other single weights are treated as mixed ones.
    """
    facing = bounds.facing
    alone = (facing > 0).sum(axis=1) == 1
    single = alone & (facing[:, 0] > 0)
    floor = _floor(values, facing, single, 0)
    first = np.searchsorted(cut.corners[:, 0], floor, side="right")
    last = np.full(len(values), len(cut.corners))
    if facing.shape[1] == 2:
        second = alone & (facing[:, 1] > 0)
        last = np.searchsorted(-cut.corners[:, 1], -_floor(values, facing, second, 1), side="left")
        single |= second
    return first, last, single | (facing.sum(axis=1) == 0)


def _floor(values: FloatArray, facing: FloatArray, chosen: BoolArray, objective: int) -> FloatArray:
    return np.asarray((values[:, chosen] / facing[chosen, objective]).max(axis=1), dtype=np.float64)


def _corners_2d(front: FloatArray) -> FloatArray:
    front = front[nondominated(front)]
    return np.stack([np.append(front[:, 0], _FAR), np.insert(front[:, 1], 0, _FAR)], axis=1)


def _corners_3d(front: FloatArray) -> FloatArray:
    """Update of the local upper bounds point by point (Klamroth, Lacour, Vanderpooten 2015, redundancy by filtering)."""
    corners = np.full((1, 3), _FAR)
    for point in front[nondominated(front)]:
        hit = (point < corners).all(axis=1)
        split = np.repeat(corners[hit], 3, axis=0)
        axis = np.tile(np.arange(3), int(hit.sum()))
        split[np.arange(len(split)), axis] = point[axis]
        merged = np.concatenate([corners[~hit], split])
        corners = merged[nondominated(-merged)]
    return corners[np.lexsort(corners.T[::-1])]
