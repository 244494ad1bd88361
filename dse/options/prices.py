"""The price of one layer's tilings under all its homes, bufferings and stagings, many of them a call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from compiler.tiling import Product
from costmodels.pipeline import BLOCK
from costmodels.platform import OperatingPoint, Platform
from costmodels.work import IntArray
from dse.options.blocks import Base, Block, Combination, base_of
from dse.options.candidates import Candidates
from dse.options.flat import FlatPricer
from dse.options.homes import resident_bytes
from dse.options.shaped import Prices, ProductPricer
from dse.options.stages import ENERGY, L1_BYTES, RESIDENT, STAGING, TIME, Stages
from dse.solver.pareto import BoolArray, FloatArray

__all__ = ["ENERGY", "L1_BYTES", "RESIDENT", "STAGING", "TIME", "PricedRows", "Pricer"]

# The judges: weights of the columns, each relative to a base's least. The best row by each is compared with
# all others; together they leave a fraction of the rows to the exact filter.
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

Columns = tuple[FloatArray, ...]
"""Each broadcasts to [N, K, C]: N bases, K loop orders, C tilings."""


@dataclass(frozen=True, eq=False)
class PricedRows:
    """Rows [n, 7] of one base with one buffering, time in ms, energy in uJ, the rest in bytes; loop order,
    tiling and split of each [n]; what of its time a prefetch can run under [n], in ms."""

    buffering: int
    rows: FloatArray
    order: IntArray
    tiling: IntArray
    split: IntArray
    cover: FloatArray


@dataclass(frozen=True, eq=False)
class Pricer:
    """The same tilings in K loop orders, whose kernel time is known, at an operating point; those that are
    measured one by one in one order only.

    l1_bytes: rows that need more are dropped. tensor_bytes: sizes of the inputs, then of the output.
    """

    orders: tuple[Candidates, ...]
    platform: Platform
    point: OperatingPoint
    l1_bytes: int
    tensor_bytes: tuple[int, ...]

    def price(self, bases: Sequence[Base], bufferings: Sequence[int]) -> Iterator[tuple[int, PricedRows]]:
        """(number of a base, its rows worth a look with one buffering), for all that have any.

        The rows hold the base's whole Pareto front and little else.
        """
        split = self._split
        for block, buffering, columns, free in self.blocks(bases, bufferings):
            alive = _undecided(columns, np.asarray(columns[L1_BYTES] <= self.l1_bytes))
            for place, number in enumerate(block.numbers):
                order, tiling = np.nonzero(alive[place])
                if len(order):
                    rows = np.stack([_entries(column, place, order, tiling) for column in columns], axis=1)
                    cover = rows[:, TIME] if free else np.zeros(len(rows))
                    yield number, PricedRows(buffering, rows, order, tiling, split[tiling], cover)

    def columns(self, combinations: Sequence[Combination]) -> Iterator[tuple[int, FloatArray, FloatArray]]:
        """(number of a combination, rows [K * C, 7] order after order, their covers) of all tilings."""
        stages = Stages(self.platform, self.point, self.tensor_bytes)
        for number, (choice, mode) in enumerate(combinations):
            base, whole = base_of(choice, mode.staging)
            for _, _, columns, free in self.blocks([base], [mode.buffering]):
                shape = columns[TIME].shape
                rows = np.stack([np.broadcast_to(c, shape).reshape(-1) for c in columns], axis=1)
                yield number, *stages.around(rows, rows[:, TIME] * free, whole)

    @property
    def _split(self) -> IntArray:
        kernel = self.orders[0].shaped_kernel
        assert kernel is not None  # `layer_candidates` knows it
        return kernel.split.reshape(-1)

    def blocks(
        self, bases: Sequence[Base], bufferings: Sequence[int]
    ) -> Iterator[tuple[Block, int, Columns, bool]]:
        """Some bases, their buffering, columns, and whether the link of prefetches is free: all, by block."""
        most = max(1, BLOCK // self.orders[0].count)
        for block, buffering, prices in self._pricer.prices(bases, bufferings, most):
            yield block, buffering, self._columns(block, prices), prices.free

    @property
    def _pricer(self) -> ProductPricer | FlatPricer:
        c = self.orders[0]
        if isinstance(c.measured.grid, Product):
            return ProductPricer(self.orders, self.platform, self.point, self.tensor_bytes)
        return FlatPricer(c, self.platform, self.point, self.tensor_bytes)

    def _columns(self, block: Block, prices: Prices) -> Columns:
        traffic = self.orders[0].measured
        shape = traffic.grid.shape if isinstance(traffic.grid, Product) else (traffic.grid.count,)
        count = prices.time_ms.shape[:2]
        homes = {home: resident_bytes(traffic, home) for home in block.params}
        resident = [_joined([homes[home][k] for home in block.params], shape) for k in range(3)]
        return (
            np.asarray(prices.time_ms.reshape(*count, -1), np.float64),
            np.asarray(prices.energy_uj.reshape(*count, -1), np.float64),
            _column(prices.l1_bytes, shape),
            _column(prices.stage_bytes, shape),
            *(_column(of, shape) for of in resident),
        )


def _joined(arrays: Sequence[IntArray], shape: tuple[int, ...]) -> IntArray:
    """Arrays that broadcast to `shape` on a leading axis; one for all where they are the same."""
    if all(array is arrays[0] or not (array.any() or arrays[0].any()) for array in arrays):
        return arrays[0]
    return np.stack([np.broadcast_to(array, shape) for array in arrays])


def _column(values: IntArray, shape: tuple[int, ...]) -> FloatArray:
    """Values that broadcast to `shape`, perhaps behind an axis of N: [N or 1, 1, C or 1]."""
    leading = len(values) if values.ndim > len(shape) else 1
    if values.size > leading:
        values = np.broadcast_to(values, (leading, *shape))
    return np.asarray(values.reshape(leading, 1, -1), np.float64)


def _entries(column: FloatArray, place: int, order: IntArray, tiling: IntArray) -> FloatArray:
    """Entries of one base, of these orders and tilings."""
    bases, orders, tilings = column.shape
    own = column[place if bases > 1 else 0]
    return np.asarray(own[order if orders > 1 else 0, tiling if tilings > 1 else np.zeros_like(tiling)])


def _undecided(columns: Columns, fits: BoolArray) -> BoolArray:
    """Mask [N, K, C] of the rows that fit and that no judge of their base dominates.

    Equal rows all stay: which of them a judge is may hang on the rounding of its score.
    """
    alive = np.broadcast_to(fits, columns[TIME].shape).copy()
    various = [k for k, column in enumerate(columns) if k <= ENERGY or column.shape[2] > 1]
    least = {k: np.where(fits, columns[k], np.inf).min(axis=(1, 2), keepdims=True) for k in various}
    relative = {k: columns[k] / np.where((c > 0) & np.isfinite(c), c, 1.0) for k, c in least.items()}
    total, here = _sum([columns[k] for k in various]), np.arange(len(alive))
    for judge in _JUDGES:
        score = np.where(alive, _sum([relative[k] * judge[k] for k in various]), np.inf)
        order, tiling = np.unravel_index(score.reshape(len(alive), -1).argmin(axis=1), alive.shape[1:])
        there = [_judge(columns[k], here, order, tiling) for k in various]
        worse = _judge(total, here, order, tiling) < total
        worse &= alive[here, order, tiling][:, None, None]
        for best, k in zip(there, various, strict=True):
            worse &= best <= columns[k]
        alive &= ~worse
    return alive


def _judge(column: FloatArray, here: IntArray, order: IntArray, tiling: IntArray) -> FloatArray:
    """Its entry at one row of each base [N, 1, 1]."""
    bases, orders, _ = column.shape
    return np.asarray(column[here if bases > 1 else 0, order if orders > 1 else 0, tiling][:, None, None])


def _sum(columns: Sequence[FloatArray]) -> FloatArray:
    """Small ones first, so that only the last sums have the full shape."""
    return np.asarray(reduce(np.add, sorted(columns, key=lambda column: column.size)))
