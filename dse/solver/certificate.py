"""Bounds that outlive the search: regions that hold all attainable points, and the hypervolume they leave."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dse.solver.hypervolume import hypervolume
from dse.solver.pareto import BoolArray, FloatArray, nondominated

_GRID_2D, _GRID_3D = 512, 128


@dataclass(frozen=True, eq=False)
class HalfPlanes:
    """Every attainable objective vector x [d] satisfies weights [k, d] . x >= bounds [k]; weights are not
    negative.

    Needs no search. `nothing` is the certificate of an infeasible setting.
    """

    weights: FloatArray
    bounds: FloatArray

    @staticmethod
    def nothing(objectives: int) -> HalfPlanes:
        """No finite point satisfies it."""
        return HalfPlanes(np.eye(objectives)[:1], np.array([np.inf]))

    def admits(self, points: FloatArray) -> BoolArray:
        """Mask [n] of the points [n, d] that the certificate does not exclude."""
        values = (np.asarray(points)[:, None, :] * self.weights).sum(axis=2)
        return np.asarray((values >= self.bounds).all(axis=1))


@dataclass(frozen=True, eq=False)
class Staircase:
    """Every attainable objective vector is weakly dominated by one of `points` [n, d]: what a finished search
    proves.
    """

    points: FloatArray

    def admits(self, points: FloatArray) -> BoolArray:
        """Mask [n] of the points [n, d] that the certificate does not exclude."""
        below: BoolArray = self.points[None] <= np.asarray(points)[:, None]
        return np.asarray(np.any(np.all(below, axis=2), axis=1))


Region = HalfPlanes | Staircase


def envelope_hypervolume(regions: Sequence[Region], reference: FloatArray) -> float:
    """Upper bound of the hypervolume up to `reference` [d] of any front whose points each lie in some region.

    Regions are cut to the positive orthant; the bound is the hypervolume of their union. Staircases alone are
    exact, one HalfPlanes in two dimensions too; otherwise a fine grid rounds up, never down. Raises
    ValueError if dimensions differ.
    """
    reference = np.asarray(reference, dtype=np.float64)
    for region in regions:
        width = (region.weights if isinstance(region, HalfPlanes) else region.points).shape[1]
        if width != len(reference):
            raise ValueError(f"a certificate has {width} objectives, the reference point {len(reference)}")
    planes = [r for r in regions if isinstance(r, HalfPlanes) and np.isfinite(r.bounds).all()]
    stairs = [r.points for r in regions if isinstance(r, Staircase)]
    points = np.maximum(np.concatenate([np.zeros((0, len(reference))), *stairs]), 0.0)
    if not planes or (reference <= 0).any():
        return hypervolume(points, reference)
    if len(reference) == 2:
        return _union_area(planes, points, reference)
    return _union_volume(planes, points, reference)


def hypervolume_gap(front: FloatArray, regions: Sequence[Region], reference: FloatArray) -> float:
    """1 - hv(front) / hv(envelope) in [0, 1]: the share of attainable hypervolume that the front may still
    miss.
    """
    limit = envelope_hypervolume(regions, reference)
    return (
        0.0 if limit <= 0 else max(0.0, 1.0 - hypervolume(front, np.asarray(reference, np.float64)) / limit)
    )


@dataclass(frozen=True, eq=False)
class _Edge:
    """Lower edge of one region of half planes in two dimensions: y >= max(slope * x + offset) for x >=
    start.
    """

    start: float
    slope: FloatArray
    offset: FloatArray

    @staticmethod
    def of(planes: HalfPlanes, level: float = 0.0) -> _Edge:
        """Of a section at third coordinate `level` if the planes have three dimensions."""
        weights, bounds = planes.weights, planes.bounds - planes.weights[:, 2:].sum(axis=1) * level
        upright = weights[:, 1] <= 0
        in_x = upright & (weights[:, 0] > 0)
        start = float((bounds[in_x] / weights[in_x, 0]).max(initial=0.0))
        if (bounds[upright & ~in_x] > 0).any():
            start = np.inf
        slope = -weights[~upright, 0] / weights[~upright, 1]
        offset = bounds[~upright] / weights[~upright, 1]
        return _Edge(start, np.append(slope, 0.0), np.append(offset, 0.0))

    def height(self, x: FloatArray) -> FloatArray:
        """Smallest y at every x [n]."""
        return np.asarray((self.slope * x[:, None] + self.offset).max(axis=1))

    def kinks(self, top: float) -> FloatArray:
        """x of all crossings of two lines, and of lines with y = top: where the edge bends is among them."""
        first, second = np.triu_indices(len(self.slope), 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            cross = (self.offset[second] - self.offset[first]) / (self.slope[first] - self.slope[second])
            reach = (top - self.offset) / self.slope
        found = np.concatenate([[self.start], cross, reach])
        return np.asarray(found[np.isfinite(found)])


def _union_area(
    planes: Sequence[HalfPlanes], points: FloatArray, reference: FloatArray, level: float = 0.0
) -> float:
    """Area of the union of sections at `level` and of the quadrants above `points` [n, 2], up to `reference`.

    Between breakpoints every edge is straight, so that their minimum lies above its chord and the area below
    the chord's complement is never too small.
    """
    right, top = float(reference[0]), float(reference[1])
    edges = [edge for edge in (_Edge.of(p, level) for p in planes) if edge.start < right]
    if not edges:
        return hypervolume(points, reference[:2])
    left = min([edge.start for edge in edges] + points[:, 0].tolist())
    grid = np.linspace(left, right, _GRID_2D)
    x = np.concatenate([grid, points[:, 0], *(edge.kinks(top) for edge in edges)])
    x = np.unique(np.clip(x, left, right))
    begin, end = x[:-1], x[1:]
    stair = _stair_height(points, begin, top)
    low_begin, low_end = stair, stair
    for edge in edges:
        entered = begin >= edge.start
        low_begin = np.minimum(low_begin, np.where(entered, edge.height(begin), top))
        low_end = np.minimum(low_end, np.where(entered, edge.height(end), top))
    return float(((top - low_begin + top - low_end) / 2 * (end - begin)).sum())


def _stair_height(points: FloatArray, x: FloatArray, top: float) -> FloatArray:
    """[n] smallest second coordinate of the points whose first is no larger than x, at most `top`."""
    stairs = points[nondominated(points)]
    lowest = np.append(top, np.minimum(stairs[:, 1], top))
    return lowest[np.searchsorted(stairs[:, 0], x, side="right")]


def _union_volume(planes: Sequence[HalfPlanes], points: FloatArray, reference: FloatArray) -> float:
    """Slabs along the third objective; a slab counts the planes' section at its upper end, the largest within
    it.
    """
    inside = points[points[:, 2] < reference[2]]
    levels = np.unique(np.concatenate([np.linspace(0.0, float(reference[2]), _GRID_3D + 1), inside[:, 2]]))
    total = 0.0
    for low, high in itertools.pairwise(levels.tolist()):
        below = inside[inside[:, 2] <= low, :2]
        total += (high - low) * _union_area(planes, below, reference[:2], high)
    return total
