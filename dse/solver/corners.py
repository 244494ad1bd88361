"""What a set of points leaves undominated, as local upper bounds, with points added one by one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from dse.solver.heights import Grid
from dse.solver.labels import merge_alike
from dse.solver.pareto import BoolArray, FloatArray, filter_against, nondominated


@dataclass(frozen=True, eq=False)
class Cover:
    """Points that count for somewhat more than they are: a tolerance of `share` of the way to the reference.

    Every point x that no `shrunk` one weakly dominates, and that lies below the reference, is strictly below
    a row of `corners` [k, 3], and the other way round (Klamroth, Lacour, Vanderpooten 2015). A point
    covers its own dominated box scaled by 1 + share about the reference.
    """

    reference: FloatArray
    share: float
    corners: FloatArray
    shrunk: FloatArray

    @staticmethod
    def empty(reference: FloatArray, share: float) -> Cover:
        """Nothing is covered."""
        return Cover(reference, share, reference[None, :].copy(), np.zeros((0, 3)))

    @cached_property
    def _grid(self) -> Grid:
        return Grid.through(self.shrunk, self.reference)

    @cached_property
    def _heights(self) -> FloatArray:
        return self._grid.heights(self.shrunk)

    def leaves(self, points: FloatArray) -> BoolArray:
        """Mask [n] of the points [n, 3] below the reference that are not covered."""
        inside = np.asarray((points < self.reference).all(axis=1))
        if len(self.shrunk):
            inside &= points[:, 2] < self._grid.at(self._heights, points)
        return inside

    def with_points(self, points: FloatArray) -> Cover:
        """This and `points` [n, 3]; those already covered add nothing."""
        corners, shrunk = self.corners, [self.shrunk]
        for point in points[np.lexsort(points.T)]:
            if (point < corners).all(axis=1).any():
                less = point - self.share * (self.reference - point)
                corners = _with_point(corners, less)
                shrunk.append(less[None])
        everything = np.concatenate(shrunk)
        kept = everything[nondominated(everything)] if len(everything) else everything
        return Cover(self.reference, self.share, corners, kept)

    def nearer(self, reference: FloatArray) -> Cover:
        """What is left below a reference [3] that is no larger."""
        corners = np.minimum(self.corners, reference)
        return replace(self, reference=reference, corners=corners[nondominated(-corners)])


def fewest_above(corners: FloatArray, most: int) -> FloatArray:
    """At most `most` bounds [k, 3] that together lie above all `corners` [n, 3]."""
    return -merge_alike(-corners, np.zeros(len(corners), np.int64), most)[1] if len(corners) else corners


def _with_point(corners: FloatArray, point: FloatArray) -> FloatArray:
    hit = (point < corners).all(axis=1)
    axis = np.tile(np.arange(3), int(hit.sum()))
    split = np.repeat(corners[hit], 3, axis=0)
    split[np.arange(len(split)), axis] = point[axis]
    split = split[nondominated(-split)]
    rest = corners[~hit]
    return np.concatenate([rest, split[filter_against(-rest, -split)]]) if len(rest) else split
