"""The least memory that any deployment of a problem needs, exactly, and why a task does not fit.

A label is (largest L1 use, largest live + staging bytes in L2, resident parameter bytes); the three only
grow along the network, so that componentwise dominance within a state (homes of the live tensors) is
exact, and the front at the end holds the least sum as well as the least of every component.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from compiler.deployment import L1, L2
from dse.limits import Limits
from dse.network import Problem
from dse.points import Infeasible
from dse.solver.pareto import FloatArray, nondominated
from dse.solver.problem import L1_TILE, STAGING, Layer, Move, Network
from dse.task import Task

_TERMS = 5


@dataclass(frozen=True)
class Least:
    """Least memory in bytes: the sum, and how it divides. feasible: whether anything runs at all."""

    feasible: bool
    l1_bytes: int = 0
    arena_bytes: int = 0
    resident_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        return self.l1_bytes + self.arena_bytes + self.resident_bytes


def _small_rows(move: Move) -> FloatArray:
    """Front of (L1 tile, staging) of a move, with its resident bytes as a third column."""
    rows = move.rows[:, [L1_TILE, STAGING]]
    kept = rows[nondominated(rows)]
    resident = float(sum(move.resident or (0, 0, 0)))
    return np.concatenate([kept, np.full((len(kept), 1), resident)], axis=1)


@dataclass(frozen=True, eq=False)
class _Step:
    """One layer: its live tensors after it, tables by homes of the inputs."""

    layer: Layer
    alive: tuple[int, ...]
    tables: dict[tuple[str, ...], tuple[tuple[str, FloatArray], ...]]


def _tables(layer: Layer) -> dict[tuple[str, ...], tuple[tuple[str, FloatArray], ...]]:
    grouped: dict[tuple[tuple[str, ...], str], list[FloatArray]] = {}
    for move in layer.moves:
        grouped.setdefault((move.homes_in, move.home_out), []).append(_small_rows(move))
    found: dict[tuple[str, ...], tuple[tuple[str, FloatArray], ...]] = {}
    for (homes, out), parts in grouped.items():
        rows = np.concatenate(parts)
        found[homes] = (*found.get(homes, ()), (out, rows[nondominated(rows)]))
    return found


def _steps(network: Network) -> Iterator[_Step]:
    cache: dict[int, dict[tuple[str, ...], tuple[tuple[str, FloatArray], ...]]] = {}
    ranges = network.live_ranges()
    for step, layer in enumerate(network.layers):
        alive = tuple(t for t, (low, high) in enumerate(ranges) if low <= step + 1 < high)
        tables = cache.setdefault(id(layer.moves), _tables(layer))
        yield _Step(layer, alive, tables)


State = tuple[tuple[int, str], ...]


def memory_front(network: Network, l1_cap: float, l2_cap: float, total_cap: float) -> FloatArray:
    """All non-dominated (L1 peak, arena, resident) in bytes [n, 3] within the caps."""
    sizes = [tensor.size_bytes for tensor in network.tensors]
    ends = set(network.outputs)
    state: State = tuple((t, network.tensors[t].homes[0]) for t in sorted(network.inputs))
    labels: dict[State, FloatArray] = {state: np.zeros((1, 3))}
    for step in _steps(network):
        grown: dict[State, list[FloatArray]] = {}
        for before, front in labels.items():
            for after, rows in _moves(step, before, network, sizes, ends):
                new = _extended(front, rows, l1_cap, l2_cap, total_cap)
                if len(new):
                    grown.setdefault(after, []).append(new)
        labels = {key: _front(parts) for key, parts in grown.items()}
    return _front(list(labels.values())) if labels else np.zeros((0, 3))


def _front(parts: Sequence[FloatArray]) -> FloatArray:
    rows = np.concatenate(parts)
    return rows[nondominated(rows)]


def _moves(
    step: _Step, before: State, network: Network, sizes: Sequence[int], ends: set[int]
) -> Iterator[tuple[State, FloatArray]]:
    """(state after, rows of L1 use, L2 use, resident) of every choice at a step."""
    homes = dict(before)
    wanted = tuple(homes[t] for t in step.layer.inputs)
    out = step.layer.output
    for home, rows in step.tables.get(wanted, ()):
        if home not in network.tensors[out].homes:
            continue
        now = {**homes, out: home}
        l1 = sum(sizes[t] for t, h in now.items() if h == "L1")
        l2 = sum(sizes[t] for t, h in now.items() if h == "L2")
        after = tuple((t, now[t]) for t in sorted(now) if t in step.alive)
        yield after, rows + np.array([l1, l2, 0.0])


def _extended(
    front: FloatArray, rows: FloatArray, l1_cap: float, l2_cap: float, total_cap: float
) -> FloatArray:
    both = np.empty((len(front), len(rows), 3))
    both[:, :, :2] = np.maximum(front[:, None, :2], rows[None, :, :2])
    both[:, :, 2] = front[:, None, 2] + rows[None, :, 2]
    flat = both.reshape(-1, 3)
    fits = (flat[:, 0] <= l1_cap) & (flat[:, 1] <= l2_cap) & (flat.sum(axis=1) <= total_cap)
    return np.asarray(flat[fits])


def least_memory(network: Network, l1_cap: float, l2_cap: float = np.inf, total_cap: float = np.inf) -> Least:
    """The deployment with the least sum of L1 peak, arena and resident parameters within the caps."""
    front = memory_front(network, l1_cap, l2_cap, total_cap)
    if not len(front):
        return Least(False)
    best = front[np.lexsort((front[:, 0], front[:, 1], front.sum(axis=1)))[0]]
    return Least(True, *(int(v) for v in best))


def why_infeasible(task: Task, limits: Limits, problem: Problem) -> Infeasible | None:
    """None if the task fits; else the level that overflows first: L1, then L2, then the on-chip sum."""
    network = problem.network
    if least_memory(network, limits.l1_bytes, limits.l2_bytes, limits.on_chip_bytes).feasible:
        return None
    front = memory_front(network, np.inf, np.inf, np.inf)
    if not len(front):
        return _no_engine(task, problem)
    terms = _largest(task, problem)
    level, need, there = _first_overflow(front, limits)
    return Infeasible(level, need, there, terms, _levers(task, limits, level))


def _first_overflow(front: FloatArray, limits: Limits) -> tuple[str, int, int]:
    if front[:, 0].min() > limits.l1_bytes:
        return L1, int(front[:, 0].min()), limits.l1_bytes
    fits = front[front[:, 0] <= limits.l1_bytes]
    if fits[:, 1].min() > limits.l2_bytes:
        return L2, int(fits[:, 1].min()), limits.l2_bytes
    return "on_chip", int(fits.sum(axis=1).min()), limits.on_chip_bytes


def _no_engine(task: Task, problem: Problem) -> Infeasible:
    stuck = [layer.name for layer in problem.network.layers if not layer.moves]
    return Infeasible(L1, 0, 0, tuple((name, 0) for name in stuck[:_TERMS]), ("remove pins on these layers",))


def _largest(task: Task, problem: Problem) -> tuple[tuple[str, int], ...]:
    terms = [(t.name, t.size_bytes) for t in problem.network.tensors]
    terms += [
        (f"parameters of {options.operator.name}", int(options.sets[0].params.region_bytes.min()))
        for options in problem.options
        if options.sets
    ]
    return tuple(sorted(terms, key=lambda term: (-term[1], term[0]))[:_TERMS])


def _levers(task: Task, limits: Limits, level: str) -> tuple[str, ...]:
    levers = []
    if level == "on_chip":
        levers.append("a larger --budget")
    else:
        levers.append(f"a platform with more {level}, or a larger cap on {level}")
    if not limits.has_l3:
        levers.append("allow off-chip memory (l3), so that weights need not stay on chip")
    if task.io_home == L2 and limits.has_l3:
        levers.append("--io-home l3, so that network inputs and outputs leave the chip")
    if task.pins:
        levers.append("fewer --pin")
    levers.append("a smaller network input")
    return tuple(levers)
