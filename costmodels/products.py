"""The price of a whole product of tile sizes: each term at the shape of the dimensions that it depends on.

`pipeline.price_layer` prices tilings one by one. Where they are all combinations of some sizes by dimension,
a stream's mean fetch depends on few dimensions and a trip count on one, so that only what joins them has
the full shape. Further, the innermost loop with several trips is the same for all tilings of a part of the
product (all sizes of the outer loops, sizes that are cut of this one, the whole extent of those inside), so
that within a part it is known for every transition which streams move, and transitions at which the same
streams move are priced together. The sums are those of `overlap.pipeline_cycles`, added up in another order:
results differ by rounding only, which a property test says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import TypeVar

import numpy as np

from costmodels.layer import StreamTime
from costmodels.overlap import ONE, ZERO, Flow
from costmodels.work import FloatArray, IntArray

A = TypeVar("A", IntArray, FloatArray)
BLOCK = 16384
"""Tilings priced at a time, so that intermediate arrays stay in a core's cache."""

Part = tuple[slice, ...]
_ALL = slice(None)
Moves = tuple[int, ...]
"""For every stream the least depth with which it moves: a level of loops, `ALL` or `NONE`."""
ALL, NONE = 0, 127


@dataclass(frozen=True, eq=False)
class _Cut:
    """Takes from arrays that broadcast to a product what is in a part of it. Few shapes occur."""

    part: Part
    index: dict[tuple[int, ...], Part | None] = field(default_factory=dict)

    def __call__(self, array: A) -> A:
        shape = array.shape
        if not shape:
            return array  # `ZERO` stays itself
        if shape not in self.index:
            inside = self.part[len(self.part) - len(shape) :]
            own = tuple(of if n > 1 else _ALL for of, n in zip(inside, shape, strict=True))
            self.index[shape] = None if own.count(_ALL) == len(own) else own
        index = self.index[shape]
        return array if index is None else array[index]


@dataclass(frozen=True, eq=False)
class ProductStream:
    """One operand, stored (`outward`) or loaded.

    once: its time and energy over one round, in which every tile of it moves once. depth: as in
    `StreamWork`; that of `once` is not looked at. foreign: positions, from 1, of the loops that do not move
    it. All arrays broadcast to the product.
    """

    outward: bool
    once: StreamTime
    depth: IntArray
    foreign: frozenset[int]

    def cut(self, cut: _Cut, buffering: int) -> ProductStream:
        """In a part of the product, as far as this kind of buffering looks at it."""
        time, mean = self.once, self.once.mean
        if buffering == 1:
            once = StreamTime(cut(time.total), mean, cut(time.moved_uj))
        else:
            flow = Flow(cut(mean.elapsed), cut(mean.issue), mean.depth)
            once = StreamTime(time.total, flow, cut(time.moved_uj))
        return ProductStream(self.outward, once, cut(self.depth), self.foreign)


@dataclass(frozen=True, eq=False)
class ProductWork:
    """One layer in a product of tilings, on one engine with one kind of buffering.

    trips: by loop, outermost first, each along its own axis, in ascending order of tile sizes. axes: that
    axis of each loop, counted from the last one, -1. step_cycles: mean reference cycles of a step, its call
    included. busy_uj: energy of the engine at work beyond what it draws waiting. standing_mw: what is drawn
    all the time. All arrays broadcast to the product; leading axes hold anything, such as different homes of
    the same tilings.
    """

    trips: tuple[IntArray, ...]
    axes: tuple[int, ...]
    streams: tuple[ProductStream, ...]
    buffering: int
    duplex: bool
    step_cycles: FloatArray
    busy_uj: FloatArray
    standing_mw: float
    cycle_ms: float

    def cut(self, part: Part) -> ProductWork:
        """A part of the product."""
        cut = _Cut(part)
        return ProductWork(
            tuple(map(cut, self.trips)),
            self.axes,
            tuple(stream.cut(cut, self.buffering) for stream in self.streams),
            self.buffering,
            self.duplex,
            cut(self.step_cycles),
            cut(self.busy_uj),
            self.standing_mw,
            self.cycle_ms,
        )


def price_product(work: ProductWork, time_ms: FloatArray, energy_uj: FloatArray) -> None:
    """Fill in time and energy of all tilings of a product, in arrays of the full shape."""
    for inner, part in _parts(work, time_ms.ndim):
        for block in _blocks(part, time_ms[part].shape):
            piece, time, energy = _Piece(work.cut(block), inner), time_ms[block], energy_uj[block]
            np.multiply(piece.loop_cycles(), work.cycle_ms, out=time)
            np.multiply(time, work.standing_mw, out=energy)
            energy += piece.used_uj()


def _parts(work: ProductWork, rank: int) -> Iterator[tuple[int, Part]]:
    """Parts of the product, each with the position of its innermost loop of several trips; 0 for one tile."""
    rest = [slice(None)] * rank
    for position in range(len(work.trips), 0, -1):
        trips, axis = work.trips[position - 1].ravel(), work.axes[position - 1]
        several = int(np.count_nonzero(trips > 1))
        if several:
            chosen = rest.copy()
            chosen[axis] = slice(0, several)
            yield position, tuple(chosen)
        if several == len(trips):
            return
        rest[axis] = slice(several, len(trips))
    yield 0, tuple(rest)


def _blocks(part: Part, shape: tuple[int, ...], axis: int = 0) -> Iterator[Part]:
    """The same in blocks of at most `BLOCK` tilings, cut along the first axes; `shape`: of the part."""
    inside = int(np.prod(shape[axis + 1 :], dtype=np.int64)) if axis < len(shape) else 1
    if axis >= len(shape) or shape[axis] * inside <= BLOCK:
        yield part
        return
    start = part[axis].start or 0
    step = max(1, BLOCK // inside)
    for low in range(0, shape[axis], step):
        chosen = slice(start + low, start + min(low + step, shape[axis]))
        yield from _blocks((*part[:axis], chosen, *part[axis + 1 :]), shape, axis + 1)


@dataclass(frozen=True, eq=False)
class _Piece:
    """Tilings that share their innermost loop of several trips, `inner` (0: none has any)."""

    work: ProductWork
    inner: int

    def loop_cycles(self) -> FloatArray:
        """Reference cycles of all steps."""
        work = self.work
        loads = [stream for stream in work.streams if not stream.outward]
        stores = [stream for stream in work.streams if stream.outward]
        if work.buffering == 1:
            moved = [stream.once.total * self._repeats(stream) for stream in work.streams]
            return np.asarray(reduce(np.add, moved, work.step_cycles * self._steps()))
        total = _sum(stream.once.mean.elapsed for stream in work.streams)
        if not self.inner:
            return np.asarray(work.step_cycles + total)
        for (load, store), count in self._transitions(loads, stores).items():
            step = self._step(loads, load, stores, store)
            total = total + (step if count is ONE else step * count)
        return np.asarray(total)

    def used_uj(self) -> FloatArray:
        """Energy of all bytes moved and of the engine at work."""
        moved = ((stream.once.moved_uj, self._repeats(stream)) for stream in self.work.streams)
        each = (uj if repeats is ONE else uj * repeats for uj, repeats in moved)
        return np.asarray(reduce(np.add, each, self.work.busy_uj))

    def _steps(self) -> FloatArray:
        return np.asarray(reduce(np.multiply, self.work.trips[: self.inner], ONE))

    def _repeats(self, stream: ProductStream) -> FloatArray:
        """How often every tile of a stream moves."""
        repeats = ONE
        fixed = self.inner not in stream.foreign
        own = [p for p in range(1, self.inner + 1) if p not in stream.foreign]
        for position in sorted(stream.foreign):
            trips = self.work.trips[position - 1] if position <= self.inner else None
            if trips is not None and fixed:
                repeats = repeats * trips
            elif trips is not None and own and position < own[-1]:
                repeats = repeats * np.where(position < stream.depth, trips, 1)
        return repeats

    def _transitions(
        self, loads: Sequence[ProductStream], stores: Sequence[ProductStream]
    ) -> dict[tuple[Moves, Moves], FloatArray]:
        """How many steps load and store which streams."""
        load_in, store_in = self._moves(loads, self.inner), self._moves(stores, self.inner)
        counts: dict[tuple[Moves, Moves], FloatArray] = {}

        def add(load: Moves, store: Moves, count: FloatArray) -> None:
            counts[load, store] = counts[load, store] + count if (load, store) in counts else count

        add(load_in, (NONE,) * len(stores), ONE)
        add((NONE,) * len(loads), store_in, ONE)
        before, outer = ONE, ZERO
        for level in range(1, self.inner):
            count = before * (self.work.trips[level - 1] - 1)
            before, outer = before * self.work.trips[level - 1], outer + count
            add(self._moves(loads, level), store_in, count)
            add(load_in, self._moves(stores, level), count)
        add(load_in, store_in, before * self.work.trips[self.inner - 1] - 2.0 - 2.0 * outer)
        return counts

    def _moves(self, streams: Sequence[ProductStream], level: int) -> Moves:
        return tuple(self._least_depth(stream, level) for stream in streams)

    def _least_depth(self, stream: ProductStream, level: int) -> int:
        """With which it moves at the transitions of a level, where there are any; see `overlap`."""
        if self.inner not in stream.foreign or level not in stream.foreign:
            return ALL
        return level if any(p not in stream.foreign for p in range(level + 1, self.inner)) else NONE

    def _step(
        self, loads: Sequence[ProductStream], load: Moves, stores: Sequence[ProductStream], store: Moves
    ) -> FloatArray:
        """Cycles of a step that loads and stores these."""
        brought = _sum(_where(s.once.mean.elapsed, s, least) for s, least in zip(loads, load, strict=True))
        taken = _sum(_where(s.once.mean.elapsed, s, least) for s, least in zip(stores, store, strict=True))
        moves = zip((*loads, *stores), (*load, *store), strict=True)
        issue = _sum(_where(s.once.mean.issue, s, least) for s, least in moves)
        both = np.maximum if self.work.duplex else np.add
        elapsed = taken if brought is ZERO else brought if taken is ZERO else both(brought, taken)
        busy = _sum((self.work.step_cycles, issue))
        return busy if elapsed is ZERO else np.maximum(busy, elapsed)


def _where(cycles: FloatArray, stream: ProductStream, least: int) -> FloatArray:
    """Cycles of a fetch of a stream where its depth is at least this; `ZERO` itself for nothing."""
    if least in (ALL, NONE) or cycles is ZERO:
        return ZERO if least == NONE else cycles
    return np.where(stream.depth >= least, cycles, 0.0)


def _sum(arrays: Iterable[FloatArray]) -> FloatArray:
    """The sum of those that are not `ZERO` itself, else this."""
    some = [array for array in arrays if array is not ZERO]
    return reduce(np.add, some) if some else ZERO
