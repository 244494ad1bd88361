"""Weighted sums under every cap on resident bytes: what half planes in three objectives cannot see.

Parameters are few large blocks, so that (time, energy) over memory goes in steps, and the lower hull of such
steps lies far below them. Here the bytes that may stay resident are a state of the backward pass: for every
level of a grid the least w . (time, energy) of what keeps to it. Only (time, energy) is made convex. Bytes
left are rounded up to a level: what is compared may use a little more, so that the sums are lower bounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dse.solver.bounds import ROUNDING, weighted
from dse.solver.lattice import Choices, by_source, ragged
from dse.solver.pareto import FloatArray, IntArray
from dse.solver.space import Space

_RESIDENT = 2  # the column of a label that sums up all resident parameters


@dataclass(frozen=True, eq=False)
class Blocks:
    """The cheapest rows of each transition by the bytes that they keep: of `transition` [n], sorted,
    `resident` [n] bytes, the least weighted costs `value` [n, k] and the `row` [n, k] that has it."""

    transition: IntArray
    resident: FloatArray
    value: FloatArray
    row: IntArray

    @staticmethod
    def of(space: Space, choices: Choices, weights: FloatArray) -> Blocks:
        """For `weights` [k, c], of which that of resident bytes is 0."""
        resident = space.tables.costs[choices.row, _RESIDENT]
        order = np.lexsort((resident, choices.transition))
        transition, resident = choices.transition[order], resident[order]
        new = np.append(True, (np.diff(transition) != 0) | (np.diff(resident) != 0))
        begin = np.flatnonzero(new[: len(order)])
        row = choices.row[order]
        value = weighted(space.tables.costs[row], weights)
        least = np.minimum.reduceat(value, begin, axis=0)
        sizes = np.diff(np.append(begin, len(row)))
        at = np.where(value == np.repeat(least, sizes, axis=0), np.arange(len(row))[:, None], len(row))
        return Blocks(transition[begin], resident[begin], least, row[np.minimum.reduceat(at, begin, axis=0)])


@dataclass(frozen=True, eq=False)
class Leveled:
    """The least of `weights` [k, c] . costs where no more than `grid` [g] bytes stay resident: `go`
    [states, g, k] after every step. The grid begins with 0 and ascends."""

    space: Space
    blocks: Blocks
    grid: FloatArray
    go: tuple[FloatArray, ...]

    @property
    def least(self) -> FloatArray:
        """[g, k] with an allowance for rounding; infinite where nothing fits."""
        return np.asarray(self.go[0][0] * (1.0 - ROUNDING))

    def attained(self, level: IntArray, weight: IntArray) -> IntArray:
        """Rows of the tables [p, layers] of deployments that attain the least of levels [p] and weights [p];
        they may keep somewhat more bytes."""
        taken = np.zeros((len(level), len(self.space.steps)), np.int64)
        state, first, level = np.zeros(len(level), np.int64), 0, level.copy()
        for index, step in enumerate(self.space.steps):
            order = by_source(step)
            begin, end = np.searchsorted(self.blocks.transition, [first, first + len(order)])
            number = np.arange(begin, end)
            local = self.blocks.transition[number] - first
            source, target = step.source[order][local], step.target[order][local]
            by_state = np.searchsorted(source, np.arange(step.sources + 1))
            sizes = by_state[state + 1] - by_state[state]
            out, who = ragged(by_state[state], sizes), np.repeat(np.arange(len(level)), sizes)
            left = self._left(level[who], self.blocks.resident[number[out]])
            value = self.blocks.value[number[out], weight[who]]
            ahead = self.go[index + 1][target[out], np.maximum(left, 0), weight[who]]
            value = np.where(left < 0, np.inf, value + ahead)
            best = _first_of_least(value, np.cumsum(sizes) - sizes)
            taken[:, index] = self.blocks.row[number[out[best]], weight]
            state, level, first = target[out[best]], left[best], first + len(order)
        return taken

    def _left(self, level: IntArray, bytes_: FloatArray) -> IntArray:
        """[n] the level of what these bytes leave of a level, rounded up; -1 where they do not fit."""
        rest = self.grid[level] - bytes_
        return np.where(rest < 0, -1, np.searchsorted(self.grid, np.maximum(rest, 0.0)))


def leveled(space: Space, blocks: Blocks, grid: FloatArray) -> Leveled:
    """One backward pass for all levels of the grid."""
    shape = (len(grid), blocks.value.shape[1])
    go, last = [np.zeros((space.steps[-1].targets, *shape))], sum(len(step.table) for step in space.steps)
    distinct, kind = np.unique(blocks.resident, return_inverse=True)
    left = np.searchsorted(grid, np.maximum(grid - distinct[:, None], 0.0))
    first_fit = np.searchsorted(grid, distinct)
    for step in reversed(space.steps):
        order = by_source(step)
        begin, end = np.searchsorted(blocks.transition, [last - len(order), last])
        local = blocks.transition[begin:end] - (last - len(order))
        source, target = step.source[order][local].tolist(), step.target[order][local].tolist()
        before = np.full((step.sources, *shape), np.inf)
        for number, here, there in zip(range(begin, end), source, target, strict=True):
            size = kind[number]
            fit = first_fit[size]
            through = go[-1][there][left[size, fit:]]
            through += blocks.value[number]
            np.minimum(before[here, fit:], through, out=before[here, fit:])
        go.append(before)
        last -= len(order)
    return Leveled(space, blocks, grid, tuple(reversed(go)))


def _first_of_least(values: FloatArray, begin: IntArray) -> IntArray:
    """Of each run of `values` [n] the first place of its least."""
    least = np.minimum.reduceat(values, begin)
    sizes = np.diff(np.append(begin, len(values)))
    at = np.where(values == np.repeat(least, sizes), np.arange(len(values)), len(values))
    return np.asarray(np.minimum.reduceat(at, begin))


def below(
    least: FloatArray, grid: FloatArray, floor: float, weights: FloatArray, corners: FloatArray
) -> tuple[FloatArray, IntArray, IntArray]:
    """Lower bounds [n, 3] of what may lie below the `corners` [m, 3], and of each the corner and the level.

    What keeps more bytes than the level before, and no more than `grid` [g] says, has weights [k, 2] .
    (time, energy) >= `least` [g, k], and memory beyond `floor` and the level before (bytes are whole).
    """
    fresh = np.append(True, (least[1:] != least[:-1]).any(axis=1)) & np.isfinite(least).all(axis=1)
    limits = weighted(corners[:, :2], weights)
    points, which, levels = [np.zeros((0, 3))], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for level in np.flatnonzero(fresh).tolist():
        memory = floor + (grid[level - 1] + 1.0 if level else 0.0)
        open_ = np.flatnonzero((limits > least[level]).all(axis=1) & (corners[:, 2] > memory))
        if len(open_) == 0:
            continue
        slack = limits[open_] - least[level]
        room = (slack[:, :, None] / weights[None]).min(axis=1)
        found = np.full((len(open_), 3), memory)
        found[:, :2] = np.maximum(corners[open_, :2] - room, 0.0)
        points.append(found)
        which.append(open_)
        levels.append(np.full(len(open_), level))
    return np.concatenate(points), np.concatenate(which), np.concatenate(levels)
