"""Tilings of one layer on one engine in one loop order, with their exact traffic and kernel time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TypeVar

import numpy as np

from compiler.ir import Operator, Space
from compiler.ir.operator import BOTH, TABLES, WEIGHTS, align4
from compiler.tiling import (
    Grid,
    ParamTraffic,
    Product,
    StreamTraffic,
    TileLimits,
    enumerate_tiles,
    operand_traffic,
    param_traffic,
)
from costmodels.classes import TileClasses, tile_classes
from costmodels.engines import Engine
from costmodels.engines.npu import NpuEngine
from costmodels.grids import product_kernel_time
from costmodels.layer import KernelTime
from costmodels.work import IntArray

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
    [C]: L1 bytes of partial sums. kernel: time of its kernels, which no home changes, where it is known.
    """

    operator: Operator
    space: Space
    engine: str
    layout: str
    order: tuple[str, ...]
    grid: Grid
    inputs: tuple[StreamTraffic, ...]
    params: ParamTraffic
    tables: ParamTraffic
    weights: ParamTraffic
    output: StreamTraffic
    accumulator_bytes: IntArray
    kernel: KernelTime | None = None

    @cached_property
    def classes(self) -> TileClasses:
        """Distinct tiles of every tiling."""
        tiles = {dim.name: self.grid.tile(dim.name) for dim in self.space.dims}
        reduction = frozenset(dim.name for dim in self.space.dims if dim.reduction)
        return tile_classes(self.space.spec, tiles, reduction)

    @property
    def trips(self) -> tuple[IntArray, ...]:
        """Trip counts by loop, outermost first."""
        return tuple(self.grid.trip(name) for name in self.order)

    def subset(self, rows: IntArray) -> Candidates:
        """Only these tilings."""
        return replace(
            self,
            grid=Grid(self.space, self.grid.tiles[rows]),
            inputs=tuple(_taken_traffic(traffic, rows) for traffic in self.inputs),
            params=_taken_traffic(self.params, rows),
            tables=_taken_traffic(self.tables, rows),
            weights=_taken_traffic(self.weights, rows),
            output=_taken_traffic(self.output, rows),
            accumulator_bytes=self.accumulator_bytes[rows],
            kernel=None if self.kernel is None else self.kernel.take(rows),
        )


def _taken_traffic(traffic: Traffic, rows: IntArray) -> Traffic:
    return _mapped(traffic, lambda array: array[rows])


def _mapped(traffic: Traffic, change: Callable[[IntArray], IntArray]) -> Traffic:
    """All arrays changed; those that are one stay one."""
    known: dict[int, IntArray] = {}
    arrays = {field.name: getattr(traffic, field.name) for field in fields(traffic)}
    for array in arrays.values():
        if id(array) not in known:
            known[id(array)] = change(array)
    return replace(traffic, **{name: known[id(array)] for name, array in arrays.items()})


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


def _sizes(space: Space, engine: Engine, effort: Effort) -> tuple[IntArray, ...]:
    """Sizes of every dimension, thinned until their product is within the effort.

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
    while math.prod(map(len, columns)) > effort.candidates:
        longest = max(range(len(columns)), key=lambda k: len(columns[k]))
        columns[longest] = _thinned(columns[longest])
    return tuple(columns)


def _thinned(sizes: IntArray) -> IntArray:
    """Without one of the inner sizes: the one whose neighbours are closest (in ratio)."""
    ratios = np.log(sizes[2:] / sizes[:-2])
    return np.delete(sizes, 1 + int(ratios.argmin()))


def layer_candidates(
    op: Operator,
    space: Space,
    engine: Engine,
    l1_bytes: int,
    effort: Effort,
    split: tuple[str, ...] | None = None,
) -> tuple[Candidates, ...]:
    """One set for every loop order; tilings whose smallest footprint exceeds `l1_bytes` are dropped.

    The smallest footprint is single buffered with every activation at home in L1, so that only the
    parameters' tile and the accumulator count. split: the only division over the cores, if there is one.
    """
    product = Product(space, _sizes(space, engine, effort))
    if math.prod(product.shape) == 0:
        return ()
    layout = layout_of(engine)
    kernel = _kernel(engine, product, split)
    found = []
    for order in space.orders:
        candidates = replace(measure(op, space, engine.name, layout, order, product), kernel=kernel)
        least = np.minimum(candidates.params.tile_bytes, candidates.tables.tile_bytes)
        fits = np.flatnonzero(least + candidates.accumulator_bytes <= l1_bytes)
        if len(fits):
            found.append(candidates if len(fits) == candidates.grid.count else candidates.subset(fits))
    return tuple(found)


def _kernel(engine: Engine, product: Product, split: tuple[str, ...] | None) -> KernelTime:
    """Of all tilings of a product, in the order of its flat ones."""
    space = product.space
    spec = space.spec
    sizes = {dim.name: size for dim, size in zip(space.dims, product.sizes, strict=True)}
    reduction = frozenset(dim.name for dim in space.dims if dim.reduction)
    time = product_kernel_time(engine, spec, sizes, (split,) if split else (), reduction)
    axes = [[name for name, _ in spec.dims].index(dim.name) for dim in space.dims]
    cycles, share = (np.transpose(array, axes).reshape(-1) for array in (time.cycles, time.share))
    index = np.transpose(time.split, axes).reshape(-1)
    return KernelTime(cycles, np.full_like(index, spec.splits.index(split)) if split else index, share)


def measure(
    op: Operator, space: Space, engine: str, layout: str, order: tuple[str, ...], grid: Grid | Product
) -> Candidates:
    """The exact traffic of given tilings."""
    output = operand_traffic(grid, space.output, order)
    reducing = grid.zeros
    for dim in space.dims:
        if dim.reduction:
            reducing = reducing + (grid.trip(dim.name) > 1)
    elements = output.tile_bytes // space.output.element_bytes
    inputs = [operand_traffic(grid, access, order) for access in space.inputs]
    every = (frozenset((TABLES,)), frozenset((WEIGHTS,)))
    both, tables, weights = (param_traffic(grid, op, order, layout, parts) for parts in (BOTH, *every))
    return Candidates(
        operator=op,
        space=space,
        engine=engine,
        layout=layout,
        order=order,
        grid=grid if isinstance(grid, Grid) else grid.flat,
        inputs=tuple(_flat(grid, traffic) for traffic in inputs),
        params=_flat(grid, both),
        tables=_flat(grid, tables),
        weights=_flat(grid, weights),
        output=_flat(grid, output),
        accumulator_bytes=_raveled(
            grid, np.where(reducing > 0, align4(elements * space.accumulator_bytes), 0)
        ),
    )


def _flat(grid: Grid | Product, traffic: Traffic) -> Traffic:
    """The same for every tiling, one by one."""
    return _mapped(traffic, lambda array: _raveled(grid, array))


def _raveled(grid: Grid | Product, array: IntArray) -> IntArray:
    if isinstance(grid, Product):
        return grid.ravel(array)
    return array if array.shape == (grid.count,) else np.broadcast_to(array, (grid.count,))
