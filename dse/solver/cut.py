"""Pruning by a known front: a label goes when all it could still become is excluded or already dominated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dse.solver.bounds import Bounds, weighted
from dse.solver.pareto import BoolArray, FloatArray, IntArray, filter_against, nondominated

_CORNER_POINTS = 25
_FAR = 1e300  # a coordinate that is not limited; finite, so that zero weights times it are zero


@dataclass(frozen=True, eq=False)
class Cut:
    """Local upper bounds of a front: a point is *not* weakly dominated iff it lies strictly below some corner
    [K, d].

    `front` [n, d] are the points themselves, `limits` [K, k] facing . corner for every weight of the bounds.
    Corners are sorted by the first objective. In three dimensions they belong to a subset of the front, which
    only prunes less.
    """

    front: FloatArray
    corners: FloatArray
    limits: FloatArray


def make_cut(front: FloatArray, bounds: Bounds, gap: float) -> Cut:
    """Corners of `front` [n, d] after dividing it by 1 + gap: what could improve less than that is given
    up.
    """
    front = np.asarray(front, dtype=np.float64)[:, : bounds.facing.shape[1]] / (1.0 + gap)
    front = front[nondominated(front)]
    corners = _corners_2d(front) if front.shape[1] == 2 else _corners_3d(_spread(front, _CORNER_POINTS))
    return Cut(front, corners, weighted(corners, bounds.facing))


def survivors(cut: Cut, bounds: Bounds, labels: FloatArray, go: FloatArray) -> BoolArray:
    """Mask [n] of labels [n, c], with remaining costs go [n, k], that may still reach a point below some
    corner.
    """
    values = weighted(labels, bounds.weights) + go - (bounds.charge + bounds.margin)
    alone = (bounds.facing > 0).sum(axis=1) == 1
    floors = np.stack([_floor(values, bounds.facing, d) for d in range(bounds.facing.shape[1])], axis=1)
    first, last = _corner_range(cut, floors)
    waiting = np.flatnonzero(first < last)
    waiting = waiting[filter_against(cut.front, floors[waiting])]
    alive = np.zeros(len(labels), dtype=bool)
    tests = np.flatnonzero(~alone)
    for corner in range(len(cut.corners)):
        inside = waiting[(first[waiting] <= corner) & (corner < last[waiting])]
        for objective in range(2, floors.shape[1]):
            inside = inside[floors[inside, objective] < cut.corners[corner, objective]]
        for weight in tests if len(inside) else ():
            inside = inside[values[inside, weight] < cut.limits[corner, weight]]
        if len(inside):
            alive[inside] = True
            waiting = waiting[~alive[waiting]]
    return alive


def _corner_range(cut: Cut, floors: FloatArray) -> tuple[IntArray, IntArray]:
    """Half-open range of the corners above the bounds on single objectives.

    In two dimensions the corners' first coordinate rises while the second falls, so that the range is exact;
    in three only the first coordinate narrows it.
    """
    first = np.searchsorted(cut.corners[:, 0], floors[:, 0], side="right")
    if floors.shape[1] == 2:
        return first, np.searchsorted(-cut.corners[:, 1], -floors[:, 1], side="left")
    return first, np.full(len(floors), len(cut.corners))


def _floor(values: FloatArray, facing: FloatArray, objective: int) -> FloatArray:
    """[n] largest bound on one objective among the weights that look at nothing else."""
    chosen = (facing[:, objective] > 0) & ((facing > 0).sum(axis=1) == 1)
    return np.asarray((values[:, chosen] / facing[chosen, objective]).max(axis=1), dtype=np.float64)


def _spread(front: FloatArray, count: int) -> FloatArray:
    """At most `count` of the sorted points, evenly."""
    return front[np.unique(np.linspace(0, len(front) - 1, min(count, len(front))).astype(np.int64))]


def _corners_2d(front: FloatArray) -> FloatArray:
    return np.stack([np.append(front[:, 0], _FAR), np.insert(front[:, 1], 0, _FAR)], axis=1)


def _corners_3d(front: FloatArray) -> FloatArray:
    """Update of the local upper bounds point by point (Klamroth, Lacour, Vanderpooten 2015, redundancy by
    filtering).
    """
    corners = np.full((1, 3), _FAR)
    for point in front:
        hit = (point < corners).all(axis=1)
        split = np.repeat(corners[hit], 3, axis=0)
        axis = np.tile(np.arange(3), int(hit.sum()))
        split[np.arange(len(split)), axis] = point[axis]
        merged = np.concatenate([corners[~hit], split])
        corners = merged[nondominated(-merged)]
    return corners[np.lexsort(corners.T[::-1])]
