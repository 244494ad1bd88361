"""Tilings of one layer on one engine in one loop order, with their exact traffic and kernel time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np

from compiler.ir import Operator, Space
from compiler.ir.operator import BOTH, TABLES, WEIGHTS, align4
from compiler.tiling import (
    Grid,
    ParamTraffic,
    StreamTraffic,
    TileLimits,
    enumerate_tiles,
    operand_traffic,
    param_traffic,
)
from costmodels.classes import TileClasses, tile_classes
from costmodels.engines import Engine
from costmodels.engines.npu import NpuEngine
from costmodels.work import FloatArray, IntArray

Array = TypeVar("Array", IntArray, FloatArray)
Traffic = TypeVar("Traffic", bound=StreamTraffic)


@dataclass(frozen=True)
class Effort:
    """How many tile sizes are tried by dimension; `other` for dimensions that are not named.

    candidates: most tilings of one layer on one engine. pinned: sizes that are given.
    """

    sizes: tuple[tuple[str, int], ...] = (("y", 9), ("x", 5), ("i", 4), ("n", 20))
    other: int = 12
    candidates: int = 6000
    pinned: tuple[tuple[str, int], ...] = ()

    def of(self, dim: str) -> int:
        return dict(self.sizes).get(dim, self.other)


@dataclass(frozen=True, eq=False)
class Candidates:
    """C tilings: columns of `grid`, all in loop order `order` on `engine`.

    tables, weights: the parameter blocks in two parts, as a weight memory holds them. accumulator_bytes
    [C]: L1 bytes of partial sums.
    """

    operator: Operator
    space: Space
    engine: str
    layout: str
    order: tuple[str, ...]
    grid: Grid
    classes: TileClasses
    inputs: tuple[StreamTraffic, ...]
    params: ParamTraffic
    tables: ParamTraffic
    weights: ParamTraffic
    output: StreamTraffic
    accumulator_bytes: IntArray

    @property
    def trips(self) -> tuple[IntArray, ...]:
        """Trip counts by loop, outermost first."""
        return tuple(self.grid.trip(name) for name in self.order)

    def subset(self, rows: IntArray) -> Candidates:
        """Only these tilings."""
        classes = self.classes
        extents = {name: _taken(extent, rows, self.grid.count) for name, extent in classes.extents.items()}
        starts = {name: _taken(start, rows, self.grid.count) for name, start in classes.starts.items()}
        counts, partial = (_taken(a, rows, self.grid.count) for a in (classes.counts, classes.partial))
        return replace(
            self,
            grid=Grid(self.space, self.grid.tiles[rows]),
            classes=TileClasses(extents, counts, partial, starts),
            inputs=tuple(_taken_traffic(traffic, rows) for traffic in self.inputs),
            params=_taken_traffic(self.params, rows),
            tables=_taken_traffic(self.tables, rows),
            weights=_taken_traffic(self.weights, rows),
            output=_taken_traffic(self.output, rows),
            accumulator_bytes=self.accumulator_bytes[rows],
        )


def _taken(array: Array, rows: IntArray, count: int) -> Array:
    """Tilings `rows` of an array whose last axis runs over all `count` of them, or over none (length 1)."""
    return array[..., rows] if array.shape[-1] == count else array


def _taken_traffic(traffic: Traffic, rows: IntArray) -> Traffic:
    return replace(traffic, **{field.name: getattr(traffic, field.name)[rows] for field in fields(traffic)})


def layout_of(engine: Engine) -> str:
    """How an engine wants its parameter blocks."""
    return engine.constraints.layout if isinstance(engine, NpuEngine) else "plain"


def _limits(space: Space, engine: Engine, effort: Effort) -> Mapping[str, TileLimits]:
    preferred: dict[str, int] = {}
    whole: frozenset[str] = frozenset()
    if isinstance(engine, NpuEngine):
        side = engine.timing.tile_side
        constraints = engine.constraints
        preferred = {"y": side, "x": side, "o": constraints.k_out_tile, "g": constraints.depthwise_tile}
        whole = frozenset(("i",))
    return {dim.name: TileLimits(effort.of(dim.name), preferred, whole) for dim in space.dims}


def _tiles(space: Space, engine: Engine, effort: Effort) -> IntArray:
    """int64 [C, dims]: the product of the sizes of every dimension, thinned to the effort.

    Empty where a size is pinned that the engine cannot have.
    """
    limits = _limits(space, engine, effort)
    pinned = dict(effort.pinned)
    columns = []
    for dim in space.dims:
        sizes = enumerate_tiles(replace(space, dims=(dim,)), limits[dim.name])[:, 0]
        if dim.name in pinned:
            whole = dim.name in limits[dim.name].whole
            sizes = np.array([pinned[dim.name]] * (not whole or pinned[dim.name] == dim.extent), np.int64)
        columns.append(sizes)
    while np.prod([len(c) for c in columns]) > effort.candidates:
        longest = max(range(len(columns)), key=lambda k: len(columns[k]))
        columns[longest] = _thinned(columns[longest])
    grids = np.meshgrid(*columns, indexing="ij")
    return np.stack([grid.ravel() for grid in grids], axis=1).astype(np.int64)


def _thinned(sizes: IntArray) -> IntArray:
    """Without one of the inner sizes: the one whose neighbours are closest (in ratio)."""
    ratios = np.log(sizes[2:] / sizes[:-2])
    return np.delete(sizes, 1 + int(ratios.argmin()))


def layer_candidates(
    op: Operator, space: Space, engine: Engine, l1_bytes: int, effort: Effort
) -> tuple[Candidates, ...]:
    """One set for every loop order; tilings whose smallest footprint exceeds `l1_bytes` are dropped.

    The smallest footprint is single buffered with every activation at home in L1, so that only the
    parameters' tile and the accumulator count.
    """
    grid = Grid(space, _tiles(space, engine, effort))
    if grid.count == 0:
        return ()
    layout = layout_of(engine)
    found = []
    for order in space.orders:
        candidates = measure(op, space, engine.name, layout, order, grid)
        least = np.minimum(candidates.params.tile_bytes, candidates.tables.tile_bytes)
        fits = least + candidates.accumulator_bytes <= l1_bytes
        if fits.any():
            kept = Grid(space, grid.tiles[fits])
            found.append(measure(op, space, engine.name, layout, order, kept))
    return tuple(found)


def measure(
    op: Operator, space: Space, engine: str, layout: str, order: tuple[str, ...], grid: Grid
) -> Candidates:
    """The exact traffic of given tilings."""
    output = operand_traffic(grid, space.output, order)
    reducing = np.zeros(grid.count, bool)
    for dim in space.dims:
        if dim.reduction:
            reducing |= grid.trip(dim.name) > 1
    elements = output.tile_bytes // space.output.element_bytes
    tiles = {dim.name: grid.tile(dim.name) for dim in space.dims}
    reduction = frozenset(dim.name for dim in space.dims if dim.reduction)
    return Candidates(
        operator=op,
        space=space,
        engine=engine,
        layout=layout,
        order=order,
        grid=grid,
        classes=tile_classes(space.spec, tiles, reduction),
        inputs=tuple(operand_traffic(grid, access, order) for access in space.inputs),
        params=param_traffic(grid, op, order, layout, BOTH),
        tables=param_traffic(grid, op, order, layout, frozenset((TABLES,))),
        weights=param_traffic(grid, op, order, layout, frozenset((WEIGHTS,))),
        output=output,
        accumulator_bytes=np.where(reducing, align4(elements * space.accumulator_bytes), 0),
    )
