"""Bottleneck labels: how much memory a network needs at least, along its state space.

A label is (peak of live + staging bytes in L2, peak of live + tile bytes in L1, sums of resident parameters).
All of them only grow along the network, so that componentwise dominance within a state (homes of the live
tensors) is exact. What a label must reach anyway, whatever follows, counts as reached: many labels are equal
then.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from dse.solver.bounds import remaining
from dse.solver.columns import POOLS, Columns
from dse.solver.labels import expand, walk_back
from dse.solver.pareto import BoolArray, FloatArray, IntArray, nondominated_in_groups
from dse.solver.problem import ENERGY, TIME, Move, Network, Setting
from dse.solver.space import Space, build_space

_UNLIMITED_BYTES = 1 << 52  # far above any memory, and sums of it are exact in a double
# Columns of labels, as tables give them: peaks in L2 (arena) and L1, then the sums.
ARENA, L1, _SUMS = 0, 1, 2


@dataclass(frozen=True)
class Caps:
    """Limits in bytes; by default none.

    l1: tiles, live tensors and resident parameters. l2: arena and resident parameters. total: what is
    minimised.
    """

    l1: float = math.inf
    l2: float = math.inf
    weight_memory: float = math.inf
    total: float = math.inf

    def hold(self, l1_bytes: int, l2_bytes: int, total_bytes: int) -> bool:
        """Whether a deployment of these sizes fits, the rest of the sum being in weight memory."""
        memory = total_bytes - l1_bytes - l2_bytes
        limits = (self.l1, self.l2, self.weight_memory, self.total)
        return all(
            size <= cap for size, cap in zip((l1_bytes, l2_bytes, memory, total_bytes), limits, strict=True)
        )


@dataclass(frozen=True)
class Counted:
    """Which memories the sum to minimise adds up."""

    l1: bool = True
    l2: bool = True
    weight_memory: bool = True


NO_CAPS = Caps()
EVERYTHING = Counted()


@dataclass(frozen=True, eq=False)
class Found:
    """The best label at the end [1, c], and the table rows that lead to it [n]; complete: none dropped."""

    labels: FloatArray
    rows: IntArray
    complete: bool


@dataclass(frozen=True, eq=False)
class _Limit:
    """A cap on a sum of resident parameters (column), together with a peak (column) or alone."""

    column: int
    peak: int | None
    cap_bytes: float


@dataclass(frozen=True, eq=False)
class Bottlenecks:
    """A space whose rows are (staging, tile, sums), what is counted of the peaks, and limits."""

    space: Space
    counted: Counted
    limits: tuple[_Limit, ...]

    @classmethod
    def of(cls, network: Network, caps: Caps, counted: Counted) -> Bottlenecks | None:
        """None where a layer cannot run at all."""
        sums = _sum_of(counted)
        limits = []
        bounds = ((ARENA, caps.l2), (None, caps.weight_memory), (L1, caps.l1))
        for pool, (peak, cap) in zip(np.eye(len(POOLS)), bounds, strict=True):
            if math.isfinite(cap):
                limits.append(_Limit(_SUMS + len(sums), peak, cap))
                sums.append(pool)
        space = unlimited_space(network, sums)
        return None if space.stuck_layer is not None else cls(space, counted, tuple(limits))

    @cached_property
    def peaks_ahead(self) -> tuple[FloatArray, ...]:
        """Per step boundary and state the least peaks [s, 2] of the steps to come, each on its own."""
        tables = self.space.tables
        smallest = np.minimum.reduceat(tables.costs[:, :_SUMS], tables.start, axis=0)
        ahead = np.zeros((self.space.steps[-1].targets, _SUMS))
        result = [ahead]
        for step in reversed(self.space.steps):
            through = np.maximum(step.live_bytes + smallest[step.table], ahead[step.target])
            order = np.argsort(step.source, kind="stable")
            heads, begin = np.unique(step.source[order], return_index=True)
            ahead = np.full((step.sources, _SUMS), np.inf)
            ahead[heads] = np.minimum.reduceat(through[order], begin, axis=0)
            result.append(ahead)
        return tuple(reversed(result))

    @cached_property
    def worst_peaks(self) -> FloatArray:
        """[2] no label has larger peaks."""
        tables = self.space.tables
        largest = np.maximum.reduceat(tables.costs[:, :_SUMS], tables.start, axis=0)
        worst = [(step.live_bytes + largest[step.table]).max(axis=0) for step in self.space.steps]
        return np.asarray(np.max(worst, axis=0))

    @cached_property
    def least_ahead(self) -> tuple[FloatArray, ...]:
        """Per step boundary and state the least that is still added to each sum [s, q]."""
        return tuple(rest[:, _SUMS:] for rest in remaining(self.space, np.eye(self.space.columns.count)))

    @cached_property
    def most_ahead(self) -> tuple[FloatArray, ...]:
        """The same, at most."""
        most = remaining(self.space, np.eye(self.space.columns.count), -1.0)
        return tuple(rest[:, _SUMS:] for rest in most)

    @property
    def root(self) -> FloatArray:
        """[1, c] what every deployment reaches in each column."""
        return np.concatenate([self.peaks_ahead[0][:1], self.least_ahead[0][:1]], axis=1)

    def total(self, labels: FloatArray) -> FloatArray:
        """[n] the sum to minimise, of labels [n, c]."""
        total = labels[:, _SUMS] + labels[:, ARENA] * self.counted.l2
        return np.asarray(total + labels[:, L1] * self.counted.l1)

    def run(self, most: int, within: float) -> Found | None:
        """The best deployment with a sum of at most `within`, looking at the best `most` labels a step."""
        labels: FloatArray = np.zeros((1, self.space.columns.count))
        state: IntArray = np.zeros(1, dtype=np.int64)
        trail: list[tuple[IntArray, IntArray]] = []
        complete = True
        for index in range(len(self.space.steps)):
            labels, state, parent, row = self._advance(index, labels, state, within)
            if len(labels) > most:
                complete = False
                best = np.argsort(self.total(self._reached(index + 1, labels, state)), kind="stable")[:most]
                best = np.sort(best)
                labels, state, parent, row = labels[best], state[best], parent[best], row[best]
            trail.append((parent, row))
        if len(labels) == 0:
            return None
        last = np.lexsort((labels[:, ARENA], self.total(labels)))[:1]
        return Found(labels[last], walk_back(trail, last)[0], complete)

    def _advance(
        self, index: int, labels: FloatArray, state: IntArray, within: float
    ) -> tuple[FloatArray, IntArray, IntArray, IntArray]:
        """Undominated labels after a step, by state: (labels, states, parents, rows)."""
        step, tables = self.space.steps[index], self.space.tables
        found = [(labels[:0], state[:0], state[:0], state[:0])]
        for transition, parent, row in expand(tables, step, state):
            costs = tables.costs[row]
            peaks = np.maximum(labels[parent, :_SUMS], step.live_bytes[transition] + costs[:, :_SUMS])
            grown = np.concatenate([peaks, labels[parent, _SUMS:] + costs[:, _SUMS:]], axis=1)
            keep = self._undominated(index + 1, grown, step.target[transition], within)
            found.append((grown[keep], step.target[transition][keep], parent[keep], row[keep]))
        grown, target, parent, row = (np.concatenate(column) for column in zip(*found, strict=True))
        keep = self._undominated(index + 1, grown, target, within)
        return grown[keep], target[keep], parent[keep], row[keep]

    def _undominated(self, boundary: int, labels: FloatArray, state: IntArray, within: float) -> IntArray:
        reached = self._reached(boundary, labels, state)
        fits = np.flatnonzero(self._fits(reached, within))
        compared = self._harmless(boundary, labels, state)[fits]
        return fits[nondominated_in_groups(compared, state[fits])] if len(fits) else fits

    def _reached(self, boundary: int, labels: FloatArray, state: IntArray) -> FloatArray:
        """Labels [n, c] with what any completion adds."""
        peaks = np.maximum(labels[:, :_SUMS], self.peaks_ahead[boundary][state])
        return np.concatenate([peaks, labels[:, _SUMS:] + self.least_ahead[boundary][state]], axis=1)

    def _fits(self, reached: FloatArray, within: float) -> BoolArray:
        fits = self.total(reached) <= within
        for limit in self.limits:
            peak = 0.0 if limit.peak is None else reached[:, limit.peak]
            fits &= reached[:, limit.column] + peak <= limit.cap_bytes
        return np.asarray(fits)

    def _harmless(self, boundary: int, labels: FloatArray, state: IntArray) -> FloatArray:
        """Labels as dominance sees them: peaks as they must become, unused ones zero, and sums that can no
        longer break their limit as large as just that allows."""
        seen = labels.copy()
        seen[:, :_SUMS] = np.maximum(seen[:, :_SUMS], self.peaks_ahead[boundary][state])
        limited = {limit.peak for limit in self.limits}
        for column, counted in ((ARENA, self.counted.l2), (L1, self.counted.l1)):
            if not counted and column not in limited:
                seen[:, column] = 0.0
        for limit in self.limits:
            worst = 0.0 if limit.peak is None else self.worst_peaks[limit.peak]
            ahead = self.most_ahead[boundary][state, limit.column - _SUMS]
            seen[:, limit.column] = np.maximum(seen[:, limit.column], limit.cap_bytes - worst - ahead)
        return seen


def _sum_of(counted: Counted) -> list[FloatArray]:
    """The counted pools as the only sum of labels."""
    return [np.array([counted.l2, counted.weight_memory, counted.l1], dtype=np.float64)]


def unlimited_space(network: Network, sums: Sequence[FloatArray]) -> Space:
    """The network's space without any limit; its tables are pruned to staging, tile bytes and these sums."""
    columns = Columns(np.array(sums), np.full(len(sums), np.inf), 2)
    much = _UNLIMITED_BYTES
    return build_space(_footprints_only(network), Setting(2 * much, much, much, much, much), columns)


def _footprints_only(network: Network) -> Network:
    """The network whose tables are pruned by memory alone: staging and tiles in the places of the prices."""
    done: dict[int, tuple[Move, ...]] = {}
    for layer in network.layers:
        if id(layer.moves) not in done:
            done[id(layer.moves)] = tuple(map(_memory_of, layer.moves))
    return replace(
        network, layers=tuple(replace(layer, moves=done[id(layer.moves)]) for layer in network.layers)
    )


def _memory_of(move: Move) -> Move:
    rows = np.zeros((len(move.needs), move.rows.shape[1]))
    rows[:, [TIME, ENERGY]] = move.needs
    return replace(move, rows=rows, refs=np.arange(len(rows)))
