"""Grids of tiles: trip counts, tile classes, and sums of operand extents over a whole grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from compiler.ir import Axis, Space
from compiler.ir.tensor import IntArray


@dataclass(frozen=True, eq=False)
class AxisSums:
    """Extents of one operand axis over the tiles of its driving dimension, one entry a candidate.

    total: sum over the tiles; largest: the greatest; full: one tile covers it (nothing drives it).
    """

    total: IntArray
    largest: IntArray
    trips: IntArray
    full: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


@dataclass(frozen=True, eq=False)
class Grid:
    """C candidate tilings of one space: `tiles` is int64 [C, dims] in the order of `space.dims`."""

    space: Space
    tiles: IntArray

    @property
    def count(self) -> int:
        return len(self.tiles)

    @cached_property
    def column(self) -> dict[str, int]:
        """Column of each dimension."""
        return {dim.name: index for index, dim in enumerate(self.space.dims)}

    @cached_property
    def trips(self) -> IntArray:
        """Number of tiles along each dimension: int64 [C, dims]."""
        extents = np.array([dim.extent for dim in self.space.dims])
        return np.asarray(-(-extents // self.tiles))

    @cached_property
    def steps(self) -> IntArray:
        """Number of tiles in all: int64 [C]."""
        return np.asarray(np.prod(self.trips, axis=1))

    def tile(self, dim: str) -> IntArray:
        return np.asarray(self.tiles[:, self.column[dim]])

    def trip(self, dim: str) -> IntArray:
        return np.asarray(self.trips[:, self.column[dim]])

    @cached_property
    def classes(self) -> tuple[dict[str, IntArray], IntArray]:
        """Distinct tile shapes: extents by dimension, each [C, K], and how many tiles have them [C, K].

        A dimension has at most two sizes, the tile and the remainder, so K <= 2^dims; a class that
        does not occur has count 0 and the extents of a full tile.
        """
        counts = np.ones((self.count, 1), np.int64)
        extents: dict[str, IntArray] = {}
        for dim in self.space.dims:
            tile = self.tile(dim.name)
            full, rest = dim.extent // tile, dim.extent % tile
            if not rest.any():
                extents = {**extents, dim.name: np.repeat(tile[:, None], counts.shape[1], axis=1)}
                counts = counts * full[:, None]
                continue
            width = counts.shape[1]
            extents = {name: np.tile(value, (1, 2)) for name, value in extents.items()}
            tail = np.where(rest > 0, rest, tile)
            extents[dim.name] = np.repeat(np.stack([tile, tail], axis=1), width, axis=1)
            counts = np.concatenate([counts * full[:, None], counts * (rest > 0)[:, None]], axis=1)
        return extents, counts

    def axis_sums(self, axis: Axis) -> AxisSums:
        """Sums of the clipped extents of an operand axis; exact at borders.

        At most one tiled dimension may drive an axis (raises ValueError otherwise).
        """
        tiled = [name for name, _ in axis.terms if int(self.trip(name).max(initial=1)) > 1]
        if len(tiled) > 1:
            raise ValueError(f"an operand axis is driven by several tiled dimensions: {tiled}")
        if not tiled:
            extent = np.full(self.count, self._untiled_extent(axis), np.int64)
            ones = np.ones(self.count, np.int64)
            return AxisSums(extent, extent, ones, extent == axis.extent)
        driver = tiled[0]
        sizes, inverse = np.unique(self.tile(driver), return_inverse=True)
        rows = np.array([self._extents(axis, driver, int(size)) for size in sizes], np.int64)[inverse]
        full = (self.trip(driver) == 1) & (rows[:, 0] == axis.extent)
        return AxisSums(rows[:, 0], rows[:, 1], self.trip(driver), full)

    def _untiled_extent(self, axis: Axis) -> int:
        low, high = axis.clipped(self.space.whole)
        return high - low

    def _extents(self, axis: Axis, driver: str, size: int) -> tuple[int, int]:
        box = self.space.whole
        extent = box[driver][1]
        total = largest = 0
        for start in range(0, extent, size):
            low, high = axis.clipped({**box, driver: (start, min(start + size, extent))})
            total, largest = total + high - low, max(largest, high - low)
        return total, largest
