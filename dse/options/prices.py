"""The price of one set of tilings under all its homes, bufferings and stagings, many combinations a call.

Most of a combination's price belongs to its streams one by one. So every stream has a menu of variants (not
moving at all, direct, by tiles through L2, whole through L2), each priced once, and a combination is one
variant a stream: its arrays are gathered from the menus.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from compiler.deployment import WHOLE
from compiler.tiling import Product
from costmodels.classes import NO_CLASSES
from costmodels.overlap import Flow
from costmodels.pipeline import (
    BLOCK,
    Hop,
    KernelTime,
    LayerWork,
    StreamTime,
    StreamWork,
    price_layer,
    stream_time,
)
from costmodels.platform import OperatingPoint, Platform
from costmodels.work import IntArray
from dse.options.blocks import Block, Combination, Placing, blocks, placings
from dse.options.candidates import Candidates
from dse.options.homes import BUFFERINGS, Operand, operand, resident_bytes
from dse.options.shaped import Prices, ProductPricer, Variant
from dse.solver.pareto import BoolArray, FloatArray

# Columns of priced rows; then come the resident bytes in L2, weight memory and L1.
TIME, ENERGY, L1_BYTES, STAGING, RESIDENT, COLUMNS = 0, 1, 2, 3, 4, 7
# Rows of a menu's values; slots and stages are two rows each, one a buffering.
_TOTAL, _ELAPSED, _ISSUE, _STALL, _MOVED_UJ, _DEPTH, _WHOLE, _SLOTS, _STAGES, _VALUES = (*range(8), 9, 11)
# The judges: weights of the columns, each relative to a combination's least. The best row by each is compared
# with all others; together they leave a fraction of the rows to the exact filter.
_JUDGES = np.array(
    [
        (1.0, 0.0, 0.1, 0.1, 0.1, 0.1, 0.1),
        (0.0, 1.0, 0.1, 0.1, 0.1, 0.1, 0.1),
        (1.0, 1.0, 0.3, 0.3, 0.3, 0.3, 0.3),
        (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0),
        (0.3, 0.3, 1.0, 0.1, 0.1, 0.1, 0.1),
        (0.1, 0.1, 1.0, 1.0, 1.0, 1.0, 1.0),
        (0.1, 0.1, 0.1, 1.0, 1.0, 1.0, 1.0),
    ]
)


@dataclass(frozen=True, eq=False)
class PricedRows:
    """Rows [n, 7] of one combination, time in ms, energy in uJ, the rest in bytes; their tilings and splits
    [n]; what of their time a prefetch can run under [n], in ms."""

    rows: FloatArray
    tiling: IntArray
    split: IntArray
    cover: FloatArray


@dataclass(frozen=True, eq=False)
class _Menu:
    """One stream in V variants: `values` [V, _VALUES, C], zero where it does not move; hops of each variant.

    whole_hop: the transfer of whole stages, if a variant has one.
    """

    number_of: dict[Placing, int]
    hops: tuple[tuple[Hop, ...], ...]
    whole_hop: Hop | None
    values: FloatArray

    @property
    def links(self) -> Mapping[Placing, frozenset[str]]:
        """What each variant uses."""
        return {key: frozenset(hop.link for hop in self.hops[k]) for key, k in self.number_of.items()}


@dataclass(frozen=True, eq=False)
class _Block:
    """Combinations priced together; `values`: for every stream, of their variants [n, _VALUES, C]."""

    buffering: int
    hops: tuple[tuple[Hop, ...], ...]
    whole_hops: tuple[Hop | None, ...]
    values: tuple[FloatArray, ...]


@dataclass(frozen=True, eq=False)
class Pricer:
    """A set of tilings whose kernel time is known, at an operating point.

    l1_bytes: rows that need more are dropped. tensor_bytes: sizes of the inputs, then of the output.
    """

    candidates: Candidates
    platform: Platform
    point: OperatingPoint
    l1_bytes: int
    tensor_bytes: tuple[int, ...]

    def price(self, combinations: Sequence[Combination]) -> Iterator[tuple[int, PricedRows]]:
        """(number of a combination, its rows worth a look), for all that have any.

        The rows hold the combination's whole Pareto front and little else.
        """
        split = self._kernel.split.reshape(-1)
        for numbers, columns, cover in self._blocks(combinations):
            alive = _undecided(columns, np.asarray(columns[L1_BYTES] <= self.l1_bytes))
            for place, number in enumerate(numbers):
                kept = np.flatnonzero(alive[place])
                if len(kept):
                    rows = columns[:, place, kept].T
                    yield number, PricedRows(rows, kept, split[kept], cover[place, kept])

    def columns(self, combinations: Sequence[Combination]) -> Iterator[tuple[int, FloatArray, FloatArray]]:
        """(number of a combination, columns [7, C] of all its rows, their covers [C])."""
        for numbers, columns, cover in self._blocks(combinations):
            for place, number in enumerate(numbers):
                yield number, columns[:, place], cover[place]

    @property
    def _kernel(self) -> KernelTime:
        assert self.candidates.shaped_kernel is not None  # `layer_candidates` knows it
        return self.candidates.shaped_kernel

    def _blocks(
        self, combinations: Sequence[Combination]
    ) -> Iterator[tuple[tuple[int, ...], FloatArray, FloatArray]]:
        """Some combinations, columns [7, n, C] and covers [n, C] of their rows; all, block by block."""
        c, most = self.candidates, max(1, BLOCK // self.candidates.count)
        streams = range(len(c.measured.inputs) + 2)
        if isinstance(c.measured.grid, Product):
            pricer = ProductPricer(c, self._kernel, self.platform, self.point, self.tensor_bytes)
            variants = [pricer.menu(k, combinations) for k in streams]
            for block in blocks(combinations, [_links(menu) for menu in variants], most):
                prices = pricer.price(block.buffering, block.chosen(variants))
                yield block.numbers, *self._shaped_columns(block, prices)
            return
        menus = [self._menu(k, combinations) for k in streams]
        for group in blocks(combinations, [menu.links for menu in menus], most):
            yield group.numbers, *self._flat_columns(_block(group, menus), group.params)

    def _shaped_columns(self, block: Block, prices: Prices) -> tuple[FloatArray, FloatArray]:
        columns = np.empty((COLUMNS, *prices.price.time_ms.shape))
        columns[TIME], columns[ENERGY] = prices.price.time_ms, prices.price.energy_uj
        columns[L1_BYTES], columns[STAGING] = prices.l1_bytes, prices.stage_bytes
        self._set_resident(columns, block.params)
        cover = np.broadcast_to(prices.cover_cycles * self._cycle_ms, columns.shape[1:])
        count = columns.shape[1]
        return columns.reshape(COLUMNS, count, -1), cover.reshape(count, -1)

    @property
    def _cycle_ms(self) -> float:
        return 1e3 / self.platform.reference_hz(self.point)

    def _set_resident(self, columns: FloatArray, params: Sequence[str]) -> None:
        resident = {home: resident_bytes(self.candidates.measured, home) for home in params}
        for place, home in enumerate(params):
            for number, bytes_ in enumerate(resident[home], start=RESIDENT):
                columns[number, place] = bytes_

    def _flat_columns(self, block: _Block, params: Sequence[str]) -> tuple[FloatArray, FloatArray]:
        c = self.candidates
        shape = (len(params), c.count)
        priced = price_layer(self.platform, self._work(block), self.point)
        columns = np.empty((COLUMNS, *shape))
        columns[TIME] = priced.time_ms.reshape(shape)
        columns[ENERGY] = priced.energy_uj.reshape(shape)
        columns[L1_BYTES] = c.accumulator_bytes
        columns[STAGING] = 0.0
        for values in block.values:
            columns[L1_BYTES] += values[:, _SLOTS + BUFFERINGS.index(block.buffering)]
            columns[STAGING] += values[:, _STAGES + BUFFERINGS.index(block.buffering)]
        self._set_resident(columns, params)
        cover = priced.cover_cycles * self._cycle_ms
        return columns, np.asarray(cover.reshape(shape), np.float64)

    def _work(self, block: _Block) -> LayerWork:
        """The block as one layer of n * C candidates, combination after combination."""
        c, count = self.candidates, len(block.values[0])
        whole = [_whole(hop, value) for hop, value in zip(block.whole_hops, block.values, strict=True)]
        return LayerWork(
            spec=c.space.spec,
            engine=c.engine,
            classes=NO_CLASSES,
            trips=tuple(np.tile(trip, count) for trip in c.trips),
            streams=_streams(block),
            buffering=block.buffering,
            before=tuple(hop for hops in whole[:-1] for hop in hops),
            after=tuple(whole[-1]),
            kernel=KernelTime(
                np.tile(self._kernel.cycles, count),
                np.tile(self._kernel.split, count),
                np.tile(self._kernel.share, count),
            ),
        )

    def _menu(self, stream: int, combinations: Sequence[Combination]) -> _Menu:
        c = self.candidates
        variants = placings(stream, combinations)
        operands = [operand(c, stream, home, staging, self.tensor_bytes) for home, staging in variants]
        values = np.zeros((len(operands), _VALUES, c.count))
        hops: list[tuple[Hop, ...]] = []
        for row, moved in zip(values, operands, strict=True):
            hops.append(() if moved is None else self._fill(row, moved))
        whole = [moved.whole_hop() for moved in operands if moved is not None and moved.staging == WHOLE]
        number_of = {variant: number for number, variant in enumerate(variants)}
        return _Menu(number_of, tuple(hops), whole[0] if whole else None, values)

    def _fill(self, row: FloatArray, moved: Operand) -> tuple[Hop, ...]:
        """Set the values [_VALUES, C] of one variant; returns its hops."""
        work = moved.work()
        time = stream_time(self.platform, work, self.point, self.candidates.engine)
        row[_TOTAL], row[_MOVED_UJ], row[_DEPTH] = time.total, time.moved_uj, time.mean.depth
        row[_ELAPSED], row[_ISSUE], row[_STALL] = time.mean.elapsed, time.mean.issue, time.stall
        row[_WHOLE] = moved.whole_bytes if moved.staging == WHOLE else 0.0
        for place, buffering in enumerate(BUFFERINGS):
            row[_SLOTS + place], row[_STAGES + place] = moved.slots(buffering), moved.stages(buffering)
        return work.hops


def _links(menu: Mapping[Placing, Variant]) -> Mapping[Placing, frozenset[str]]:
    return {
        key: frozenset(hop.link for hop in (one.work.hops if one.work else ())) for key, one in menu.items()
    }


def _block(group: Block, menus: Sequence[_Menu]) -> _Block:
    codes = [[menu.number_of[key] for key in keys] for menu, keys in zip(menus, group.placings, strict=True)]
    return _Block(
        buffering=group.buffering,
        hops=tuple(menu.hops[code[0]] for menu, code in zip(menus, codes, strict=True)),
        whole_hops=tuple(menu.whole_hop for menu in menus),
        values=tuple(menu.values[code] for menu, code in zip(menus, codes, strict=True)),
    )


def _streams(block: _Block) -> tuple[StreamWork, ...]:
    """Streams with known times; their hops are the first combination's, which uses the links of all."""
    found = []
    for number, (hops, values) in enumerate(zip(block.hops, block.values, strict=True)):
        total, elapsed, issue, stall, moved_uj = (
            values[:, k].ravel() for k in (_TOTAL, _ELAPSED, _ISSUE, _STALL, _MOVED_UJ)
        )
        depth = values[:, _DEPTH].ravel().astype(np.int8)
        time = StreamTime(total, Flow(elapsed, issue, depth), moved_uj, stall)
        last = number == len(block.values) - 1
        found.append(StreamWork("output" if last else "input", hops, depth, depth, time))
    return tuple(found)


def _whole(hop: Hop | None, values: FloatArray) -> list[Hop]:
    """Whole stages of a stream, in the combinations that have them."""
    whole_bytes = values[:, _WHOLE].ravel()
    if hop is None or not whole_bytes.any():
        return []
    once = (whole_bytes > 0).astype(np.int64)
    return [Hop(hop.link, once, once, whole_bytes.astype(np.int64))]


def _undecided(columns: FloatArray, fits: BoolArray) -> BoolArray:
    """Mask [n, C] of the rows, given as columns [7, n, C], that fit and that no judge of theirs dominates.

    Equal rows all stay: which of them a judge is may hang on the rounding of its score.
    """
    least = np.where(fits, columns, np.inf).min(axis=2, keepdims=True)
    relative = columns / np.where((least > 0) & np.isfinite(least), least, 1.0)
    total = columns.sum(axis=0)
    alive = fits.copy()
    here = np.arange(len(fits))
    for score in np.tensordot(_JUDGES, relative, axes=1):
        best = np.where(alive, score, np.inf).argmin(axis=1)
        worse = total[here, best][:, None] < total
        worse &= alive[here, best][:, None]
        for column in columns:
            worse &= column[here, best][:, None] <= column
        alive &= ~worse
    return alive
