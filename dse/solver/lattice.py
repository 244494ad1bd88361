"""Many boxes of peaks in one backward pass: the least weighted sums under every pair of caps of a lattice.

A box of peaks allows what keeps to its upper ends (see `dse.solver.boxes`). Boxes that form a lattice
differ in which rows of a table they allow, nothing else: each row is put into the first cell that it fits,
minima run along both axes, and one backward pass over arrays [states, cells, weights] does for all cells what
`hull_of` does for one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dse.solver.bounds import ROUNDING, weighted
from dse.solver.hull import first_least
from dse.solver.pareto import BoolArray, FloatArray, IntArray
from dse.solver.space import Space, Step


@dataclass(frozen=True, eq=False)
class Choices:
    """Rows of the tables that the transitions of a space can take, sorted by transition.

    Transitions count through all steps, in each by source. `transition`, `row` [n]; `need` [n, 2] bytes in L2
    and in L1 that the step then uses.
    """

    transition: IntArray
    row: IntArray
    need: FloatArray

    @staticmethod
    def of(space: Space) -> Choices:
        """All of them. The space keeps footprints apart."""
        orders = [by_source(step) for step in space.steps]
        table = np.concatenate([s.table[o] for s, o in zip(space.steps, orders, strict=True)])
        live = np.concatenate([s.live_bytes[o] for s, o in zip(space.steps, orders, strict=True)])
        sizes = space.tables.size[table]
        transition = np.repeat(np.arange(len(table)), sizes)
        row = ragged(space.tables.start[table], sizes)
        return Choices(transition, row, live[transition] + space.tables.footprints[row])

    def take(self, index: IntArray | BoolArray) -> Choices:
        """Some of them, in order."""
        return Choices(self.transition[index], self.row[index], self.need[index])

    def within(self, space: Space, floor: FloatArray, high: FloatArray, weights: FloatArray) -> Choices:
        """What is of use in a box where peaks count at least `floor` [2] and at most `high` [2], of L2, L1.

        A row goes that needs more, and one that is worse in every cost than a row of the same transition
        that needs no more than the floor: one that is best for some of `weights` [k, c]. What uses the one
        that goes is weakly dominated by what uses the other, here or in a box below.
        """
        fitting = self.take(np.asarray((self.need <= high).all(axis=1)))
        free = np.flatnonzero((fitting.need <= floor).all(axis=1))
        if len(free) == 0:
            return fitting
        costs = space.tables.costs[fitting.row]
        of, begin = np.unique(fitting.transition[free], return_index=True)
        best = free[first_least(weighted(costs[free], weights), begin)[1]]
        place = np.searchsorted(of, fitting.transition)
        known = np.flatnonzero((place < len(of)) & (of[np.minimum(place, len(of) - 1)] == fitting.transition))
        place = place[known]
        mine, useless = costs[known], np.zeros(len(known), dtype=bool)
        for champion in best.T:
            judge = costs[champion][place]
            useless |= (judge <= mine).all(axis=1) & (known != champion[place])
        alive = np.ones(len(fitting.row), dtype=bool)
        alive[known[useless]] = False
        alive[best.ravel()] = True
        return fitting.take(alive)


@dataclass(frozen=True, eq=False)
class Sweep:
    """The least of `weights` [k, c] . costs under the caps `tops` ([g2] of L2, [g1] of L1): `least`
    [g2 * g1, k], infinite where nothing fits. `cheapest` [transitions, cells, k] and `go` [states, cells, k]
    after every step lead to who attains it.
    """

    space: Space
    choices: Choices
    tops: tuple[FloatArray, FloatArray]
    weights: FloatArray
    cheapest: FloatArray
    go: tuple[FloatArray, ...]

    @property
    def least(self) -> FloatArray:
        """[g2 * g1, k] with an allowance for rounding."""
        return np.asarray(self.go[0][0] * (1.0 - ROUNDING))

    def attained(self, cell: IntArray, weight: IntArray) -> IntArray:
        """Rows of the tables [p, layers] of deployments that attain the least of a cell and a weight [p]."""
        if len(cell) == 0:
            return np.zeros((0, len(self.space.steps)), np.int64)
        each, state, first = np.arange(len(cell)), np.zeros(len(cell), np.int64), 0
        taken = np.zeros((len(cell), len(self.space.steps)), np.int64)
        for index, step in enumerate(self.space.steps):
            order = by_source(step)
            ends = np.searchsorted(step.source[order], np.arange(step.sources + 1))
            begin, size = ends[state], ends[state + 1] - ends[state]
            out = np.minimum(begin[:, None] + np.arange(int(size.max())), begin[:, None] + size[:, None] - 1)
            target = step.target[order][out]
            through = self.cheapest[first + out, cell[:, None], weight[:, None]]
            through = through + self.go[index + 1][target, cell[:, None], weight[:, None]]
            best = through.argmin(axis=1)
            taken[:, index], state = first + out[each, best], target[each, best]
            first += len(order)
        return self._rows(taken, cell, weight)

    def _rows(self, taken: IntArray, cell: IntArray, weight: IntArray) -> IntArray:
        """The row that each of the transitions `taken` [p, layers] is cheapest with."""
        who, transition = np.repeat(np.arange(len(cell)), taken.shape[1]), taken.ravel()
        ends = np.searchsorted(self.choices.transition, np.arange(int(transition.max()) + 2))
        sizes = ends[transition + 1] - ends[transition]
        place, who = ragged(ends[transition], sizes), np.repeat(who, sizes)
        l2, l1 = np.divmod(cell, len(self.tops[1]))
        high = np.stack([self.tops[0][l2], self.tops[1][l1]], axis=1)
        costs, wanted = self.space.tables.costs[self.choices.row[place]], self.weights[weight[who]]
        value = costs[:, 0] * wanted[:, 0]
        for column in range(1, costs.shape[1]):
            value += costs[:, column] * wanted[:, column]
        value[(self.choices.need[place] > high[who]).any(axis=1)] = np.inf
        best = first_least(value[:, None], np.cumsum(sizes) - sizes)[1][:, 0]
        return self.choices.row[place[best]].reshape(taken.shape)


def sweep(space: Space, choices: Choices, tops: tuple[FloatArray, FloatArray], weights: FloatArray) -> Sweep:
    """One backward pass for all pairs of `tops`, ascending, and all `weights` [k, c], none negative."""
    shape = (len(tops[0]), len(tops[1]), len(weights))
    cheapest = _cheapest(space, choices, tops, weights).reshape(-1, shape[0] * shape[1], shape[2])
    go, last = [np.zeros((space.steps[-1].targets, *cheapest.shape[1:]))], len(cheapest)
    for step in reversed(space.steps):
        order = by_source(step)
        through = cheapest[last - len(order) : last] + go[-1][step.target[order]]
        heads, begin = np.unique(step.source[order], return_index=True)
        before = np.full((step.sources, *cheapest.shape[1:]), np.inf)
        before[heads] = np.minimum.reduceat(through, begin, axis=0)
        go.append(before)
        last -= len(order)
    return Sweep(space, choices, tops, weights, cheapest, tuple(reversed(go)))


def _cheapest(
    space: Space, choices: Choices, tops: tuple[FloatArray, FloatArray], weights: FloatArray
) -> FloatArray:
    """[transitions, g2, g1, k]: the least weighted costs of the rows that keep to the caps."""
    count, shape = sum(len(step.table) for step in space.steps), (len(tops[0]), len(tops[1]))
    cell = [np.searchsorted(top, choices.need[:, axis]) for axis, top in enumerate(tops)]
    fits = np.flatnonzero((cell[0] < shape[0]) & (cell[1] < shape[1]))
    key = (choices.transition[fits] * shape[0] + cell[0][fits]) * shape[1] + cell[1][fits]
    order = np.argsort(key, kind="stable")
    key, begin = np.unique(key[order], return_index=True)
    flat = np.full((count * shape[0] * shape[1], len(weights)), np.inf)
    if len(key):
        values = weighted(space.tables.costs, weights)
        flat[key] = np.minimum.reduceat(values[choices.row[fits[order]]], begin, axis=0)
    cheapest = flat.reshape(count, *shape, len(weights))
    for line in range(1, shape[0]):
        np.minimum(cheapest[:, line], cheapest[:, line - 1], out=cheapest[:, line])
    for line in range(1, shape[1]):
        np.minimum(cheapest[:, :, line], cheapest[:, :, line - 1], out=cheapest[:, :, line])
    return cheapest


def lines(inside: FloatArray, count: int) -> FloatArray:
    """At most `count` upper ends [g] of parts that together hold the distinct needs `inside` [n]: about
    equally wide, each up to just below a need. All ascending."""
    ends = np.append(inside[1:] - 1.0, inside[-1])
    if len(ends) > count:
        wanted = inside[0] + (inside[-1] - inside[0]) * np.arange(1, count) / count
        ends = np.unique(np.append(ends[np.searchsorted(ends, wanted)], inside[-1]))
    return np.asarray(ends)


def by_source(step: Step) -> IntArray:
    """Its transitions by source."""
    return np.asarray(np.argsort(step.source, kind="stable"))


def ragged(begin: IntArray, sizes: IntArray) -> IntArray:
    """begin[0], begin[0] + 1, ... sizes[0] of them, then those of begin[1], and so on."""
    return np.asarray(np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes - begin, sizes))
