"""The work of one fused layer, for the cost model: many heights of stripes of its segment in one call.

Layers of a segment run one after the other within a stripe, so that a segment's price is the sum of its
layers'. What nothing overlaps (rows that roll on, parameters) counts as staged before the layer; with two
buffers the input of the next stripe and the output of the last one travel under the layer that fetches or
stores them, which is less than the whole stripe: the price is an upper bound there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from compiler.deployment import L1, L2, L3, WEIGHT_MEMORIES, Deployment, Segment
from compiler.ir.operator import BOTH, TABLES
from compiler.schedule.segments import Striped
from compiler.tiling import Grid, param_traffic
from compiler.tiling.stripes import Window, row_dim
from costmodels.classes import TileClasses
from costmodels.pipeline import Hop, LayerWork, StreamWork
from costmodels.work import FloatArray, IntArray

ROLL = "l1_l1"
"""The link of rows that move within L1; a platform without it cannot keep lines."""

FUSED_BUFFERS = ("f/", "h/", "b/")
"""Beginnings of the names of what a segment keeps in L1."""


@dataclass(frozen=True)
class FusedChoice:
    """How one layer of a segment runs. tile: channel tiles by dimension, where not whole.

    homes: of the tensors that the segment reads and writes. params: home of the layer's parameters. held:
    whether they are fetched once.
    """

    engine: str
    layout: str
    tile: tuple[tuple[str, int], ...]
    homes: Mapping[str, str]
    params: str
    held: bool
    splits: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, eq=False)
class _Rows:
    """A window over C heights: new rows [K, C] and where they start, padded with empty stripes."""

    new: IntArray
    start: IntArray

    @property
    def active(self) -> IntArray:
        """Stripes with new rows [C]."""
        return np.asarray((self.new > 0).sum(axis=0))

    @property
    def total(self) -> IntArray:
        """Rows [C]."""
        return np.asarray(self.new.sum(axis=0))


def _rows(windows: Sequence[Window]) -> _Rows:
    longest = max(len(window.base) for window in windows)
    new, start = np.zeros((2, longest, len(windows)), np.int64)
    for column, window in enumerate(windows):
        new[: len(window.base), column] = window.new
        start[: len(window.base), column] = window.start
    return _Rows(new, start)


@dataclass(frozen=True, eq=False)
class FusedLayerWork:
    """Layer `k` of a segment in C heights of stripes, which share operators and mode."""

    sets: tuple[Striped, ...]
    k: int

    def work(self, choice: FusedChoice, buffering: int) -> LayerWork:
        """What the layer does under a choice."""
        of = self.sets[0].graph
        op, space = of.operators[self.k], of.spaces[self.k]
        rows = _rows([each.windows[op.output] for each in self.sets])
        unit = of.unit(space.output)
        blocks = self._blocks(choice)
        streams, before = self._streams(choice, rows, buffering)
        extents = {name: np.asarray(extent) for name, extent in space.spec.dims}
        extents[str(row_dim(space))] = rows.total * unit
        return LayerWork(
            spec=space.spec,
            engine=choice.engine,
            classes=self._classes(choice, rows),
            trips=(rows.active, np.full(len(self.sets), blocks)),
            streams=streams,
            buffering=buffering,
            splits=choice.splits,
            before=before,
            macs=np.broadcast_to(space.spec.macs(extents), (len(self.sets),)),
            cold=rows.active,
        )

    def overlaps(self) -> IntArray:
        """[C] whether what arrives or leaves does so in every stripe of the layer, as two buffers need."""
        of = self.sets[0].graph
        own = of.operators[self.k].output
        names = (*of.fetched[self.k], *((own,) if own == of.output else ()))
        active = _rows([each.windows[own] for each in self.sets]).active
        same = np.ones(len(self.sets), bool)
        for name in names:
            same &= _rows([each.windows[name] for each in self.sets]).active == active
        return same

    def _blocks(self, choice: FusedChoice) -> int:
        tile, space = dict(choice.tile), self.sets[0].graph.spaces[self.k]
        return int(np.prod([-(-dim.extent // tile.get(dim.name, dim.extent)) for dim in space.dims]))

    def _classes(self, choice: FusedChoice, rows: _Rows) -> TileClasses:
        """One class for every stripe, times full and last channel tiles."""
        of = self.sets[0].graph
        space, tile = of.spaces[self.k], dict(choice.tile)
        row, unit = str(row_dim(space)), of.unit(space.output)
        there = rows.new > 0
        extents: dict[str, FloatArray] = {name: np.full((1, 1), float(n)) for name, n in space.spec.dims}
        extents[row] = np.where(there, rows.new, 1).astype(np.float64) * unit
        counts: FloatArray = there.astype(np.float64)
        for dim in space.dims:
            size = tile.get(dim.name, dim.extent)
            if size == dim.extent:
                continue
            full, rest = divmod(dim.extent, size)
            sizes = np.array([size, rest or size], np.float64).reshape(2, 1, 1)
            extents[dim.name] = sizes
            counts = counts * np.array([full, int(rest > 0)], np.float64).reshape(2, 1, 1)
        starts = {row: rows.start.astype(np.float64) * unit}
        return TileClasses(extents, counts, np.zeros(1), starts)

    def _streams(
        self, choice: FusedChoice, rows: _Rows, buffering: int
    ) -> tuple[tuple[StreamWork, ...], tuple[Hop, ...]]:
        """What travels beside the layer or at least in its stripes, and what is staged."""
        of = self.sets[0].graph
        op = of.operators[self.k]
        streams: list[StreamWork] = []
        before: list[Hop] = []
        once = np.ones(len(self.sets), np.int64)
        moving = [(name, False) for name in of.fetched[self.k]]
        if op.output == of.output:
            moving.append((op.output, True))
        else:
            before += self.roll_hops(op.output)
        for name, outward in moving:
            home = choice.homes[name]
            if home == L1:
                continue
            before += [] if outward else self.roll_hops(name)
            moved = _rows([each.windows[name] for each in self.sets])
            hops = self._hops(name, home, outward, moved)
            if buffering == 1 and not np.array_equal(moved.active, rows.active):
                before += hops
            else:
                streams.append(StreamWork("output" if outward else "input", tuple(hops), moved.active, once))
        params = self._params(choice, rows)
        if params and not choice.held and buffering == 1:
            depth = once * (2 if self._blocks(choice) > 1 else 1)
            streams.append(StreamWork("params", tuple(params), rows.active * self._blocks(choice), depth))
        else:
            before += params
        return tuple(streams), tuple(before)

    def roll_hops(self, name: str) -> list[Hop]:
        """Rows of a window that move to its front."""
        row_bytes = self.sets[0].graph.row_bytes(name)
        kept = [each.windows[name].kept for each in self.sets]
        moves = np.array([int((k > 0).sum()) for k in kept])
        if not moves.any():
            return []
        size = np.array([int(k.sum()) for k in kept]) * row_bytes
        return [Hop(ROLL, moves, moves, size, np.array([row_bytes]))]

    def tensor_hops(self, name: str, home: str, outward: bool) -> list[Hop]:
        """Rows of a tensor on their way between its home and L1."""
        return self._hops(name, home, outward, _rows([each.windows[name] for each in self.sets]))

    def param_hops(self, choice: FusedChoice) -> list[Hop]:
        """The layer's parameter blocks, once or in every stripe."""
        own = self.sets[0].graph.operators[self.k].output
        return self._params(choice, _rows([each.windows[own] for each in self.sets]))

    def _hops(self, name: str, home: str, outward: bool, rows: _Rows) -> list[Hop]:
        row_bytes = self.sets[0].graph.row_bytes(name)
        grain = np.array([row_bytes])
        way = [(L3, L2), (L2, L1)] if home == L3 else [(L2, L1)]
        ends = [hop[::-1] for hop in reversed(way)] if outward else way
        return [Hop("_".join(hop), rows.active, rows.active, rows.total * row_bytes, grain) for hop in ends]

    def _params(self, choice: FusedChoice, rows: _Rows) -> list[Hop]:
        """Blocks from their home, once or in every stripe."""
        size = self.param_bytes(choice)
        if choice.params == L1 or not size:
            return []
        times = np.ones_like(rows.active) if choice.held else rows.active
        moves = times * self._blocks(choice)
        way = ((L3, L2), (L2, L1)) if choice.params == L3 else ((L2, L1),)
        return [Hop("_".join(hop), moves, moves, times * size) for hop in way]

    def param_bytes(self, choice: FusedChoice) -> int:
        """Bytes of all blocks that L1 gets."""
        of = self.sets[0].graph
        op, space = of.operators[self.k], of.spaces[self.k]
        tile = dict(choice.tile)
        grid = Grid(space, np.array([[tile.get(dim.name, dim.extent) for dim in space.dims]], np.int64))
        parts = frozenset((TABLES,)) if choice.params in WEIGHT_MEMORIES else BOTH
        return int(param_traffic(grid, op, space.orders[0], choice.layout, parts).region_bytes[0])


def segment_text(of: Striped) -> str:
    """Which layers, and how: "a..c, 12 stripes of 4 rows, line"."""
    first, last = of.graph.operators[0].name, of.graph.operators[-1].name
    return f"{first}..{last}, {of.count} stripes of {of.segment.rows} rows, {of.segment.mode}"


def segment_bytes(deployment: Deployment, segment: Segment) -> int:
    """Bytes of L1 that only a segment uses while it runs."""
    own = (
        b for b in deployment.buffers if b.level == L1 and (b.first, b.last) == (segment.first, segment.last)
    )
    return sum(b.bytes for b in own if b.name[:2] in FUSED_BUFFERS)
