"""Grids of tiles: trip counts, tile classes, and sums of operand extents over a whole grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TypeVar

import numpy as np

from compiler.ir import Axis, Space
from compiler.ir.tensor import IntArray
from costmodels.work import FloatArray

Array = TypeVar("Array", IntArray, FloatArray)


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

    @property
    def zeros(self) -> IntArray:
        """A zero for every candidate: int64 [C]."""
        return np.zeros(self.count, np.int64)

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

    @cached_property
    def blocks(self) -> Blocks:
        """The parameter blocks."""
        return Blocks.of(self)

    def axis_sums(self, axis: Axis) -> AxisSums:
        """See `axis_sums`."""
        return axis_sums(self, axis)


@dataclass(frozen=True, eq=False)
class Product:
    """All combinations of tile sizes by dimension, as arrays that broadcast to `shape`.

    sizes: those of each dimension in the order of `space.dims`, int64 [S_d]. Everything that depends on few
    dimensions is computed at their shape alone; `flat` has the same tilings one by one, and `ravel` brings
    any result into their order.
    """

    space: Space
    sizes: tuple[IntArray, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(map(len, self.sizes))

    @property
    def zeros(self) -> IntArray:
        """A zero that broadcasts to `shape`."""
        return np.zeros((1,) * len(self.sizes), np.int64)

    @cached_property
    def _tiles(self) -> dict[str, IntArray]:
        shaped = np.ix_(*self.sizes)
        return {dim.name: tile for dim, tile in zip(self.space.dims, shaped, strict=True)}

    @cached_property
    def _trips(self) -> dict[str, IntArray]:
        return {dim.name: -(-dim.extent // self._tiles[dim.name]) for dim in self.space.dims}

    @cached_property
    def blocks(self) -> Blocks:
        """The parameter blocks."""
        return Blocks.of(self)

    def tile(self, dim: str) -> IntArray:
        return self._tiles[dim]

    def trip(self, dim: str) -> IntArray:
        return self._trips[dim]

    def ravel(self, array: Array) -> Array:
        """A result for every tiling, in the order of `flat`: [C]."""
        return np.broadcast_to(array, self.shape).reshape(-1)

    @cached_property
    def flat(self) -> Grid:
        """The tilings one by one."""
        grids = np.broadcast_arrays(*np.ix_(*self.sizes))
        return Grid(self.space, np.stack([grid.ravel() for grid in grids], axis=1).astype(np.int64))


@dataclass(frozen=True, eq=False)
class Blocks:
    """Parameter blocks by class: one axis of two for every dimension that they depend on, then the grid's.

    extents by dimension, counts, and 1 where a block carries the tables, else 0, broadcasting to the whole;
    classes: number of axes in front of the grid's. The last tile along a reduction is a class of its own,
    because only it carries the tables.
    """

    extents: Mapping[str, IntArray]
    counts: IntArray
    last: IntArray
    classes: int

    @classmethod
    def of(cls, grid: Grid | Product) -> Blocks:
        space, rank = grid.space, grid.zeros.ndim
        axes = len(space.param_dims)
        counts = np.ones((1,) * axes + grid.zeros.shape, np.int64)
        last = np.ones_like(counts)
        extents: dict[str, IntArray] = {dim.name: np.array(dim.extent) for dim in space.dims}
        dims = [dim for dim in space.dims if dim.name in space.param_dims]
        for place, dim in enumerate(dims):
            tile, trips = grid.tile(dim.name), grid.trip(dim.name)
            front = (1,) * place + (2,) + (1,) * (axes - place - 1)
            tail = dim.extent - (trips - 1) * tile
            extents[dim.name] = np.stack([tile, tail]).reshape(front + tile.shape)
            counts = counts * np.stack([trips - 1, np.ones_like(trips)]).reshape(front + tile.shape)
            if dim.reduction:
                last = last * np.array([0, 1]).reshape(front + (1,) * rank)
        return cls(extents, counts, last, axes)

    def over(self, values: IntArray) -> IntArray:
        """Sum over all blocks."""
        return np.asarray((values * self.counts).sum(axis=self._axes))

    def largest(self, values: IntArray) -> IntArray:
        """Greatest value of a class that occurs."""
        return np.asarray(np.where(self.counts > 0, values, 0).max(axis=self._axes))

    @property
    def _axes(self) -> tuple[int, ...]:
        return tuple(range(self.classes))


def axis_sums(grid: Grid | Product, axis: Axis) -> AxisSums:
    """Sums of the clipped extents of an operand axis; exact at borders.

    At most one tiled dimension may drive an axis (raises ValueError otherwise).
    """
    tiled = [name for name, _ in axis.terms if int(grid.trip(name).max(initial=1)) > 1]
    if len(tiled) > 1:
        raise ValueError(f"an operand axis is driven by several tiled dimensions: {tiled}")
    whole = grid.space.whole
    if not tiled:
        low, high = axis.clipped(whole)
        extent = grid.zeros + (high - low)
        return AxisSums(extent, extent, grid.zeros + 1, extent == axis.extent)
    driver = tiled[0]
    tile, trips = grid.tile(driver), grid.trip(driver)
    dims = tuple((name, whole[name][1]) for name, _ in axis.terms)
    sizes = tuple(sorted(set(tile.ravel().tolist())))
    total, largest = _extents_by_size(axis, dims, driver, sizes)[:, np.searchsorted(sizes, tile)]
    return AxisSums(total, largest, trips, (trips == 1) & (total == axis.extent))


@lru_cache(maxsize=1 << 12)
def _extents_by_size(
    axis: Axis, space: tuple[tuple[str, int], ...], driver: str, sizes: tuple[int, ...]
) -> IntArray:
    """`_extents` of several sizes: [2, sizes]."""
    return np.array([_extents(axis, space, driver, size) for size in sizes], np.int64).T


@lru_cache(maxsize=1 << 14)
def _extents(axis: Axis, space: tuple[tuple[str, int], ...], driver: str, size: int) -> tuple[int, int]:
    """Sum and largest of the extents of the tiles of `size` along the driving dimension."""
    extents = dict(space)
    start = np.arange(0, extents[driver], size)
    stop = np.minimum(start + size, extents[driver])
    others = sum(coef * (extents[name] - 1) for name, coef in axis.terms if name != driver)
    coef = sum(coef for name, coef in axis.terms if name == driver)
    low = coef * start // axis.divisor + axis.offset
    high = (coef * (stop - 1) + others) // axis.divisor + axis.offset + axis.window
    low = np.clip(low, 0, axis.extent - 1)
    touched = np.maximum(np.minimum(high, axis.extent), low + 1) - low
    return int(touched.sum()), int(touched.max())
