"""Bounds that outlive the search: regions that hold all attainable points, and the hypervolume they leave."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dse.solver.hypervolume import hypervolume
from dse.solver.pareto import BoolArray, FloatArray, filter_against, nondominated

_GRID_2D, _GRID_3D = 512, 128


@dataclass(frozen=True, eq=False)
class Region:
    """Where attainable objective vectors x [d] can lie: weights [k, d] . x >= bounds [k], weights not
    negative.

    With `stairs` [n, d] every x is also weakly dominated by one of these points: what a finished search
    proves. The half planes need no search. `nothing` is the certificate of an infeasible setting.
    """

    weights: FloatArray
    bounds: FloatArray
    stairs: FloatArray | None = None

    @staticmethod
    def anything(objectives: int) -> Region:
        """Excludes nothing: no objective is negative."""
        return Region(np.eye(objectives), np.zeros(objectives))

    @staticmethod
    def nothing(objectives: int) -> Region:
        """No finite point lies in it."""
        return Region(np.eye(objectives), np.full(objectives, np.inf), np.zeros((0, objectives)))

    def admits(self, points: FloatArray) -> BoolArray:
        """Mask [n] of the points [n, d] that the certificate does not exclude."""
        points = np.asarray(points, dtype=np.float64)
        inside: BoolArray = np.all((points[:, None, :] * self.weights).sum(axis=2) >= self.bounds, axis=1)
        if self.stairs is not None:
            inside = inside & ~filter_against(self.stairs, points)
        return inside


def envelope_hypervolume(regions: Sequence[Region], reference: FloatArray) -> float:
    """Upper bound of the hypervolume up to `reference` [d] of any front whose points each lie in some region.

    Regions are cut to the positive orthant; the bound is the hypervolume of their union, exact for one region
    of half planes in two dimensions, otherwise rounded up by a fine grid, never down. Raises ValueError if
    dimensions differ.
    """
    reference = np.asarray(reference, dtype=np.float64)
    for region in regions:
        if region.weights.shape[1] != len(reference):
            width = region.weights.shape[1]
            raise ValueError(f"a certificate has {width} objectives, the reference point {len(reference)}")
    possible = [region for region in regions if np.isfinite(region.bounds).all()]
    if not possible or (reference <= 0).any():
        return 0.0
    if len(reference) == 2:
        area = _union_area([_Edge.of(region) for region in possible], reference)
    else:
        area = _union_volume(possible, reference)
    if all(region.stairs is not None for region in possible):
        stairs = [np.maximum(region.stairs, 0.0) for region in possible if region.stairs is not None]
        area = min(area, hypervolume(np.concatenate(stairs), reference))
    return area


def hypervolume_gap(front: FloatArray, regions: Sequence[Region], reference: FloatArray) -> float:
    """1 - hv(front) / hv(envelope) in [0, 1]: the share of attainable hypervolume that a front may still
    miss.
    """
    limit = envelope_hypervolume(regions, reference)
    if limit <= 0:
        return 0.0
    return max(0.0, 1.0 - hypervolume(front, np.asarray(reference, np.float64)) / limit)


@dataclass(frozen=True, eq=False)
class _Edge:
    """Lower edge of a region in two dimensions: y >= max(slope * x + offset) for x >= start, and above its
    stairs.
    """

    start: float
    slope: FloatArray
    offset: FloatArray
    stairs: FloatArray | None

    @staticmethod
    def of(region: Region, low: float = 0.0, high: float = 0.0) -> _Edge:
        """The largest section with third coordinate in [low, high] (`low`: no stair begins within) or all of
        2-D.
        """
        weights = region.weights
        bounds = region.bounds - weights[:, 2:].sum(axis=1) * high
        stairs = region.stairs
        if stairs is not None:
            stairs = stairs[(stairs[:, 2:] <= low).all(axis=1), :2]
            stairs = stairs[nondominated(stairs)]
        upright = weights[:, 1] <= 0
        in_x = upright & (weights[:, 0] > 0)
        start = float((bounds[in_x] / weights[in_x, 0]).max(initial=0.0))
        if (bounds[upright & ~in_x] > 0).any():
            start = np.inf
        slope = -weights[~upright, 0] / weights[~upright, 1]
        offset = bounds[~upright] / weights[~upright, 1]
        return _Edge(start, np.append(slope, 0.0), np.append(offset, 0.0), stairs)

    def ends(self, begin: FloatArray, end: FloatArray, top: float) -> tuple[FloatArray, FloatArray]:
        """[n] heights at both ends of straight pieces below the edge, between breakpoints, at most `top`."""
        low_begin, low_end = (
            np.minimum(np.max(self.slope * x[:, None] + self.offset, axis=1), top) for x in (begin, end)
        )
        if self.stairs is not None:
            lowest = np.append(top, np.minimum(self.stairs[:, 1], top))
            stair = lowest[np.searchsorted(self.stairs[:, 0], begin, side="right")]
            higher = 2 * stair > low_begin + low_end
            low_begin, low_end = np.where(higher, stair, low_begin), np.where(higher, stair, low_end)
        entered = begin >= self.start
        return np.where(entered, low_begin, top), np.where(entered, low_end, top)

    def breakpoints(self, top: float) -> FloatArray:
        """x of all crossings of two lines, of lines with y = top, and of steps: where the edge bends is among
        them.
        """
        first, second = np.triu_indices(len(self.slope), 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            cross = (self.offset[second] - self.offset[first]) / (self.slope[first] - self.slope[second])
            reach = (top - self.offset) / self.slope
        steps = np.zeros(0) if self.stairs is None else self.stairs[:, 0]
        found = np.concatenate([[self.start], cross, reach, steps])
        return np.asarray(found[np.isfinite(found)])


def _union_area(edges: Sequence[_Edge], reference: FloatArray) -> float:
    """Area above the lowest of the edges, up to `reference`.

    Between breakpoints each edge is straight or replaced by a lower straight piece; the minimum of straight
    pieces lies above its chord, so that the area above the chord is never too small.
    """
    right, top = float(reference[0]), float(reference[1])
    edges = [edge for edge in edges if edge.start < right]
    if not edges:
        return 0.0
    left = min(edge.start for edge in edges)
    x = np.concatenate([np.linspace(left, right, _GRID_2D), *(edge.breakpoints(top) for edge in edges)])
    x = np.unique(np.clip(x, left, right))
    begin, end = x[:-1], x[1:]
    low_begin, low_end = np.full(len(begin), top), np.full(len(begin), top)
    for edge in edges:
        at_begin, at_end = edge.ends(begin, end, top)
        low_begin, low_end = np.minimum(low_begin, at_begin), np.minimum(low_end, at_end)
    return float(((top - low_begin + top - low_end) / 2 * (end - begin)).sum())


def _union_volume(regions: Sequence[Region], reference: FloatArray) -> float:
    """Slabs along the third objective; a slab counts the half planes' section at its upper end, the largest
    in it.
    """
    heights = [region.stairs[:, 2] for region in regions if region.stairs is not None]
    levels = np.concatenate([np.linspace(0.0, float(reference[2]), _GRID_3D + 1), *heights])
    levels = np.unique(np.clip(levels, 0.0, reference[2]))
    total = 0.0
    for low, high in itertools.pairwise(levels.tolist()):
        total += (high - low) * _union_area(
            [_Edge.of(region, low, high) for region in regions], reference[:2]
        )
    return total
