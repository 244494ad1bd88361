"""Parts whose half planes are too far below: divided by what they say under every cap on resident bytes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dse.solver.bounds import weighted
from dse.solver.boxes import L1, L2
from dse.solver.levels import Blocks, Leveled, below, leveled
from dse.solver.pareto import FloatArray, IntArray, nondominated
from dse.solver.parts import ASKED, Divider, Division, Part

_DIRECTIONS = 10  # weights of (time, energy)
_FACING = 8  # and of those that face what is left
_LEVELS, _WORK = 400, 12_000_000  # levels of resident bytes, and sums compared for one box
_LEAST_SHARE = 1e-4  # of a weight: none is zero
_PAIRS = 1 << 17  # of lower bounds that are combined


def stairs(divider: Divider, part: Part, corners: FloatArray, cells: int) -> Division:
    """The part in at most `cells` parts, each with lower bounds below the `corners` [n, 3]."""
    corners = divider.open_corners(part, corners)
    lattice = divider.lattice(part, _weights(divider, part, corners), cells) if len(corners) else None
    if lattice is None:
        return Division((), np.zeros((0, len(divider.space.steps)), np.int64), 0)
    parts: list[Part] = []
    rows, sums = [np.zeros((0, len(divider.space.steps)), np.int64)], 0
    for box, single in lattice.boxes():
        made = _step(divider, replace(part, box=box, choices=lattice.choices, single=single), corners)
        sums += made.sums
        parts += made.parts
        rows.append(made.rows)
    return Division(tuple(parts), np.concatenate(rows), sums)


def _weights(divider: Divider, part: Part, corners: FloatArray) -> FloatArray:
    """[k, c]: directions of (time, energy), and those across what is left; none of bytes."""
    share = np.linspace(0.0, 1.0, _DIRECTIONS)
    spread = np.stack([share, 1.0 - share], axis=1)
    least = np.maximum(part.least[:, None], 0.0)
    inside = np.asarray((least < corners[None]).all(axis=2))
    depth = np.where(inside[:, :, None], (corners[None] - least) / divider.reference, 0.0)
    volume = depth.prod(axis=2)
    largest = np.argsort(-volume, axis=None, kind="stable")[:: max(1, volume.size // 1000)][:_FACING]
    facing = 1.0 / np.maximum(depth.reshape(-1, 3)[largest, :2], _LEAST_SHARE)
    pairs = np.concatenate([spread, facing / facing.sum(axis=1, keepdims=True)])
    pairs = np.unique(np.round(np.maximum(pairs, _LEAST_SHARE), 4), axis=0) / divider.reference[:2]
    weights = np.zeros((len(pairs), part.weights.shape[1]))
    weights[:, :2] = pairs
    return weights


def _step(divider: Divider, part: Part, corners: FloatArray) -> Division:
    """The part alone."""
    none = np.zeros((0, len(divider.space.steps)), np.int64)
    low = np.array([part.box.low[L2], part.box.low[L1]], np.float64)
    high = np.array([part.box.high[L2], part.box.high[L1]], np.float64)
    floor = low + 1.0
    corners = corners[corners[:, 2] > floor.sum()]
    if len(corners) == 0:
        return Division((), none, 0)
    weights = _weights(divider, part, corners)
    choices = part.choices.within(divider.space, floor, high, weights)
    blocks = Blocks.of(divider.space, choices, weights)
    top = min(divider.caps.total, float(corners[:, 2].max())) - floor.sum()
    levels = int(np.clip(_WORK // max(1, blocks.value.size), 16, _LEVELS))
    grid = _grid(max(top, 0.0), levels)
    passed = leveled(divider.space, blocks, grid)
    least = passed.least
    points, which, level = below(least, grid, float(floor.sum()), weights[:, :2], corners)
    sums = blocks.value.size * levels
    if len(points) == 0:
        return Division((), none, sums)
    sizes = ((corners[which] - points) / divider.reference).prod(axis=1)
    each = np.zeros(len(corners))
    np.maximum.at(each, which, sizes)
    rows = _asked(passed, least, weights, corners, which, level, sizes)
    bounds = _thinned(both(points, part.least), divider.grain * divider.reference[:2])
    bounds = bounds[np.asarray((bounds[:, None] < corners[None]).all(axis=2)).any(axis=1)]
    made = replace(
        part, choices=choices, least=bounds, promise=float(each.sum()), stepped=True, searched=False
    )
    return Division((made,), rows, sums)


def _grid(top: float, levels: int) -> FloatArray:
    """About so many levels from 0 to `top`, whole bytes, evenly."""
    step = max(1.0, np.ceil(top / levels))
    return np.arange(0.0, top + step, step)


def _asked(
    passed: Leveled,
    least: FloatArray,
    weights: FloatArray,
    corners: FloatArray,
    which: IntArray,
    level: IntArray,
    sizes: FloatArray,
) -> IntArray:
    """Rows of deployments on the half planes that decide where most is left."""
    largest = np.argsort(-sizes, kind="stable")
    largest = largest[np.sort(np.unique(level[largest], return_index=True)[1])][:ASKED]
    slack = weighted(corners[which[largest], :2], weights[:, :2]) - least[level[largest]]
    tight = (slack / weighted(corners[which[largest], :2], weights[:, :2])).argmin(axis=1)
    return passed.attained(level[largest], tight)


def both(first: FloatArray, second: FloatArray) -> FloatArray:
    """Lower bounds [n, 3] of what one of the `first` and one of the `second` lie below."""
    first, second = first[nondominated(first)], second[nondominated(second)]
    if len(first) * len(second) > _PAIRS:
        return first
    points = np.maximum(first[:, None], second[None]).reshape(-1, 3)
    return np.asarray(points[nondominated(points)])


def _thinned(points: FloatArray, grains: FloatArray) -> FloatArray:
    """The least of the points, time and energy rounded down."""
    rounded = points.copy()
    if grains.min() > 0:
        rounded[:, :2] = np.floor(rounded[:, :2] / grains) * grains
    return np.asarray(rounded[nondominated(rounded)])
