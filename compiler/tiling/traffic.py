"""Exact transfers of a tiling: how often, how many lines, how many bytes, for every candidate.

A tile of a row-major tensor is a box. The innermost axis that is cut and the whole ones after it form one
contiguous line; the axes before, back to and including the next one that is cut, are the lines of one 2D
transfer; every remaining combination of outer indices is a transfer of its own. "Whole" is a property of
the tiling (the axis has one tile), not of a particular tile, so all tiles of a stream have the same
structure and all sums factorise by axis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, reduce
from typing import Self

import numpy as np

from compiler.ir import Access, Operator
from compiler.ir.operator import Parts
from compiler.ir.tensor import IntArray
from compiler.tiling.grid import AxisSums, Grid, Product, axis_sums


@dataclass(frozen=True, eq=False)
class StreamTraffic:
    """One operand over a whole layer, each field int64 [C] (of a product: broadcasting to its shape).

    depth: position (1-based, in loop order) of the innermost loop with several trips that moves the
    operand, 0 if it is fetched once. foreign: positions and trips of the loops that do not move it: it goes
    round once more in each trip of those around `depth`. once_fetches, once_transfers, once_lines,
    once_bytes: of one such round, in which every tile moves once. tile_bytes: the largest tile. grain:
    bytes of which the beginnings of all its lines in the tensor are multiples.
    """

    depth: IntArray
    foreign: tuple[tuple[int, IntArray], ...]
    once_fetches: IntArray
    once_transfers: IntArray
    once_lines: IntArray
    once_bytes: IntArray
    tile_bytes: IntArray
    grain: IntArray

    @cached_property
    def repeats(self) -> IntArray:
        """How often every tile moves: trips of foreign loops around `depth`."""
        factors = [np.where(position < self.depth, trips, 1) for position, trips in self.foreign]
        return _product(factors) if factors else np.ones_like(self.depth)

    @cached_property
    def fetches(self) -> IntArray:
        """How often a tile is fetched (or stored)."""
        return np.asarray(self.once_fetches * self.repeats)

    @cached_property
    def transfers(self) -> IntArray:
        """Sum over all fetches."""
        return np.asarray(self.once_transfers * self.repeats)

    @cached_property
    def lines(self) -> IntArray:
        """Sum over all fetches."""
        return np.asarray(self.once_lines * self.repeats)

    @cached_property
    def bytes(self) -> IntArray:
        """Sum over all fetches."""
        return np.asarray(self.once_bytes * self.repeats)

    def mapped(self, change: Callable[[IntArray], IntArray]) -> Self:
        """All arrays changed; those that are one stay one."""
        known: dict[int, IntArray] = {}

        def changed(array: IntArray) -> IntArray:
            if id(array) not in known:
                known[id(array)] = change(array)
            return known[id(array)]

        arrays = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "foreign"}
        foreign = tuple((position, changed(trips)) for position, trips in self.foreign)
        return replace(self, foreign=foreign, **{name: changed(array) for name, array in arrays.items()})

    def in_order(self, grid: Grid | Product, order: Sequence[str], dims: frozenset[str]) -> Self:
        """The same tilings in another loop order; dims: those that move it. One round stays what it is."""
        return replace(self, depth=reload_depth(grid, order, dims), foreign=_foreign(grid, order, dims))


@dataclass(frozen=True, eq=False)
class ParamTraffic(StreamTraffic):
    """Parameter blocks: as a stream; `region_bytes` is the size of all blocks, stored once."""

    region_bytes: IntArray


def reload_depth(grid: Grid | Product, order: Sequence[str], dims: frozenset[str]) -> IntArray:
    """Position of the innermost loop of several trips among `dims`, counted from 1; 0 if none."""
    depth = grid.zeros
    for position, name in enumerate(order, start=1):
        if name in dims:
            depth = np.where(grid.trip(name) > 1, position, depth)
    return depth


def _foreign(
    grid: Grid | Product, order: Sequence[str], dims: frozenset[str]
) -> tuple[tuple[int, IntArray], ...]:
    """Positions and trips of the loops over other dimensions."""
    loops = enumerate(order, start=1)
    return tuple((position, grid.trip(name)) for position, name in loops if name not in dims)


def _product(columns: Sequence[IntArray]) -> IntArray:
    return np.asarray(reduce(np.multiply, columns))


def line_structure(full: Sequence[bool]) -> tuple[int, int]:
    """(first axis of the line, first axis of the 2D block) for a pattern of whole axes.

    Lines are axes [line, rank), a transfer covers axes [block, rank), outer axes are separate transfers.
    """
    cut = [index for index, whole in enumerate(full) if not whole]
    if not cut:
        return 0, 0
    line = cut[-1]
    return line, (cut[-2] if len(cut) > 1 else 0)


def _count_lines(sums: Sequence[AxisSums]) -> tuple[IntArray, IntArray]:
    """Transfers and lines summed over the distinct tiles of the operand; see `line_structure`.

    An axis has a line for each of its indices where one behind it is cut, and a transfer for each where two
    are; else one for each of its tiles.
    """
    transfers = lines = cut = np.zeros_like(sums[0].total)
    for axis in reversed(sums):
        first = axis is sums[-1]
        line = np.where(cut > 0, axis.total, axis.trips)
        transfer = np.where(cut > 1, axis.total, axis.trips)
        lines, transfers = (line, transfer) if first else (lines * line, transfers * transfer)
        cut = cut + ~axis.full
    return transfers, lines


def operand_traffic(grid: Grid | Product, access: Access, order: Sequence[str]) -> StreamTraffic:
    """Traffic of an input or output under a loop order (a tile that stays is not fetched again)."""
    sums = [axis_sums(grid, axis) for axis in access.axes]
    transfers, lines = _count_lines(sums)
    return StreamTraffic(
        depth=reload_depth(grid, order, access.dims),
        foreign=_foreign(grid, order, access.dims),
        once_fetches=_product([axis.trips for axis in sums]),
        once_transfers=transfers,
        once_lines=lines,
        once_bytes=_product([axis.total for axis in sums]) * access.element_bytes,
        tile_bytes=_product([axis.largest for axis in sums]) * access.element_bytes,
        grain=_grain(grid, access),
    )


def _grain(grid: Grid | Product, access: Access) -> IntArray:
    """Greatest common divisor, in bytes, of the offsets at which lines of the operand's tiles begin.

    A cut axis begins at multiples of its step (tile extent times stride) less its padding; every axis before
    the innermost cut one goes on one by one.
    """
    pitch = access.element_bytes
    grain = grid.zeros
    inside = grain > 0
    for axis in reversed(access.axes):
        grain = np.where(inside, np.gcd(grain, pitch), grain)
        for name, factor in axis.terms:
            step = np.gcd(grid.tile(name) * factor, axis.offset if axis.divisor == 1 else 1)
            cut = grid.trip(name) > 1
            grain = np.where(cut & ~inside, step * pitch, grain)
            inside = inside | cut
        pitch *= axis.extent
    return np.where(grain > 0, grain, pitch)


def param_traffic(
    grid: Grid | Product, op: Operator, order: Sequence[str], layout: str, parts: Parts
) -> ParamTraffic:
    """Traffic of the parameter blocks: each is contiguous, so a fetch is one transfer of one line.

    Rows of a table are transfers of their own.
    """
    if grid.space.table is not None:
        return _table_traffic(grid, op, order, layout, parts)
    dims = frozenset(grid.space.param_dims)
    blocks = grid.blocks
    sizes = op.param_bytes(layout, parts, blocks.extents, blocks.last)
    region = blocks.over(sizes)
    fetches = blocks.over(np.asarray(sizes > 0, np.int64))
    return ParamTraffic(
        depth=reload_depth(grid, order, dims),
        foreign=_foreign(grid, order, dims),
        once_fetches=fetches,
        once_transfers=fetches,
        once_lines=fetches,
        once_bytes=region,
        tile_bytes=blocks.largest(sizes),
        grain=np.full_like(region, 4),
        region_bytes=region,
    )


def _table_traffic(
    grid: Grid | Product, op: Operator, order: Sequence[str], layout: str, parts: Parts
) -> ParamTraffic:
    """Traffic of the rows of a table, one for each element of the operator's parameter dimension."""
    table, (name,) = grid.space.table, grid.space.param_dims
    assert table is not None
    dims = frozenset((name,))
    extent = next(dim.extent for dim in grid.space.dims if dim.name == name)
    region = grid.zeros + op.param_bytes(layout, parts, {name: np.array(extent)}, True)
    some = (region > 0).astype(np.int64)
    rows = some * extent
    return ParamTraffic(
        depth=reload_depth(grid, order, dims),
        foreign=_foreign(grid, order, dims),
        once_fetches=some * grid.trip(name),
        once_transfers=rows,
        once_lines=rows,
        once_bytes=rows * table.row_bytes,
        tile_bytes=some * grid.tile(name) * table.row_bytes,
        grain=np.full_like(region, table.row_bytes),
        region_bytes=region,
    )
