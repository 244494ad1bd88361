"""Pruning by a known front: a label goes when all it could still become is excluded or already dominated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dse.solver.bounds import Bounds, weighted
from dse.solver.pareto import BoolArray, FloatArray, filter_against, nondominated

_CORNER_POINTS = 25
_PAIRS = 1 << 20  # labels times corners compared at once; bounds memory, not results
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
    objectives = range(bounds.facing.shape[1])
    floors = np.stack([_floor(values, bounds.facing, each) for each in objectives], axis=1)
    waiting = np.flatnonzero(filter_against(cut.front, floors)) if len(cut.front) else np.arange(len(labels))
    alive = np.zeros(len(labels), dtype=bool)
    part = max(1, _PAIRS // max(1, len(cut.corners)))
    for begin in range(0, len(waiting), part):
        tested = waiting[begin : begin + part]
        alive[tested] = below_some_corner(values[tested], cut.limits)
    return alive


def below_some_corner(values: FloatArray, limits: FloatArray) -> BoolArray:
    """Mask [n]: values [n, k] less than a corner's limits [K, k] for every weight."""
    inside = np.ones((len(values), len(limits)), dtype=bool)
    for weight in range(values.shape[1]):
        inside &= values[:, weight, None] < limits[None, :, weight]
    return np.asarray(inside.any(axis=1))


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
