"""The forward pass: Pareto labels per state, pruned by caps, bounds and dominance, with backpointers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dse.solver.bounds import ROUNDING, Bounds, weighted
from dse.solver.cut import Cut, survivors
from dse.solver.pareto import BoolArray, FloatArray, IntArray, nondominated, nondominated_in_groups
from dse.solver.space import Space, Step
from dse.solver.tables import Tables

_CHUNK = 1 << 19  # candidates expanded at once; bounds memory, not results
_SLICES = (1, 8, 4, 2, 2)  # per capped sum, for none, one, two ... of them
_OBJECTIVE_SLICES = 32
_CELL_BITS = 14  # of the finest grid on which labels are merged
_KEY_BITS = 62  # of the numbers that labels are ranked by


@dataclass(frozen=True, eq=False)
class Paths:
    """Finished labels: `costs` [p, c] and per layer the row of `Tables` taken, `rows` [p, n]. `complete`:
    none dropped.

    `crowded`: some were dropped because a step had too many. `labels` counts the labels kept over all steps,
    `candidates` those looked at.
    """

    costs: FloatArray
    rows: IntArray
    complete: bool
    crowded: bool
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
    """Keep the best few labels of every weight `per_neighbourhood` (see there), and at most `in_step` in a
    whole step. With `merge` those too many are not dropped: labels alike are merged into one with the
    least of each cost, so that costs are lower bounds of what is reached, and nothing is missed.
    """

    per_neighbourhood: int | None = None
    in_step: int | None = None
    merge: bool = False


def explore(space: Space, bounds: Bounds, cut: Cut | None, beam: Beam) -> Paths:
    """All Pareto-optimal completions that `cut` does not exclude; fewer, and not `complete`, where the beam
    bites.
    """
    labels = _Labels(
        np.zeros((1, space.columns.count)),
        np.zeros(1, np.int64),
        np.zeros(1, np.int64),
        np.zeros(1, np.int64),
    )
    trail: list[tuple[IntArray, IntArray]] = []
    complete, crowded, kept, seen = True, False, 0, 0
    for index, step in enumerate(space.steps):
        labels, candidates = _advance(space, bounds, cut, index, step, labels)
        narrowed, full = _narrow(space, labels, bounds, index, beam)
        complete &= len(narrowed.state) == len(labels.state)
        crowded |= full
        labels = narrowed
        trail.append((labels.parent, labels.row))
        kept, seen = kept + len(labels.state), seen + candidates
    keep = nondominated(labels.costs[:, : space.columns.objectives])
    return Paths(labels.costs[keep], walk_back(trail, keep), complete, crowded, kept, seen)


def _advance(
    space: Space, bounds: Bounds, cut: Cut | None, index: int, step: Step, labels: _Labels
) -> tuple[_Labels, int]:
    parts, seen = [], 0
    for transition, parent, row in expand(space.tables, step, labels.state):
        costs = labels.costs[parent] + space.tables.costs[row]
        grown = _Labels(costs, step.target[transition], parent, row)
        parts.append(_prune(space, bounds, cut, index, grown, step.splits))
        seen += len(row)
    if len(parts) == 1:
        return parts[0], seen
    if not parts:
        return labels.take(np.zeros(0, np.int64)), 0
    merged = _Labels(
        *(np.concatenate([getattr(p, f) for p in parts]) for f in ("costs", "state", "parent", "row"))
    )
    return merged.take(_undominated(space, bounds, index, merged)), seen


def expand(tables: Tables, step: Step, state: IntArray) -> Iterator[tuple[IntArray, IntArray, IntArray]]:
    """Every label times every row of every transition out of its state, a bounded number at a time.

    `state` [n] are the labels' states, ascending. Yields (transition, label, table row) as three arrays [m].
    """
    begin = np.searchsorted(state, np.arange(step.sources + 1))
    options = tables.size[step.table]
    pairs = np.diff(begin)[step.source] * options
    part = (np.cumsum(pairs) - pairs) // _CHUNK
    for number in np.unique(part[pairs > 0]):
        chosen = np.flatnonzero(part == number)
        transition = np.repeat(chosen, pairs[chosen])
        first = np.cumsum(pairs[chosen]) - pairs[chosen]
        offset = np.arange(len(transition)) - np.repeat(first, pairs[chosen])
        parent = begin[step.source[transition]] + offset // options[transition]
        yield transition, parent, tables.start[step.table[transition]] + offset % options[transition]


def _prune(
    space: Space, bounds: Bounds, cut: Cut | None, index: int, labels: _Labels, splits: bool
) -> _Labels:
    """Those that can still end within the caps and better than what is known.

    splits: the step leads to every state from one label at most for each before, so that none dominates.
    """
    ahead = labels.costs[:, 2:] + bounds.least[index + 1][labels.state][:, 2:]
    affordable: BoolArray = np.asarray((ahead <= space.columns.caps_bytes).all(axis=1))
    labels = labels.take(affordable)
    if cut is not None:
        labels = labels.take(survivors(cut, bounds, labels.costs, bounds.go[index + 1][labels.state]))
    return labels if splits else labels.take(_undominated(space, bounds, index, labels))


def _undominated(space: Space, bounds: Bounds, index: int, labels: _Labels) -> IntArray:
    """Dominance within a state."""
    return nondominated_in_groups(_relaxed(space, bounds, index, labels), labels.state)


def _relaxed(space: Space, bounds: Bounds, index: int, labels: _Labels) -> FloatArray:
    """Costs in which a sum that can no longer exceed its cap has grown to where it just cannot: less is no
    better.
    """
    free = space.columns.free
    harmless = free - bounds.most[index + 1][labels.state]
    costs = labels.costs.copy()
    costs[:, 2:] = np.where(np.isfinite(harmless), np.maximum(costs[:, 2:], harmless), costs[:, 2:])
    return costs


def _narrow(space: Space, labels: _Labels, bounds: Bounds, index: int, beam: Beam) -> tuple[_Labels, bool]:
    """The best labels by the bound of some weight, neighbourhood by neighbourhood; ties go to the earlier
    label. And whether the limit of a step dropped any.
    """
    limit = len(labels.state) if beam.in_step is None else beam.in_step
    if beam.per_neighbourhood is None and len(labels.state) <= limit:
        return labels, False
    if beam.merge:
        first, costs = merge_alike(labels.costs, labels.state, limit)
        return replace(labels.take(first), costs=costs), True
    promise = weighted(labels.costs, bounds.weights[bounds.tight])
    promise += bounds.go[index + 1][labels.state][:, bounds.tight]
    rank = _best_ranks(promise, _neighbourhood(space, bounds, index, labels))
    if beam.per_neighbourhood is not None:
        labels, rank = labels.take(rank < beam.per_neighbourhood), rank[rank < beam.per_neighbourhood]
    return labels.take(np.sort(np.argsort(rank, kind="stable")[:limit])), len(rank) > limit


def merge_alike(costs: FloatArray, state: IntArray, limit: int) -> tuple[IntArray, FloatArray]:
    """At most `limit` labels, or one a state, out of costs [n, c] and states [n]: those in the same cell of
    the finest grid that leaves so few become one. Their first ones [m], ascending by state, and the least of
    each cost [m, c].

    Cells are told apart by a hash: that two of a state share one by chance costs sharpness, never validity.
    """
    low, span = costs.min(axis=0), np.ptp(costs, axis=0)
    cells = ((costs - low) / np.where(span > 0, span, 1.0) * ((1 << _CELL_BITS) - 1)).astype(np.uint64)
    fine, coarse = 0, _CELL_BITS
    while fine < coarse:
        middle = (fine + coarse) // 2
        few = len(np.unique(_cell_keys(cells >> np.uint64(middle), state))) <= limit
        fine, coarse = (fine, middle) if few else (middle + 1, coarse)
    keys = _cell_keys(cells >> np.uint64(fine), state)
    first, group = np.unique(keys, return_index=True, return_inverse=True)[1:]
    order = np.argsort(group, kind="stable")
    begin = np.searchsorted(group[order], np.arange(len(first)))
    return first, np.minimum.reduceat(costs[order], begin, axis=0)


def _cell_keys(cells: NDArray[np.uint64], state: IntArray) -> NDArray[np.uint64]:
    """[n] one number for state and cell, ascending by state."""
    mixed = np.zeros(len(cells), np.uint64)
    for column in cells.T:
        mixed = (mixed ^ column) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return (state.astype(np.uint64) << np.uint64(44)) | (mixed >> np.uint64(20))


def _neighbourhood(space: Space, bounds: Bounds, index: int, labels: _Labels) -> IntArray:
    """[n] number of (state, slice of every memory sum): labels alike in homes and in the memory they have
    left.

    Without the slices a beam spends all memory on the first layers and cannot afford a large one at the end.
    """
    columns = space.columns
    demand = bounds.most[0][0]
    caps = np.minimum(columns.caps_bytes, demand)
    contested = np.maximum(np.minimum(caps, demand - caps), 1.0)
    contested[: columns.objectives - 2] = np.maximum(caps[: columns.objectives - 2], 1.0)
    slices = np.full(len(caps), _SLICES[len(caps) - columns.objectives + 2])
    slices[: columns.objectives - 2] = _OBJECTIVE_SLICES
    left = np.floor((caps - _relaxed(space, bounds, index, labels)[:, 2:]) / contested * slices).astype(
        np.int64
    )
    group = labels.state
    for share in left.T:
        group = group * (int(share.max(initial=0)) + 1) + share
    return group


def _best_ranks(promise: FloatArray, group: IntArray) -> IntArray:
    """[n] the best place a row has within its group in any column of `promise` [n, k], counted from 0."""
    names, code, sizes = np.unique(group, return_inverse=True, return_counts=True)
    place = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    # One number for group, promise and position, in that order: sorting such is several times cheaper
    # than finding the order of each.
    position, name = (max(1, int(count - 1).bit_length()) for count in (len(group), len(names)))
    promised = _KEY_BITS - position - name
    keys = (code.reshape(-1) << promised) + _rounded(promise, promised).T
    keys = np.sort((keys << position) + np.arange(len(group)), axis=1) & ((1 << position) - 1)
    best = np.full(len(group), len(group))
    for order in keys:
        best[order] = np.minimum(best[order], place)
    return best


def _rounded(values: FloatArray, bits: int) -> IntArray:
    """Columns on a grid of their rounding error, so that equal promises rank by position; whole numbers of so
    many bits, for which the grid is made coarser where it has to be."""
    step = ROUNDING * np.maximum(np.abs(values).max(axis=0, initial=0.0), 1e-300)
    finest = np.ptp(values, axis=0) / step if len(values) else step
    codes = np.round(values / (step * np.maximum(1.0, finest / (1 << (bits - 1)))))
    return np.asarray(codes - codes.min(axis=0, initial=np.inf), dtype=np.int64)


def walk_back(trail: list[tuple[IntArray, IntArray]], last: IntArray) -> IntArray:
    """Rows taken [p, n] on the way to the labels `last` [p]; the trail has (parents, rows) of every step."""
    rows = np.zeros((len(last), len(trail)), dtype=np.int64)
    position = last
    for step in range(len(trail) - 1, -1, -1):
        parent, row = trail[step]
        rows[:, step] = row[position]
        position = parent[position]
    return rows
