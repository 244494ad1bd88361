"""How good a front is: its hypervolume, and how far a bound says it can still be improved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dse.front.merge import values
from dse.points import OBJECTIVES, Bound, DesignPoint
from dse.solver.heights import volume as volume_3d
from dse.solver.hypervolume import hypervolume
from dse.solver.pareto import FloatArray

# Beyond the worst point of the front, so that the extremes count too (Ishibuchi et al., 2018).
_MARGIN = 1.1
# Relative rounding of two hypervolumes of some hundred terms each; a larger excess would be a wrong bound.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Quality:
    """hypervolume: in the product of the objectives' units, up to reference_point.

    gap: the share of what the bound leaves possible that the front does not reach, in [0, 1]; None without a
    bound. A negative gap would prove the bound wrong and is shown as it is.
    """

    reference_point: tuple[float, ...]
    hypervolume: float
    gap: float | None


def reference_point(points: Sequence[DesignPoint], objectives: Sequence[str]) -> FloatArray:
    """1.1 times the worst value of each objective [objectives]; 1 where that is 0. Needs a point."""
    worst = values(points, objectives).max(axis=0)
    return np.where(worst > 0, worst * _MARGIN, 1.0)


def volume(rows: FloatArray, reference: FloatArray) -> float:
    """Hypervolume of `rows` [n, d], d = 1, 2, 3, up to `reference` [d]."""
    if len(reference) == 1:
        return max(0.0, float(reference[0] - rows.min())) if len(rows) else 0.0
    return volume_3d(rows, reference) if len(reference) == 3 else hypervolume(rows, reference)


def quality(points: Sequence[DesignPoint], objectives: Sequence[str], bound: Bound | None) -> Quality:
    """Judge a front. Without points everything is 0 and the gap unknown."""
    if not points:
        return Quality((), 0.0, None)
    reference = reference_point(points, objectives)
    reached = volume(values(points, objectives), reference)
    gap = None if bound is None else _gap(reached, envelope_volume(bound, objectives, reference))
    return Quality(tuple(map(float, reference)), reached, gap)


def _gap(reached: float, possible: float) -> float:
    gap = 1.0 - reached / possible if possible > 0 else 0.0
    return 0.0 if abs(gap) < _ROUNDING else gap


def envelope_volume(bound: Bound, objectives: Sequence[str], reference: FloatArray) -> float:
    """Hypervolume up to `reference` [objectives] of everything that `bound` does not exclude."""
    possible = _volume_of_planes(bound, objectives, reference)
    if bound.points:
        columns = [OBJECTIVES.index(name) for name in objectives]
        possible = min(possible, volume(np.maximum(np.array(bound.points)[:, columns], 0.0), reference))
    return possible


def _volume_of_planes(bound: Bound, objectives: Sequence[str], reference: FloatArray) -> float:
    """The same by ideal and half planes alone."""
    ideal = {"latency": bound.latency_ms, "energy": bound.energy_uj, "memory": float(bound.memory_bytes)}
    room = {name: max(0.0, float(top) - ideal[name]) for name, top in zip(objectives, reference, strict=True)}
    total = float(np.prod(list(room.values())))
    if total <= 0 or not {"latency", "energy"} <= set(room):
        return max(0.0, total)
    top = dict(zip(objectives, map(float, reference), strict=True))
    area = _area_above(bound, top["latency"], top["energy"])
    return total / (room["latency"] * room["energy"]) * area


def _area_above(bound: Bound, latency_top_ms: float, energy_top_uj: float) -> float:
    """Area of the box from the ideal to the tops that lies in every half plane."""
    low, high = (bound.latency_ms, bound.energy_uj), (latency_top_ms, energy_top_uj)
    polygon = [low, (high[0], low[1]), high, (low[0], high[1])]
    for plane in bound.half_planes:
        polygon = _clip(polygon, plane)
    return _shoelace(polygon)


def _clip(polygon: list[tuple[float, float]], plane: tuple[float, float, float]) -> list[tuple[float, float]]:
    """Corners of a convex polygon cut by wx*x + wy*y >= least (Sutherland and Hodgman, 1974)."""
    wx, wy, least = plane
    height = [wx * x + wy * y - least for x, y in polygon]
    result = []
    for here in range(len(polygon)):
        after = (here + 1) % len(polygon)
        if height[here] >= 0:
            result.append(polygon[here])
        if (height[here] < 0) != (height[after] < 0):
            share = height[here] / (height[here] - height[after])
            (x0, y0), (x1, y1) = polygon[here], polygon[after]
            result.append((x0 + share * (x1 - x0), y0 + share * (y1 - y0)))
    return result


def _shoelace(polygon: list[tuple[float, float]]) -> float:
    pairs = zip(polygon, polygon[1:] + polygon[:1], strict=True)
    return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairs)) / 2
