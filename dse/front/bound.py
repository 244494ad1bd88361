"""The bound of a union of settings: what none of them can beat."""

from __future__ import annotations

import numpy as np

from dse.points import Bound
from dse.solver.certificate import Region
from dse.solver.pareto import FloatArray

# Relative slack when a corner is tested against the half planes: a corner too many only weakens a bound.
_SLACK = 1e-9


def bound_of_region(region: Region, memory_bytes: int) -> Bound:
    """The bound of a region in (time in ms, energy in uJ), where nothing needs less than `memory_bytes`."""
    latency_ms, energy_uj = (_least(region, axis) for axis in range(2))
    rows = zip(region.weights.tolist(), region.bounds.tolist(), strict=True)
    return Bound(latency_ms, energy_uj, memory_bytes, tuple((w[0], w[1], least) for w, least in rows))


def _least(region: Region, axis: int) -> float:
    """Lower bound of one objective from the half planes that face it alone."""
    alone = (region.weights > 0).sum(axis=1) == 1
    alone &= region.weights[:, axis] > 0
    return float((region.bounds[alone] / region.weights[alone, axis]).max(initial=0.0))


def merge_bounds(first: Bound | None, second: Bound | None) -> Bound | None:
    """A bound that holds wherever `first` or `second` holds; None stands for no deployment at all.

    A direction that only one of them has gets the other's support value, which its corners give exactly.
    """
    if first is None or second is None:
        return second if first is None else first
    directions = dict.fromkeys((wx, wy) for wx, wy, _ in (*first.half_planes, *second.half_planes))
    planes = tuple((wx, wy, min(_support(b, wx, wy) for b in (first, second))) for wx, wy in directions)
    return Bound(
        min(first.latency_ms, second.latency_ms),
        min(first.energy_uj, second.energy_uj),
        min(first.memory_bytes, second.memory_bytes),
        planes,
        tuple(dict.fromkeys((*first.corners, *second.corners))) if first.points or second.points else (),
        first.relaxed or second.relaxed,
    )


def _support(bound: Bound, wx: float, wy: float) -> float:
    """Least of wx*latency + wy*energy, both weights >= 0, over what `bound` does not exclude."""
    known = [least for px, py, least in bound.half_planes if (px, py) == (wx, wy)]
    return max(known) if known else float((_corners(bound) @ np.array([wx, wy])).min())


def _corners(bound: Bound) -> FloatArray:
    """Corners [n, 2] of the region that ideal and half planes leave; it is open towards larger values."""
    planes = np.array([(1.0, 0.0, bound.latency_ms), (0.0, 1.0, bound.energy_uj), *bound.half_planes])
    normals, least = planes[:, :2], planes[:, 2]
    i, j = np.triu_indices(len(planes), 1)
    determinant = normals[i, 0] * normals[j, 1] - normals[i, 1] * normals[j, 0]
    crossing = np.abs(determinant) > 0
    i, j, determinant = i[crossing], j[crossing], determinant[crossing]
    x = (least[i] * normals[j, 1] - least[j] * normals[i, 1]) / determinant
    y = (normals[i, 0] * least[j] - normals[j, 0] * least[i]) / determinant
    candidates = np.stack([x, y], axis=1)
    inside = candidates @ normals.T >= least * (1 - _SLACK) - np.finfo(float).tiny
    return np.asarray(candidates[inside.all(axis=1)])
