"""Backward passes over the state space: what is still to be paid from every state, and weights worth asking that for.

For a weight vector w over label columns, `go` is the smallest w . (costs of the remaining steps). Any completion of a
label x in state s then has w . (final sums) >= w . x + go[s]; subtracting the multipliers times the caps gives a bound
in objective space alone (Lagrangian relaxation of the memory limits; Everett 1963).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dse.solver.pareto import FloatArray
from dse.solver.space import Space

# Sums of a few hundred doubles differ by less than this, relatively, whatever their order.
ROUNDING = 1e-11
_DIRECTIONS_2D = (0.0, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0)
_GRID = np.array([0.0, 0.01, 0.03, 0.1, 0.2, 0.35, 0.6, 1.0, 1.7, 3.0, 6.0, 20.0, 100.0])
_REFINEMENTS = 3


@dataclass(frozen=True, eq=False)
class Bounds:
    """Weights [k, c] over label columns and what they give per step boundary i (0 .. layers) and state.

    `go[i]` [s, k]: smallest weighted remaining cost; `least[i]` [s, c]: the same for each column alone; `most[i]`
    [s, q]: largest remaining bytes per memory sum. `charge` [k] is multipliers . caps, `margin` [k] an absolute
    allowance for rounding. `facing` [k, d] are the weights' objective parts.
    """

    weights: FloatArray
    facing: FloatArray
    charge: FloatArray
    margin: FloatArray
    go: tuple[FloatArray, ...]
    least: tuple[FloatArray, ...]
    most: tuple[FloatArray, ...]

    @property
    def root(self) -> FloatArray:
        """[k] valid lower bounds of facing . objectives over all deployments of the setting."""
        return self.go[0][0] - self.charge - self.margin


def weighted(rows: FloatArray, weights: FloatArray) -> FloatArray:
    """rows [n, c] times weights [k, c] as [n, k], summed column by column so that no BLAS decides the rounding."""
    total = rows[:, :1] * weights[None, :, 0]
    for column in range(1, rows.shape[1]):
        total += rows[:, column : column + 1] * weights[None, :, column]
    return total


def remaining(space: Space, weights: FloatArray, sign: float = 1.0) -> tuple[FloatArray, ...]:
    """Per step boundary the smallest (sign 1) or largest (sign -1) weighted cost to the end [s, k]; inf if dead."""
    tables = space.tables
    cheapest = np.minimum.reduceat(sign * weighted(tables.costs, weights), tables.start, axis=0)
    go = np.zeros((space.steps[-1].targets, len(weights)))
    result = [sign * go]
    for step in reversed(space.steps):
        order = np.argsort(step.source, kind="stable")
        through = cheapest[step.table[order]] + go[step.target[order]]
        heads, begin = np.unique(step.source[order], return_index=True)
        go = np.full((step.sources, len(weights)), np.inf)
        go[heads] = np.minimum.reduceat(through, begin, axis=0)
        result.append(sign * go)
    return tuple(reversed(result))


def compute_bounds(space: Space) -> Bounds:
    """Directions through the objectives, each with the memory multipliers that make its root bound tightest."""
    least = remaining(space, np.eye(space.columns.count))
    weights = np.concatenate([_single_objectives(space), _directions(space, least[0][0])])
    weights = _refine_multipliers(space, weights)
    caps = space.columns.free
    chargeable = np.where(np.isfinite(caps), caps, 0.0)
    charge = weighted(chargeable[None, :], weights[:, 2:])[0] if len(caps) else np.zeros(len(weights))
    go = remaining(space, weights)
    facing = weights[:, : space.columns.objectives]
    most = remaining(space, np.eye(space.columns.count)[2:], -1.0) if len(caps) else ()
    margin = ROUNDING * (go[0][0] + charge)
    return Bounds(weights, facing, charge, margin, go, least, most or tuple(g[:, :0] for g in go))


def _single_objectives(space: Space) -> FloatArray:
    """The ideal point's weights, without multipliers."""
    return np.eye(space.columns.count)[: space.columns.objectives]


def _directions(space: Space, ideal: FloatArray) -> FloatArray:
    """[k, c] weights with weight . ideal = 1 (as far as the ideal is positive), multipliers zero."""
    count = space.columns.objectives
    shares = np.array([(a, 1 - a) for a in _DIRECTIONS_2D]) if count == 2 else _simplex(4)
    scale = np.maximum(ideal[:count], 1e-300)
    if count == 3:
        scale[2] = max(float(remaining(space, np.eye(space.columns.count)[2:3], -1.0)[0][0, 0]), 1.0)
    weights = np.zeros((len(shares), space.columns.count))
    weights[:, :count] = shares / np.where(scale > 1e-300, scale, 1.0)
    return weights


def _simplex(parts: int) -> FloatArray:
    """All triples of multiples of 1 / parts that add up to 1."""
    triples = [(i, j, parts - i - j) for i in range(parts + 1) for j in range(parts + 1 - i)]
    return np.array(triples, dtype=np.float64) / parts


def _refine_multipliers(space: Space, weights: FloatArray) -> FloatArray:
    """Add to every weight its best multipliers, and a neighbour of them: the concave dual, one cap after the other."""
    caps = space.columns.free
    charged = np.flatnonzero(np.isfinite(caps))
    plain, best = weights, weights
    neighbour = weights
    for _ in range(2 if len(charged) > 1 else 1):
        for cap in charged:
            best, neighbour = _section_search(space, best, int(cap) + 2, float(caps[cap]))
    return np.unique(np.concatenate([plain, best, neighbour]), axis=0)


def _section_search(
    space: Space, weights: FloatArray, column: int, cap_bytes: float
) -> tuple[FloatArray, FloatArray]:
    """Best multiplier of one capped sum for each weight by refining a grid, and a weaker one just below it."""
    base = weights.copy()
    base[:, column] = 0.0
    demand = np.maximum(remaining(space, np.eye(space.columns.count)[column : column + 1], -1.0)[0][0, 0], 1.0)
    scale = np.maximum(remaining(space, base)[0][0], 1e-300) / demand
    grid = scale[:, None] * _GRID
    chosen = np.arange(len(weights))
    for _ in range(_REFINEMENTS):
        trial = np.repeat(base[:, None], grid.shape[1], axis=1)
        trial[:, :, column] = grid
        flat = trial.reshape(-1, weights.shape[1])
        dual = remaining(space, flat)[0][0].reshape(grid.shape) - _other_charges(space, flat).reshape(grid.shape)
        peak = dual.argmax(axis=1)
        low = grid[chosen, np.maximum(peak - 1, 0)]
        high = grid[chosen, np.minimum(peak + 1, grid.shape[1] - 1)]
        best = grid[chosen, peak]
        grid = np.linspace(low, high, 11, axis=1)
    result, neighbour = base.copy(), base.copy()
    result[:, column], neighbour[:, column] = best, 0.5 * best
    return result, neighbour


def _other_charges(space: Space, weights: FloatArray) -> FloatArray:
    caps = space.columns.free
    return weighted(np.where(np.isfinite(caps), caps, 0.0)[None, :], weights[:, 2:])[0]
