"""The lock-step pipeline of a tiled layer: closed form by loop level, and the exact walk that it equals.

The emitted C runs N steps, one a tile. Single-buffered, each step loads, computes, stores in turn.
Double-buffered, step k computes tile k while the transfer engine brings what tile k+1 needs and takes away
what tile k-1 finished; the first load and the last store stand alone.

Derivation of the closed form (`pipeline_cycles`): in a nest of trips n_1..n_L (outermost first) the
transition between two tiles changes loop l and everything inside it; (n_l - 1) * prod_{j<l} n_j
transitions have outermost changed loop l. A stream moves at such a transition iff its depth (position of
the innermost loop of several trips that it depends on) is at least l. Let s be the innermost loop with
several trips. A transition at l < s is always preceded and followed by one at s, because the loops inside
restart. A step lies between two transitions: it loads for the one behind it and stores for the one before
it. So of the N - 2 inner steps, for each l < s as many as there are transitions at l have (load l, store
s), as many have (load s, store l), and all others (load s, store s). With tiles of equal cost this is
exact; with border tiles every fetch and every step is taken at its mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from costmodels.arrays import floats
from costmodels.work import FloatArray, IntArray

ZERO, ONE = floats(0), floats(1)


@dataclass(frozen=True, eq=False)
class Flow:
    """One stream's mean cost of a fetch, each [C].

    elapsed: cycles from issue to completion; issue: of these, cycles of the core that computes (all of
    them for a copy loop; `ZERO` itself where there are none); depth: see the module's text.
    """

    elapsed: FloatArray
    issue: FloatArray
    depth: IntArray


@dataclass(frozen=True, eq=False)
class Overlapped:
    """Cycles of a double-buffered layer [C] by cause: kernels, and loads and stores as far as they show.

    compute + load + store is the total. A load or store shows where cores wait for it or issue it.
    """

    compute: FloatArray
    load: FloatArray
    store: FloatArray

    @property
    def total(self) -> FloatArray:
        return np.asarray(self.compute + self.load + self.store)


@dataclass(frozen=True, eq=False)
class _Moves:
    """What moves at one level: elapsed and issue cycles."""

    elapsed: FloatArray
    issue: FloatArray


def pipeline_cycles(
    step: FloatArray, loads: Sequence[Flow], stores: Sequence[Flow], trips: Sequence[IntArray], duplex: bool
) -> Overlapped:
    """Cycles of the double-buffered pipeline for C candidates.

    step: mean cycles of a step's computation [C]. trips: trip counts by loop, outermost first, each [C].
    duplex: whether loads and stores move data at the same time.
    """
    inner = innermost_loop(trips)
    steps, outer = _transitions(trips, inner)
    load_in, store_in = _moving(loads, inner), _moving(stores, inner)
    first, last, nothing = _everything(loads), _everything(stores), _Moves(ZERO, ZERO)
    several = floats(steps > 1)
    sums = _Sums(step, first + last + (1.0 - several) * step, last)
    sums = sums.add(several, load_in, nothing, duplex).add(several, nothing, store_in, duplex)
    steady = np.maximum(steps - 2.0, 0.0)
    for level, count in outer:
        sums = sums.add(count, _moving(loads, level), store_in, duplex)
        sums = sums.add(count, load_in, _moving(stores, level), duplex)
        steady = steady - 2.0 * count
    sums = sums.add(steady, load_in, store_in, duplex)
    compute = steps * step
    return Overlapped(compute, sums.total - compute - sums.store, sums.store)


def innermost_loop(trips: Sequence[IntArray]) -> IntArray:
    """Position (from 1) of the innermost loop with several trips; 0 where there is one tile only [C]."""
    position = np.zeros(1, np.int8)
    for level, count in enumerate(trips, start=1):
        position = np.where(np.asarray(count) > 1, np.int8(level), position)
    return position


def _transitions(
    trips: Sequence[IntArray], inner: IntArray
) -> tuple[FloatArray, list[tuple[int, FloatArray]]]:
    """Number of steps, and for every loop around the innermost (level, its transitions), each [C]."""
    steps = ONE
    counts: list[tuple[int, FloatArray]] = []
    for level, trip in enumerate(trips, start=1):
        after = steps * trip
        if level < len(trips):
            counts.append((level, np.where(inner > level, after - steps, 0.0)))
        steps = after
    return steps, counts


def _moving(flows: Sequence[Flow], level: IntArray | int) -> _Moves:
    """Sum of the flows that move at a transition of this level; 0: all of them."""
    elapsed, issue = ZERO, ZERO
    for flow in flows:
        moves = flow.depth >= level
        elapsed = elapsed + np.where(moves, flow.elapsed, 0.0)
        if flow.issue is not ZERO:
            issue = issue + np.where(moves, flow.issue, 0.0)
    return _Moves(elapsed, issue)


def _everything(flows: Sequence[Flow]) -> FloatArray:
    """Elapsed cycles of one fetch of every flow."""
    return sum((flow.elapsed for flow in flows), ZERO)


@dataclass(frozen=True, eq=False)
class _Sums:
    """Accumulated cycles of steps: all of them, and those spent on stores (issued or waited for)."""

    step: FloatArray
    total: FloatArray
    store: FloatArray

    def add(self, count: FloatArray, load: _Moves, store: _Moves, duplex: bool) -> _Sums:
        """Add `count` steps that load and store this."""
        busy = self.step + load.issue + store.issue
        arrived = np.maximum(busy, load.elapsed)
        done = np.maximum(arrived, store.elapsed if duplex else load.elapsed + store.elapsed)
        stored = store.issue + (done - arrived)
        return _Sums(self.step, self.total + count * done, self.store + count * stored)
