"""What weighted sums prove of a box of peaks, and deployments near them.

For weights w a backward pass gives the least w . (time, energy, resident bytes) of all deployments that a
setting allows. Together these half planes hold them all: the lower convex hull, for the price of one pass and
without labels. Below the corners that a front leaves open they bound what could still be found there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dse.solver.bounds import ROUNDING, weighted
from dse.solver.corners import Cover
from dse.solver.pareto import FloatArray, IntArray, nondominated
from dse.solver.space import Space, Step

_CROSSED = 24  # routes that are combined with each other: the number of pairs is its square


@dataclass(frozen=True, eq=False)
class Hull:
    """Every attainable (time, energy, memory) x has `weights` [k, 3] . x >= `bounds` [k]; weights are
    positive."""

    weights: FloatArray
    bounds: FloatArray

    def raised(self, memory_bytes: float) -> Hull:
        """Where memory counts so many bytes more."""
        return replace(self, bounds=self.bounds + self.weights[:, 2] * memory_bytes)

    def joined(self, other: Hull) -> Hull:
        """The half planes of both."""
        weights = np.concatenate([self.weights, other.weights])
        return Hull(weights, np.concatenate([self.bounds, other.bounds]))

    def least(self, corners: FloatArray) -> tuple[FloatArray, IntArray]:
        """The corners [n, 3] below which an attainable point may lie, as numbers [m], and the least of each
        objective there [m, 3]: what a half plane leaves while the two others are as large as the corner."""
        slack = weighted(corners, self.weights) - self.bounds
        open_ = np.flatnonzero((slack > 0).all(axis=1))
        room = (slack[open_, :, None] / self.weights[None]).min(axis=1, initial=np.inf)
        return np.maximum(corners[open_] - room, 0.0), open_

    def deciding(self, corners: FloatArray) -> IntArray:
        """The half planes that alone decide `least`, by number, ascending."""
        if not len(corners):
            return np.arange(len(self.weights))
        slack = weighted(corners, self.weights) - self.bounds
        closest = (slack[:, :, None] / self.weights[None]).argmin(axis=1)
        return np.unique(np.concatenate([closest.ravel(), slack.argmin(axis=1)]))


@dataclass(frozen=True, eq=False)
class Routes:
    """Deployments of a space: `rows` [k, n] of its tables, the `states` [k, n] after each step, and what a
    step has in `used` [k, n, 2] of L2 and L1."""

    rows: IntArray
    states: IntArray
    used: FloatArray

    def distinct(self, most: int) -> Routes:
        """The first `most` different ones."""
        kept = np.sort(np.unique(self.rows, axis=0, return_index=True)[1])[:most]
        return Routes(self.rows[kept], self.states[kept], self.used[kept])


def hull_of(space: Space, weights: FloatArray) -> tuple[Hull, Routes]:
    """The half planes of positive `weights` [k, 3], and a deployment on each. Memory is the resident bytes
    alone; labels of the space begin with time, energy and these."""
    tables = space.tables
    values = weighted(tables.costs[:, :3], weights)
    cheapest, row = first_least(values, tables.start)
    go, picks = np.zeros((space.steps[-1].targets, len(weights))), []
    for step in reversed(space.steps):
        go, pick = _back(step, cheapest, go)
        picks.append(pick)
    each, state = np.arange(len(weights)), np.zeros(len(weights), np.int64)
    taken: list[tuple[IntArray, IntArray, FloatArray]] = []
    for step, pick in zip(space.steps, reversed(picks), strict=True):
        transition = pick[state, each]
        chosen = row[step.table[transition], each]
        state = step.target[transition]
        taken.append((chosen, state, step.live_bytes[transition] + tables.footprints[chosen]))
    rows, states, used = (np.stack(column, axis=1) for column in zip(*taken, strict=True))
    return Hull(weights, go[0] * (1.0 - ROUNDING)), Routes(rows, states, used)


def _back(step: Step, cheapest: FloatArray, go: FloatArray) -> tuple[FloatArray, IntArray]:
    """Of each source the least weighted cost to the end [s, k] and the transition that it begins with."""
    order = np.argsort(step.source, kind="stable")
    through = cheapest[step.table[order]] + go[step.target[order]]
    heads, begin = np.unique(step.source[order], return_index=True)
    best, place = first_least(through, begin)
    before = np.full((step.sources, go.shape[1]), np.inf)
    pick = np.zeros(before.shape, np.int64)
    before[heads], pick[heads] = best, order[place]
    return before, pick


def first_least(values: FloatArray, begin: IntArray) -> tuple[FloatArray, IntArray]:
    """Of each run of rows of `values` [n, k] the least, column by column, and the first row that has it."""
    least = np.minimum.reduceat(values, begin, axis=0)
    sizes = np.diff(np.append(begin, len(values)))
    at = np.where(values == np.repeat(least, sizes, axis=0), np.arange(len(values))[:, None], len(values))
    return least, np.minimum.reduceat(at, begin, axis=0)


def crossings(space: Space, routes: Routes, cover: Cover) -> IntArray:
    """Rows [p, n] of deployments that begin as one route and end as another, where both pass one state: those
    that the cover leaves, non-dominated. Routes on a hull lie far apart; these lie between."""
    routes = routes.distinct(_CROSSED)
    before = np.cumsum(space.tables.costs[routes.rows][:, :, :3], axis=1)
    after = before[:, -1:] - before
    high = np.maximum.accumulate(routes.used, axis=1)
    ahead = np.maximum.accumulate(routes.used[:, ::-1], axis=1)[:, ::-1]
    same = routes.states[:, None, :-1] == routes.states[None, :, :-1]
    same &= ~np.eye(len(routes.rows), dtype=bool)[:, :, None]
    first, second, step = np.nonzero(same)
    points = before[first, step] + after[second, step]
    points[:, 2] += np.maximum(high[first, step], ahead[second, step + 1]).sum(axis=1)
    left = np.flatnonzero(cover.leaves(points))
    left = left[nondominated(points[left])] if len(left) else left
    early = np.arange(routes.rows.shape[1]) <= step[left, None]
    return np.where(early, routes.rows[first[left]], routes.rows[second[left]])


def spread_weights(scale: FloatArray, parts: int = 6) -> FloatArray:
    """Weights [k, 3] all over, for objectives of about `scale` [3]; none is zero."""
    triples = [(i, j, parts - i - j) for i in range(parts + 1) for j in range(parts + 1 - i)]
    return np.asarray(np.maximum(np.array(triples) / parts, 1e-4) / np.where(scale > 0, scale, 1.0))


def facing_weights(least: FloatArray, corners: FloatArray, reference: FloatArray, most: int) -> FloatArray:
    """Weights [k, 3] across the `most` largest of the boxes from `least` to `corners` [n, 3]: a half plane
    there cuts most off."""
    depth = np.maximum((corners - least) / reference, 1e-5)
    size = depth.prod(axis=1)
    largest = np.argsort(-size, kind="stable")[:most]
    return np.asarray(1.0 / (depth[largest] * reference))
