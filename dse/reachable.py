"""The least memory that any deployment of a problem needs, exactly, and why a task does not fit.

A label is (largest L1 use, largest live + staging bytes in L2, resident parameter bytes in L2, and in weight
memory); all four only grow along the network, so that componentwise dominance within a state (homes of the
live tensors) is exact (parameters at home in L1 never need less than their tiles do), and the front at the end holds the least sum as well as the least of every part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

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
    weight_memory_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        return self.l1_bytes + self.arena_bytes + self.resident_bytes + self.weight_memory_bytes


@dataclass(frozen=True)
class Caps:
    """Limits in bytes; by default none. l2 holds the arena and the resident parameters."""

    l1: float = np.inf
    l2: float = np.inf
    weight_memory: float = np.inf
    total: float = np.inf

    def admits(self, labels: FloatArray) -> FloatArray:
        """The labels [n, 4] within the limits."""
        fits = (labels[:, 0] <= self.l1) & (labels[:, 1] + labels[:, 2] <= self.l2)
        fits &= (labels[:, 3] <= self.weight_memory) & (labels.sum(axis=1) <= self.total)
        return np.asarray(labels[fits])


def _small_rows(move: Move) -> FloatArray:
    """Front of (L1 tile, staging) of a move, with its resident bytes in L2 and weight memory."""
    rows = move.rows[:, [L1_TILE, STAGING]]
    kept = rows[nondominated(rows)]
    l2, memory, _ = move.resident or (0, 0, 0)
    return np.concatenate([kept, np.tile([float(l2), float(memory)], (len(kept), 1))], axis=1)


@dataclass(frozen=True, eq=False)
class _Step:
    """One layer: its live tensors after it, tables by homes of the inputs."""

    layer: Layer
    alive: tuple[int, ...]
    tables: dict[tuple[str, ...], tuple[tuple[str, FloatArray], ...]]


def _tables(layer: Layer) -> dict[tuple[str, ...], tuple[tuple[str, FloatArray], ...]]:
    grouped: dict[tuple[tuple[str, ...], str], list[FloatArray]] = {}
    for move in layer.moves:
        if move.home_params == "L1":
            continue
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


def memory_front(network: Network, caps: Caps) -> FloatArray:
    """All non-dominated labels in bytes [n, 4] (see the module's text) within the caps."""
    sizes = [tensor.size_bytes for tensor in network.tensors]
    state: State = tuple((t, network.tensors[t].homes[0]) for t in sorted(network.inputs))
    labels: dict[State, FloatArray] = {state: np.zeros((1, 4))}
    for step in _steps(network):
        grown: dict[State, list[FloatArray]] = {}
        for before, front in labels.items():
            for after, rows in _moves(step, before, network, sizes):
                new = caps.admits(_extended(front, rows))
                if len(new):
                    grown.setdefault(after, []).append(new)
        labels = {key: _front(parts) for key, parts in grown.items()}
    return _front(list(labels.values())) if labels else np.zeros((0, 4))


def _front(parts: Sequence[FloatArray]) -> FloatArray:
    rows = np.concatenate(parts)
    return rows[nondominated(rows)]


def _moves(
    step: _Step, before: State, network: Network, sizes: Sequence[int]
) -> Iterator[tuple[State, FloatArray]]:
    """(state after, label rows of this step alone) of every choice."""
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
        yield after, rows + np.array([l1, l2, 0.0, 0.0])


def _extended(front: FloatArray, rows: FloatArray) -> FloatArray:
    both = np.empty((len(front), len(rows), 4))
    both[:, :, :2] = np.maximum(front[:, None, :2], rows[None, :, :2])
    both[:, :, 2:] = front[:, None, 2:] + rows[None, :, 2:]
    return both.reshape(-1, 4)


def least_memory(network: Network, caps: Caps) -> Least:
    """The deployment with the least sum of L1 peak, arena and resident parameters within the caps."""
    front = memory_front(network, caps)
    if not len(front):
        return Least(False)
    best = front[np.lexsort((*front.T[:2], front.sum(axis=1)))[0]]
    return Least(True, *(int(v) for v in best))


def caps_of(limits: Limits) -> Caps:
    """The limits of a task."""
    memory = limits.weight_memory
    room = limits.capacities[memory] if memory else 0
    return Caps(limits.l1_bytes, limits.l2_bytes, room, limits.on_chip_bytes)


def why_infeasible(task: Task, limits: Limits, problem: Problem) -> Infeasible | None:
    """None if the task fits; else the level that overflows first: L1, then L2, then the on-chip sum."""
    network, caps = problem.network, caps_of(limits)
    if least_memory(network, caps).feasible:
        return None
    front = memory_front(network, Caps())
    if not len(front):
        return _no_engine(problem)
    level, need, there = _first_overflow(network, caps)
    return Infeasible(level, need, there, _largest(problem), _levers(task, limits, level))


def _first_overflow(network: Network, caps: Caps) -> tuple[str, int, int]:
    """(level, bytes needed, bytes there): caps are lifted from the outside in until something fits."""
    inside = memory_front(network, replace(caps, total=np.inf))
    if len(inside):
        return "on_chip", int(inside.sum(axis=1).min()), int(caps.total)
    within_l1 = memory_front(network, Caps(l1=caps.l1))
    if len(within_l1):
        return L2, int((within_l1[:, 1] + within_l1[:, 2]).min()), int(caps.l2)
    return L1, int(memory_front(network, Caps())[:, 0].min()), int(caps.l1)


def _no_engine(problem: Problem) -> Infeasible:
    stuck = [layer.name for layer in problem.network.layers if not layer.moves]
    return Infeasible(L1, 0, 0, tuple((name, 0) for name in stuck[:_TERMS]), ("remove pins on these layers",))


def _largest(problem: Problem) -> tuple[tuple[str, int], ...]:
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
