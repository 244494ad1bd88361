"""Exact transfers of a tiling: how often, how many lines, how many bytes, for every candidate.

A tile of a row-major tensor is a box. The innermost axis that is cut and the whole ones after it form one
contiguous line; the axes before, back to and including the next one that is cut, are the lines of one 2D
transfer; every remaining combination of outer indices is a transfer of its own. "Whole" is a property of
the tiling (the axis has one tile), not of a particular tile, so all tiles of a stream have the same
structure and all sums factorise by axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from compiler.ir import Access, Operator, Space
from compiler.ir.operator import Parts
from compiler.ir.tensor import IntArray
from compiler.tiling.grid import AxisSums, Grid


@dataclass(frozen=True, eq=False)
class StreamTraffic:
    """One operand over a whole layer, each field int64 [C].

    depth: position (1-based, in loop order) of the innermost loop with several trips that moves the
    operand, 0 if it is fetched once. fetches: how often a tile is fetched (or stored). transfers,
    lines, bytes: sums over all fetches. tile_bytes: the largest tile. grain: bytes of which the beginnings
    of all its lines in the tensor are multiples.
    """

    depth: IntArray
    fetches: IntArray
    transfers: IntArray
    lines: IntArray
    bytes: IntArray
    tile_bytes: IntArray
    grain: IntArray


@dataclass(frozen=True, eq=False)
class ParamTraffic(StreamTraffic):
    """Parameter blocks: as a stream; `region_bytes` is the size of all blocks, stored once."""

    region_bytes: IntArray


def reload_depth(grid: Grid, order: Sequence[str], dims: frozenset[str]) -> IntArray:
    """Position of the innermost loop of several trips among `dims`, counted from 1; 0 if none."""
    depth = np.zeros(grid.count, np.int64)
    for position, name in enumerate(order, start=1):
        if name in dims:
            depth = np.where(grid.trip(name) > 1, position, depth)
    return depth


def _repeats(grid: Grid, order: Sequence[str], dims: frozenset[str], depth: IntArray) -> IntArray:
    """How often every tile of the operand is fetched again: trips of foreign loops around `depth`."""
    repeats = np.ones(grid.count, np.int64)
    for position, name in enumerate(order, start=1):
        if name not in dims:
            repeats = repeats * np.where(position < depth, grid.trip(name), 1)
    return repeats


def _product(columns: Sequence[IntArray], count: int) -> IntArray:
    result = np.ones(count, np.int64)
    for column in columns:
        result = result * column
    return result


def line_structure(full: Sequence[bool]) -> tuple[int, int]:
    """(first axis of the line, first axis of the 2D block) for a pattern of whole axes.

    Lines are axes [line, rank), a transfer covers axes [block, rank), outer axes are separate transfers.
    """
    cut = [index for index, whole in enumerate(full) if not whole]
    if not cut:
        return 0, 0
    line = cut[-1]
    return line, (cut[-2] if len(cut) > 1 else 0)


def _count_lines(sums: Sequence[AxisSums], count: int) -> tuple[IntArray, IntArray]:
    """Transfers and lines summed over the distinct tiles of the operand."""
    transfers, lines = np.ones(count, np.int64), np.ones(count, np.int64)
    pattern = np.stack([axis.full for axis in sums], axis=1)
    for full in np.unique(pattern, axis=0):
        rows = (pattern == full).all(axis=1)
        line, block = line_structure([bool(value) for value in full])
        outer = [axis.total[rows] if k < block else axis.trips[rows] for k, axis in enumerate(sums)]
        inner = [axis.total[rows] if k < line else axis.trips[rows] for k, axis in enumerate(sums)]
        transfers[rows] = _product(outer, int(rows.sum()))
        lines[rows] = _product(inner, int(rows.sum()))
    return transfers, lines


def operand_traffic(grid: Grid, access: Access, order: Sequence[str]) -> StreamTraffic:
    """Traffic of an input or output under a loop order (a tile that stays is not fetched again)."""
    sums = [grid.axis_sums(axis) for axis in access.axes]
    depth = reload_depth(grid, order, access.dims)
    repeats = _repeats(grid, order, access.dims, depth)
    transfers, lines = _count_lines(sums, grid.count)
    return StreamTraffic(
        depth=depth,
        fetches=_product([axis.trips for axis in sums], grid.count) * repeats,
        transfers=transfers * repeats,
        lines=lines * repeats,
        bytes=_product([axis.total for axis in sums], grid.count) * repeats * access.element_bytes,
        tile_bytes=_product([axis.largest for axis in sums], grid.count) * access.element_bytes,
        grain=_grain(grid, access),
    )


def _grain(grid: Grid, access: Access) -> IntArray:
    """Greatest common divisor, in bytes, of the offsets at which lines of the operand's tiles begin.

    A cut axis begins at multiples of its step (tile extent times stride) less its padding; every axis before
    the innermost cut one goes on one by one.
    """
    pitch = access.element_bytes
    grain = np.zeros(grid.count, np.int64)
    inside = np.zeros(grid.count, bool)
    for axis in reversed(access.axes):
        grain = np.where(inside, np.gcd(grain, pitch), grain)
        for name, factor in axis.terms:
            step = np.gcd(grid.tile(name) * factor, axis.offset if axis.divisor == 1 else 1)
            cut = grid.trip(name) > 1
            grain = np.where(cut & ~inside, step * pitch, grain)
            inside = inside | cut
        pitch *= axis.extent
    return np.where(grain > 0, grain, pitch)


def _param_classes(grid: Grid, space: Space) -> tuple[dict[str, IntArray], IntArray, IntArray]:
    """Extents [C, K], counts [C, K] and the carries-tables flag [C, K] of the parameter blocks.

    The last tile along a reduction is a class of its own, because only it carries the tables.
    """
    counts, last = np.ones((grid.count, 1), np.int64), np.ones((grid.count, 1), bool)
    extents: dict[str, IntArray] = {}
    for dim in space.dims:
        if dim.name not in space.param_dims:
            continue
        tile, rest = grid.tile(dim.name), dim.extent % grid.tile(dim.name)
        tail = np.where(rest > 0, rest, tile)
        ahead = grid.trip(dim.name) - 1
        width = counts.shape[1]
        extents = {name: np.tile(value, (1, 2)) for name, value in extents.items()}
        extents[dim.name] = np.repeat(np.stack([tile, tail], axis=1), width, axis=1)
        counts = np.concatenate([counts * ahead[:, None], counts], axis=1)
        last = np.concatenate([last & (not dim.reduction), last], axis=1)
    return extents, counts, last


def param_traffic(grid: Grid, op: Operator, order: Sequence[str], layout: str, parts: Parts) -> ParamTraffic:
    """Traffic of the parameter blocks: each is contiguous, so a fetch is one transfer of one line."""
    space = grid.space
    dims = frozenset(space.param_dims)
    extents, counts, last = _param_classes(grid, space)
    whole = {dim.name: np.full_like(counts, dim.extent) for dim in space.dims}
    sizes = np.broadcast_to(op.param_bytes(layout, parts, {**whole, **extents}, last), counts.shape)
    depth = reload_depth(grid, order, dims)
    repeats = _repeats(grid, order, dims, depth)
    region = np.asarray((sizes * counts).sum(axis=1))
    largest = np.asarray(np.where(counts > 0, sizes, 0).max(axis=1))
    blocks = np.asarray((counts * (sizes > 0)).sum(axis=1))
    fetches = blocks * repeats
    return ParamTraffic(
        depth=depth,
        fetches=fetches,
        transfers=fetches,
        lines=fetches,
        bytes=region * repeats,
        tile_bytes=largest,
        grain=np.full_like(largest, 4),
        region_bytes=region,
    )
