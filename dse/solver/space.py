"""The state space of one setting: after each step, the homes of the live tensors that have a choice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from dse.solver.columns import Columns, choose_columns
from dse.solver.pareto import BoolArray, FloatArray, IntArray
from dse.solver.problem import Network, Setting
from dse.solver.tables import TableBuilder, TableCache, Tables

_HOMES = ("L2", "L1")  # of tensors, where they take memory
_CODES = 1 << 20  # states that could be told apart by one array of flags; beyond, rows are sorted


@dataclass(frozen=True, eq=False)
class BySource:
    """`table`, `target` [t] of transitions by source; those of state `heads[k]` begin at `begin[k]`."""

    table: IntArray
    target: IntArray
    heads: IntArray
    begin: IntArray


@dataclass(frozen=True, eq=False)
class Step:
    """Transitions of one layer, sorted by target state: `source`, `target`, `table` [t]; a table's rows are
    its options.

    `live_bytes` [t, 2]: live tensors in L2 and in L1 during the step, the output included, tiles and staging
    not. `splits`: every state is reached by one row of one transition only.
    """

    source: IntArray
    target: IntArray
    table: IntArray
    live_bytes: FloatArray
    sources: int
    targets: int
    splits: bool = False

    @cached_property
    def by_source(self) -> BySource:
        """The transitions grouped by where they begin, for passes from the end."""
        order = np.argsort(self.source, kind="stable")
        heads, begin = np.unique(self.source[order], return_index=True)
        return BySource(self.table[order], self.target[order], heads, begin)

    def take(self, index: IntArray | BoolArray) -> Step:
        """The same step with some of its transitions."""
        return replace(
            self,
            source=self.source[index],
            target=self.target[index],
            table=self.table[index],
            live_bytes=self.live_bytes[index],
        )


@dataclass(frozen=True)
class Footprints:
    """What a step uses of L2 and of L1 counts beyond `free_bytes`; stages and tiles in multiples of `grains`,
    rounded down."""

    free_bytes: tuple[int, int]
    grains: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Space:
    """All feasible transitions. `stuck_layer` is the first layer that no reachable state can run, None if all
    can.
    """

    columns: Columns
    tables: Tables
    steps: tuple[Step, ...]
    stuck_layer: int | None


@dataclass(frozen=True, eq=False)
class _Frontier:
    """Live tensors with a choice of homes (`tensors`) and the reachable states [s, len(tensors)] as home
    numbers.
    """

    tensors: tuple[int, ...]
    states: IntArray


def build_space(
    network: Network,
    setting: Setting,
    columns: Columns | None = None,
    cache: TableCache | None = None,
    apart: Footprints | None = None,
) -> Space:
    """Enumerate reachable states layer by layer and attach a pruned option table to every transition.

    columns: the sums that labels carry, by default those that the setting needs. cache: of this network's
    tables, where it is looked at under many settings. apart: which rows that differ in
    footprints only are kept apart; without, none are, and only the setting's caps matter.
    """
    columns = columns or choose_columns(network, setting)
    grains = (0.0, 0.0) if apart is None else apart.grains
    builder = TableBuilder(columns, setting, cache or TableCache(), grains)
    ranges = network.live_ranges()
    fixed = _fixed_bytes(network, ranges)
    frontier = _Frontier((), np.zeros((1, 0), dtype=np.int64))
    steps: list[Step] = []
    for index in range(len(network.layers)):
        live = _live_bytes(network, fixed[index], frontier)
        step, frontier = _advance(network, setting, builder, ranges, index, frontier, live, apart)
        if len(step.table) == 0:
            return Space(columns, builder.finish(), (), index)
        steps.append(step)
    tables = builder.finish()
    return Space(columns, tables, tuple(_with_splits(step, tables) for step in _trim(steps)), None)


def _with_splits(step: Step, tables: Tables) -> Step:
    few = len(step.target) <= step.targets and bool((tables.size[step.table] == 1).all())
    return replace(step, splits=few and len(np.unique(step.target)) == len(step.target))


def _fixed_bytes(network: Network, ranges: tuple[tuple[int, int], ...]) -> FloatArray:
    """[n, 2] bytes in L2 and in L1 of the tensors without a choice that are live in each step, without the
    layer's own output."""
    change = np.zeros((len(network.layers) + 1, len(_HOMES)))
    inputs = frozenset(network.inputs)
    for number, (tensor, (begin, end)) in enumerate(zip(network.tensors, ranges, strict=True)):
        if len(tensor.homes) == 1 and tensor.homes[0] in _HOMES and begin < end:
            home = _HOMES.index(tensor.homes[0])
            change[begin + (number not in inputs), home] += tensor.size_bytes
            change[end, home] -= tensor.size_bytes
    return np.asarray(np.cumsum(change, axis=0))


def _live_bytes(network: Network, fixed: FloatArray, frontier: _Frontier) -> FloatArray:
    """[s, 2] bytes in L2 and in L1 of the live tensors by state, without the layer's own output."""
    total = np.repeat(fixed[None], len(frontier.states), axis=0)
    for column, number in enumerate(frontier.tensors):
        tensor = network.tensors[number]
        for place, home in enumerate(_HOMES):
            if home in tensor.homes:
                total[:, place] += tensor.size_bytes * (
                    frontier.states[:, column] == tensor.homes.index(home)
                )
    return total


def _advance(
    network: Network,
    setting: Setting,
    builder: TableBuilder,
    ranges: tuple[tuple[int, int], ...],
    index: int,
    frontier: _Frontier,
    before: FloatArray,
    apart: Footprints | None,
) -> tuple[Step, _Frontier]:
    """The step and the states that it leads to; before [s, 2]: live bytes without the layer's own output."""
    layer = network.layers[index]
    output = network.tensors[layer.output]
    groups = _input_homes(network, layer.inputs, frontier)
    caps = np.array([setting.arena_bytes, setting.l1_cap_bytes - setting.l1_resident_bytes], dtype=np.float64)
    parts: list[tuple[IntArray, IntArray, IntArray, FloatArray]] = []
    for number, home_out in enumerate(output.homes):
        live = before + [float(output.size_bytes * (home == home_out)) for home in _HOMES]
        slack = (caps - live)[:, ::-1]
        free = None if apart is None else (np.array(apart.free_bytes) - live)[:, ::-1]
        for homes_in, members in groups:
            beyond = None if free is None else free[members]
            table = builder.lookup(layer, (homes_in, home_out), slack[members], beyond)
            fits = members[table >= 0]
            parts.append((fits, np.full(len(fits), number, dtype=np.int64), table[table >= 0], live[fits]))
    source, home, table, during = (np.concatenate(column) for column in zip(*parts, strict=True))
    target, reached = _link(network, ranges, index, frontier, source, home)
    step = Step(source, target, table, during, len(frontier.states), len(reached.states))
    return step.take(np.lexsort((source, target))), reached


def _input_homes(
    network: Network, inputs: tuple[int, ...], frontier: _Frontier
) -> list[tuple[tuple[str, ...], IntArray]]:
    """States grouped by the homes of the layer's inputs: (homes, state numbers)."""
    numbers = np.zeros((len(frontier.states), len(inputs)), dtype=np.int64)
    for position, tensor in enumerate(inputs):
        if tensor in frontier.tensors:
            numbers[:, position] = frontier.states[:, frontier.tensors.index(tensor)]
    distinct, inverse = _unique_rows(numbers, [len(network.tensors[tensor].homes) for tensor in inputs])
    return [
        (
            tuple(network.tensors[t].homes[n] for t, n in zip(inputs, homes, strict=True)),
            np.flatnonzero(inverse == group),
        )
        for group, homes in enumerate(distinct.tolist())
    ]


def _link(
    network: Network,
    ranges: tuple[tuple[int, int], ...],
    index: int,
    frontier: _Frontier,
    source: IntArray,
    home_out: IntArray,
) -> tuple[IntArray, _Frontier]:
    """Number the states that the transitions lead to."""
    output = network.layers[index].output
    kept = [c for c, tensor in enumerate(frontier.tensors) if ranges[tensor][1] > index + 1]
    tensors = tuple(frontier.tensors[c] for c in kept)
    after = frontier.states[source][:, kept]
    if ranges[output][1] > index + 1 and len(network.tensors[output].homes) > 1:
        tensors = (*tensors, output)
        after = np.concatenate([after, home_out[:, None]], axis=1)
    states, target = _unique_rows(after, [len(network.tensors[tensor].homes) for tensor in tensors])
    return target, _Frontier(tensors, states)


def _unique_rows(rows: IntArray, sizes: Sequence[int]) -> tuple[IntArray, IntArray]:
    """Distinct rows [s, c] in lexicographic order, and which of them each row is; c in [0, sizes[c])."""
    if rows.shape[1] == 0:  # nothing tells them apart
        return rows[:1], np.zeros(len(rows), dtype=np.int64)
    if math.prod(sizes) > _CODES:
        states, inverse = np.unique(rows, axis=0, return_inverse=True)
        return states, inverse.reshape(-1)
    codes = np.ravel_multi_index(tuple(rows.T), tuple(sizes))
    there = np.zeros(math.prod(sizes), dtype=bool)
    there[codes] = True
    states = np.stack(np.unravel_index(np.flatnonzero(there), tuple(sizes)), axis=1)
    return states, (np.cumsum(there) - 1)[codes]


def _trim(steps: list[Step]) -> tuple[Step, ...]:
    """Drop transitions into states from which the network cannot be finished."""
    alive: BoolArray = np.ones(steps[-1].targets, dtype=bool)
    result = []
    for step in reversed(steps):
        keep = alive[step.target]
        alive = np.zeros(step.sources, dtype=bool)
        alive[step.source[keep]] = True
        result.append(step.take(keep))
    return tuple(reversed(result))
