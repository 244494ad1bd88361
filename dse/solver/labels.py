"""The forward pass: Pareto labels per state, pruned by caps, bounds and dominance, with backpointers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dse.solver.bounds import ROUNDING, Bounds, weighted
from dse.solver.cut import Cut, survivors
from dse.solver.pareto import BoolArray, FloatArray, IntArray, nondominated, nondominated_in_groups
from dse.solver.space import Space, Step

_CHUNK = 1 << 19  # candidates expanded at once; bounds memory, not results


@dataclass(frozen=True, eq=False)
class Paths:
    """Finished labels: `costs` [p, c] and per layer the row of `Tables` taken, `rows` [p, n]. `complete`: none dropped.

    `labels` counts the labels kept over all steps, `candidates` those looked at.
    """

    costs: FloatArray
    rows: IntArray
    complete: bool
    labels: int
    candidates: int


@dataclass(frozen=True, eq=False)
class _Labels:
    """Labels sorted by state, with the position of the parent label and the table row that made them."""

    costs: FloatArray
    state: IntArray
    parent: IntArray
    row: IntArray

    def take(self, index: IntArray | BoolArray) -> _Labels:
        return _Labels(self.costs[index], self.state[index], self.parent[index], self.row[index])


@dataclass(frozen=True, eq=False)
class Beam:
    """Keep the best few labels of every weight: `per_state` in each state, or `in_step` over the whole step.

    The step limit only acts when more labels than it are alive.
    """

    per_state: int | None = None
    in_step: int | None = None


def explore(space: Space, bounds: Bounds, cut: Cut | None, beam: Beam) -> Paths:
    """All Pareto-optimal completions that `cut` does not exclude; fewer, and not `complete`, where the beam bites."""
    labels = _Labels(
        np.zeros((1, space.columns.count)), np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros(1, np.int64)
    )
    trail: list[tuple[IntArray, IntArray]] = []
    complete, kept, seen = True, 0, 0
    for index, step in enumerate(space.steps):
        labels, candidates = _advance(space, bounds, cut, index, step, labels)
        narrowed = _narrow(labels, bounds, index, beam)
        complete &= len(narrowed.state) == len(labels.state)
        labels = narrowed
        trail.append((labels.parent, labels.row))
        kept, seen = kept + len(labels.state), seen + candidates
    keep = nondominated(labels.costs[:, : space.columns.objectives])
    return Paths(labels.costs[keep], _walk_back(trail, keep), complete, kept, seen)


def _advance(
    space: Space, bounds: Bounds, cut: Cut | None, index: int, step: Step, labels: _Labels
) -> tuple[_Labels, int]:
    parts, seen = [], 0
    for candidates in _expand(space, step, labels):
        seen += len(candidates.state)
        parts.append(_prune(space, bounds, cut, index, candidates))
    if len(parts) == 1:
        return parts[0], seen
    merged = _Labels(*(np.concatenate([getattr(p, f) for p in parts]) for f in ("costs", "state", "parent", "row")))
    return merged.take(_undominated(space, bounds, index, merged)), seen


def _expand(space: Space, step: Step, labels: _Labels) -> Iterator[_Labels]:
    """Every label times every row of every transition, a bounded number at a time."""
    begin = np.searchsorted(labels.state, np.arange(step.sources + 1))
    tables = space.tables
    options = tables.size[step.table]
    pairs = np.diff(begin)[step.source] * options
    part = (np.cumsum(pairs) - pairs) // _CHUNK
    for number in np.unique(part):
        chosen = np.flatnonzero(part == number)
        transition = np.repeat(chosen, pairs[chosen])
        offset = np.arange(len(transition)) - np.repeat(np.cumsum(pairs[chosen]) - pairs[chosen], pairs[chosen])
        parent = begin[step.source[transition]] + offset // options[transition]
        row = tables.start[step.table[transition]] + offset % options[transition]
        costs = labels.costs[parent] + tables.costs[row]
        yield _Labels(costs, step.target[transition], parent, row)


def _prune(space: Space, bounds: Bounds, cut: Cut | None, index: int, labels: _Labels) -> _Labels:
    least = bounds.least[index + 1][labels.state]
    labels = labels.take((labels.costs[:, 2:] + least[:, 2:] <= space.columns.caps_bytes).all(axis=1))
    if cut is not None:
        labels = labels.take(survivors(cut, bounds, labels.costs, bounds.go[index + 1][labels.state]))
    return labels.take(_undominated(space, bounds, index, labels))


def _undominated(space: Space, bounds: Bounds, index: int, labels: _Labels) -> IntArray:
    """Dominance within a state. A sum that can no longer reach its cap is as good as any smaller one."""
    comparable = labels.costs.copy()
    free = space.columns.free
    relaxed = free - bounds.most[index + 1][labels.state]
    comparable[:, 2:] = np.where(np.isfinite(relaxed), np.maximum(comparable[:, 2:], relaxed), comparable[:, 2:])
    return nondominated_in_groups(comparable, labels.state)


def _narrow(labels: _Labels, bounds: Bounds, index: int, beam: Beam) -> _Labels:
    """Best labels of each weight by their bound; ties go to the earlier label."""
    promise = weighted(labels.costs, bounds.weights) + bounds.go[index + 1][labels.state]
    if beam.per_state is not None:
        keep = _best_ranks(promise, labels.state, beam.per_state)
        labels, promise = labels.take(keep), promise[keep]
    if beam.in_step is not None and len(labels.state) > beam.in_step:
        each = max(1, beam.in_step // promise.shape[1])
        labels = labels.take(_best_ranks(promise, np.zeros(len(labels.state), np.int64), each))
    return labels


def _best_ranks(promise: FloatArray, group: IntArray, count: int) -> BoolArray:
    """Mask of rows among the `count` smallest of their group in some column of `promise` [n, k]."""
    keep = np.zeros(len(group), dtype=bool)
    begin = np.searchsorted(group, group)  # groups are sorted
    for column in range(promise.shape[1]):
        order = np.lexsort((_rounded(promise[:, column]), group))
        keep[order[np.arange(len(order)) - begin < count]] = True
    return keep


def _rounded(values: FloatArray) -> FloatArray:
    """Values on a grid of their rounding error, so that equal promises rank by position."""
    step = ROUNDING * max(float(np.abs(values).max(initial=0.0)), 1e-300)
    return np.round(values / step)


def _walk_back(trail: list[tuple[IntArray, IntArray]], last: IntArray) -> IntArray:
    rows = np.zeros((len(last), len(trail)), dtype=np.int64)
    position = last
    for step in range(len(trail) - 1, -1, -1):
        parent, row = trail[step]
        rows[:, step] = row[position]
        position = parent[position]
    return rows
