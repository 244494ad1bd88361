"""Backward passes over the state space: what is still to be paid from every state, and weights worth asking
that for.

For a weight vector w over label columns, `go` is the smallest w . (costs of the remaining steps). Any
completion of a label x in state s then has w . (final sums) >= w . x + go[s]; subtracting the multipliers
times the caps gives a bound in objective space alone (Lagrangian relaxation of the memory limits; Everett
1963).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dse.solver.pareto import FloatArray, IntArray
from dse.solver.space import Space

# Sums of a few hundred doubles differ by less than this, relatively, whatever their order.
ROUNDING = 1e-11
_DIRECTIONS_2D = (0.0, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0)
_GRID = np.array([0.0, 0.01, 0.03, 0.1, 0.2, 0.35, 0.6, 1.0, 1.7, 3.0, 6.0, 20.0, 100.0])
_FACTORS = (2.0, 2.0, 1.5, 1.5, 1.25, 1.25, 1.12, 1.06, 1.03)


@dataclass(frozen=True, eq=False)
class Bounds:
    """Weights [k, c] over label columns and what they give per step boundary i (0 .. layers) and state.

    `go[i]` [s, k]: smallest weighted remaining cost; `least[i]` [s, c]: the same for each column alone;
    `most[i]` [s, q]: largest remaining bytes per memory sum. `charge` [k] is multipliers . caps, `margin` [k]
    an absolute allowance for rounding. `facing` [k, d] are the weights' objective parts, `tight` [j] the
    weights with the best root bound of each direction.
    """

    weights: FloatArray
    facing: FloatArray
    tight: IntArray
    charge: FloatArray
    margin: FloatArray
    go: tuple[FloatArray, ...]
    least: tuple[FloatArray, ...]
    most: tuple[FloatArray, ...]

    @property
    def root(self) -> FloatArray:
        """[k] valid lower bounds of facing . objectives over all deployments of the setting."""
        return np.asarray(self.go[0][0] - self.charge - self.margin)


def weighted(rows: FloatArray, weights: FloatArray) -> FloatArray:
    """rows [n, c] times weights [k, c] as [n, k], summed column by column so that no BLAS decides the
    rounding.
    """
    total = rows[:, :1] * weights[None, :, 0]
    for column in range(1, rows.shape[1]):
        total += rows[:, column : column + 1] * weights[None, :, column]
    return total


def remaining(space: Space, weights: FloatArray, sign: float = 1.0) -> tuple[FloatArray, ...]:
    """Per step boundary the smallest (sign 1) or largest (sign -1) weighted cost to the end [s, k]; inf if
    dead.
    """
    tables = space.tables
    cheapest = np.minimum.reduceat(sign * weighted(tables.costs, weights), tables.start, axis=0)
    go = np.zeros((space.steps[-1].targets, len(weights)))
    result = [sign * go]
    for step in reversed(space.steps):
        by = step.by_source
        through = cheapest[by.table] + go[by.target]
        go = np.full((step.sources, len(weights)), np.inf)
        go[by.heads] = np.minimum.reduceat(through, by.begin, axis=0)
        result.append(sign * go)
    return tuple(reversed(result))


def compute_bounds(space: Space) -> Bounds:
    """Directions through the objectives, each with the memory multipliers that make its root bound
    tightest.
    """
    least = remaining(space, np.eye(space.columns.count))
    weights = tightened(space, _directions(space, least[0][0]))
    caps = space.columns.free
    chargeable = np.where(np.isfinite(caps), caps, 0.0)
    charge = weighted(chargeable[None, :], weights[:, 2:])[0] if len(caps) else np.zeros(len(weights))
    go = remaining(space, weights)
    facing = weights[:, : space.columns.objectives]
    most = remaining(space, np.eye(space.columns.count)[2:], -1.0) if len(caps) else ()
    margin = ROUNDING * (go[0][0] + charge)
    tight = _tightest(facing, go[0][0] - charge)
    return Bounds(weights, facing, tight, charge, margin, go, least, most or tuple(g[:, :0] for g in go))


def _tightest(facing: FloatArray, root: FloatArray) -> IntArray:
    direction = np.unique(facing, axis=0, return_inverse=True)[1].reshape(-1)
    best = np.lexsort((-root, direction))
    return np.asarray(best[np.unique(direction[best], return_index=True)[1]], dtype=np.int64)


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


def tightened(space: Space, weights: FloatArray) -> FloatArray:
    """Every weight with its best multipliers; those of a single objective plain too, for labels that have
    saved memory.

    The dual is concave but not smooth: moving one multiplier at a time gets stuck where only moving all of
    them helps (parameters leave L2 only to enter weight memory). So: a grid on the common ray, then all sign
    patterns of shrinking factors around the best.
    """
    charged = 2 + np.flatnonzero(np.isfinite(space.columns.free))
    if len(charged) == 0:
        return weights
    demand = np.maximum(remaining(space, np.eye(space.columns.count)[charged], -1.0)[0][0], 1.0)
    value = np.maximum(remaining(space, weights)[0][0], 1e-300)
    rays = (_GRID[:, None] / demand)[None] * value[:, None, None]
    best = _best_multipliers(space, weights, charged, rays)
    patterns = np.stack(np.meshgrid(*[[0.0, -1.0, 1.0]] * len(charged), indexing="ij"), axis=-1).reshape(
        -1, len(charged)
    )
    for factor in _FACTORS:
        best = _best_multipliers(space, weights, charged, best[:, None, :] * factor**patterns)
    priced = weights.copy()
    priced[:, charged] = best
    alone = (weights > 0).sum(axis=1) == 1
    return np.unique(np.concatenate([weights[alone], priced]), axis=0)


def _best_multipliers(space: Space, weights: FloatArray, charged: IntArray, trial: FloatArray) -> FloatArray:
    """Of the multipliers `trial` [k, t, q] for each weight the ones [k, q] with the largest root bound."""
    full = np.repeat(weights[:, None], trial.shape[1], axis=1)
    full[:, :, charged] = trial
    dual = remaining(space, full.reshape(-1, weights.shape[1]))[0][0].reshape(trial.shape[:2])
    dual = dual - (trial * space.columns.free[charged - 2]).sum(axis=2)
    return np.asarray(trial[np.arange(len(weights)), dual.argmax(axis=1)], dtype=np.float64)
