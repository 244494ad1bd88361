"""The price of tilings one by one under some homes: as `dse.options.shaped`, with arrays [C]."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from costmodels.classes import NO_CLASSES
from costmodels.layer import KernelTime, LayerWork, StreamTime, StreamWork
from costmodels.overlap import Flow
from costmodels.pipeline import Hop, price_layer, shares_prefetch_link, stream_time
from costmodels.platform import OperatingPoint, Platform
from dse.options.blocks import Base, Block, Placing, blocks, placings
from dse.options.candidates import Candidates
from dse.options.homes import BUFFERINGS, Operand, operand
from dse.options.shaped import Prices
from dse.solver.pareto import FloatArray, IntArray

# Rows of a menu's values; slots and stages are two rows each, one a buffering.
_TOTAL, _ELAPSED, _ISSUE, _STALL, _MOVED_UJ, _DEPTH, _SLOTS, _STAGES, _VALUES = (*range(7), 8, 10)


@dataclass(frozen=True, eq=False)
class FlatMenu:
    """One stream in V variants: `values` [V, _VALUES, C], zero where it does not move; hops of each."""

    placings: tuple[Placing, ...]
    hops: tuple[tuple[Hop, ...], ...]
    values: FloatArray

    @property
    def links(self) -> Mapping[Placing, frozenset[str]]:
        """That each variant uses, in order."""
        used = (frozenset(hop.link for hop in hops) for hops in self.hops)
        return dict(zip(self.placings, used, strict=True))


@dataclass(frozen=True, eq=False)
class FlatPricer:
    """C tilings in one loop order whose kernel time is known, at an operating point."""

    candidates: Candidates
    platform: Platform
    point: OperatingPoint
    tensor_bytes: tuple[int, ...]

    def prices(
        self, bases: Sequence[Base], bufferings: Sequence[int], most: int
    ) -> Iterator[tuple[Block, int, Prices]]:
        """Blocks of at most `most` bases, all with each buffering, and their prices."""
        menus = [self.menu(stream, bases) for stream in range(len(bases[0]))]
        for block in blocks(bases, [menu.links for menu in menus], self.platform, most):
            for buffering in bufferings:
                yield block, buffering, self.price(buffering, menus, block)

    def menu(self, stream: int, bases: Sequence[Base]) -> FlatMenu:
        """All variants of a stream that occur."""
        c, found = self.candidates, placings(stream, bases)
        operands = [operand(c, stream, *placing, self.tensor_bytes) for placing in found]
        values = np.zeros((len(operands), _VALUES, c.count))
        rows = zip(values, operands, strict=True)
        return FlatMenu(found, tuple(self._fill(row, moved) if moved else () for row, moved in rows), values)

    def _fill(self, row: FloatArray, moved: Operand) -> tuple[Hop, ...]:
        """Set the values [_VALUES, C] of one variant; returns its hops."""
        work = moved.work()
        time = stream_time(self.platform, work, self.point, self.candidates.engine)
        row[_TOTAL], row[_MOVED_UJ], row[_DEPTH] = time.total, time.moved_uj, time.mean.depth
        row[_ELAPSED], row[_ISSUE], row[_STALL] = time.mean.elapsed, time.mean.issue, time.stall
        for place, buffering in enumerate(BUFFERINGS):
            row[_SLOTS + place], row[_STAGES + place] = moved.slots(buffering), moved.stages(buffering)
        return work.hops

    def price(self, buffering: int, menus: Sequence[FlatMenu], block: Block) -> Prices:
        """Price the bases of a block: arrays [N, 1, C] and [N, C]."""
        c, count = self.candidates, len(block.numbers)
        values = [menu.values[list(codes)] for menu, codes in zip(menus, block.codes, strict=True)]
        work = LayerWork(
            spec=c.space.spec,
            engine=c.engine,
            classes=NO_CLASSES,
            trips=tuple(np.tile(trip, count) for trip in c.trips),
            streams=tuple(_streams(menus, block, values)),
            buffering=buffering,
            kernel=self._kernel(count),
        )
        priced = price_layer(self.platform, work, self.point)
        place, shape = BUFFERINGS.index(buffering), (count, 1, c.count)
        return Prices(
            priced.time_ms.reshape(shape),
            priced.energy_uj.reshape(shape),
            c.accumulator_bytes + _whole_sum(values, _SLOTS + place),
            _whole_sum(values, _STAGES + place),
            not any(shares_prefetch_link(self.platform, work)),
        )

    def _kernel(self, count: int) -> KernelTime:
        """Of `count` bases."""
        kernel = self.candidates.kernel
        assert kernel is not None  # `layer_candidates` knows it
        cycles, split, share = np.tile(kernel.cycles, count), np.tile(kernel.split, count), kernel.share
        return KernelTime(cycles, split, np.tile(share, count))


def _whole_sum(values: Sequence[FloatArray], row: int) -> IntArray:
    """One row of the values of all streams, summed: bytes [N, C]."""
    return np.asarray(sum(value[:, row] for value in values), np.int64)


def _streams(menus: Sequence[FlatMenu], block: Block, values: Sequence[FloatArray]) -> list[StreamWork]:
    """Streams with known times; their hops are the first base's, which uses the links of all."""
    found = []
    for menu, codes, value in zip(menus, block.codes, values, strict=True):
        total, elapsed, issue, stall, moved_uj = (
            value[:, k].ravel() for k in (_TOTAL, _ELAPSED, _ISSUE, _STALL, _MOVED_UJ)
        )
        depth = value[:, _DEPTH].ravel().astype(np.int8)
        time = StreamTime(total, Flow(elapsed, issue, depth), moved_uj, stall)
        found.append(
            StreamWork("output" if menu is menus[-1] else "input", menu.hops[codes[0]], depth, depth, time)
        )
    return found
