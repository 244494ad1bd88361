"""Bounds that outlive the search: half spaces around all attainable points, and the hypervolume they leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dse.solver.hypervolume import hypervolume
from dse.solver.pareto import FloatArray

_GRID_2D, _GRID_3D = 512, 128


@dataclass(frozen=True, eq=False)
class HalfPlanes:
    """Every attainable objective vector x [d] satisfies weights [k, d] . x >= bounds [k]; weights are not negative."""

    weights: FloatArray
    bounds: FloatArray

    @staticmethod
    def nothing(objectives: int) -> HalfPlanes:
        """The certificate of an infeasible setting: no finite point satisfies it."""
        return HalfPlanes(np.eye(objectives)[:1], np.array([np.inf]))

    def admits(self, points: FloatArray) -> np.ndarray:
        """Mask [n] of the points [n, d] that the certificate does not exclude."""
        return np.asarray((points[:, None, :] * self.weights).sum(axis=2) >= self.bounds).all(axis=1)


def envelope_hypervolume(settings: Sequence[HalfPlanes], reference: FloatArray) -> float:
    """Upper bound of the hypervolume up to `reference` [d] of any front whose points each belong to some setting.

    In two dimensions exact for one setting; for several, and in three dimensions, rounded up by a fine grid (never
    down). The region of a setting is its half planes and the positive orthant; the bound is that of their union.
    """
    reference = np.asarray(reference, dtype=np.float64)
    if any(planes.weights.shape[1] != len(reference) for planes in settings):
        raise ValueError(f"certificates and the reference point ({len(reference)} objectives) differ in dimension")
    possible = [planes for planes in settings if np.isfinite(planes.bounds).all()]
    if not possible or (reference <= 0).any():
        return 0.0
    if len(reference) == 2:
        return _union_area([_Profile.of(p.weights, p.bounds) for p in possible], reference)
    return _union_volume(possible, reference)


def hypervolume_gap(front: FloatArray, settings: Sequence[HalfPlanes], reference: FloatArray) -> float:
    """1 - hv(front) / hv(envelope) in [0, 1]: the share of attainable hypervolume that the front may still miss."""
    limit = envelope_hypervolume(settings, reference)
    return 0.0 if limit <= 0 else max(0.0, 1.0 - hypervolume(front, np.asarray(reference, np.float64)) / limit)


@dataclass(frozen=True, eq=False)
class _Profile:
    """Lower edge of one region in two dimensions: y >= max(slope * x + offset), x >= start."""

    start: float
    slope: FloatArray
    offset: FloatArray

    @staticmethod
    def of(weights: FloatArray, bounds: FloatArray) -> _Profile:
        upright = weights[:, 1] <= 0
        against_x = upright & (weights[:, 0] > 0)
        start = float((bounds[against_x] / weights[against_x, 0]).max(initial=0.0))
        if (bounds[upright & ~against_x] > 0).any():
            start = np.inf
        slope = -weights[~upright, 0] / weights[~upright, 1]
        offset = bounds[~upright] / weights[~upright, 1]
        return _Profile(start, np.append(slope, 0.0), np.append(offset, 0.0))

    def height(self, x: FloatArray) -> FloatArray:
        """Smallest y at every x [n], the start included."""
        return np.asarray((self.slope * x[:, None] + self.offset).max(axis=1))

    def corners(self, top: float) -> FloatArray:
        """x of all crossings of two edges, and of edges with y = top: the kinks are among them."""
        first, second = np.triu_indices(len(self.slope), 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            cross = (self.offset[second] - self.offset[first]) / (self.slope[first] - self.slope[second])
            reach = (top - self.offset) / self.slope
        found = np.concatenate([cross, reach])
        return found[np.isfinite(found)]


def _union_area(profiles: Sequence[_Profile], reference: FloatArray) -> float:
    """Area of the union up to `reference`.

    Between breakpoints every profile is straight, so that their minimum lies above its chord and the chord's area is
    not too small.
    """
    right, top = float(reference[0]), float(reference[1])
    profiles = [p for p in profiles if p.start < right]
    if not profiles:
        return 0.0
    left = min(p.start for p in profiles)
    x = np.concatenate(
        [np.linspace(left, right, _GRID_2D), *(p.corners(top) for p in profiles), [p.start for p in profiles]]
    )
    x = np.unique(np.clip(x, left, right))
    begin, end = x[:-1], x[1:]
    open_now = np.stack([begin >= p.start for p in profiles])
    at_begin = np.stack([np.minimum(p.height(begin), top) for p in profiles])
    at_end = np.stack([np.minimum(p.height(end), top) for p in profiles])
    low_begin = np.where(open_now, at_begin, top).min(axis=0)
    low_end = np.where(open_now, at_end, top).min(axis=0)
    return float(((top - low_begin + top - low_end) / 2 * (end - begin)).sum())


def _union_volume(settings: Sequence[HalfPlanes], reference: FloatArray) -> float:
    """Slabs along the third objective; a slab counts the section at its upper end, the largest within it."""
    levels = np.linspace(0.0, float(reference[2]), _GRID_3D + 1)
    total = 0.0
    for low, high in zip(levels[:-1], levels[1:], strict=True):
        profiles = [_Profile.of(p.weights[:, :2], p.bounds - p.weights[:, 2] * high) for p in settings]
        total += float(high - low) * _union_area(profiles, reference[:2])
    return total
