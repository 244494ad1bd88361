"""Tilings of one layer on one engine in one loop order, with their exact traffic and kernel time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from compiler.ir import Operator, Space
from compiler.ir.operator import BOTH, TABLES, WEIGHTS, align4
from compiler.tiling import (
    Grid,
    ParamTraffic,
    Product,
    StreamTraffic,
    TileLimits,
    operand_traffic,
    param_traffic,
)
from costmodels.classes import TileClasses, tile_classes
from costmodels.engines import Engine
from costmodels.engines.npu import NpuEngine
from costmodels.grids import product_kernel_time
from costmodels.layer import KernelTime
from costmodels.work import IntArray


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
class Traffic:
    """What tilings move and hold, as arrays over the tilings of a grid or at the shapes of a product.

    tables, weights: the parameter blocks in two parts, as a weight memory holds them. accumulator_bytes: L1
    bytes of partial sums.
    """

    grid: Grid | Product
    inputs: tuple[StreamTraffic, ...]
    params: ParamTraffic
    tables: ParamTraffic
    weights: ParamTraffic
    output: StreamTraffic
    accumulator_bytes: IntArray

    def in_order(self, order: Sequence[str]) -> Traffic:
        """That of the same tilings in another loop order."""
        grid, space = self.grid, self.grid.space
        dims = frozenset(space.param_dims)
        return replace(
            self,
            inputs=tuple(
                stream.in_order(grid, order, access.dims)
                for stream, access in zip(self.inputs, space.inputs, strict=True)
            ),
            params=self.params.in_order(grid, order, dims),
            tables=self.tables.in_order(grid, order, dims),
            weights=self.weights.in_order(grid, order, dims),
            output=self.output.in_order(grid, order, space.output.dims),
        )

    def mapped(self, grid: Grid | Product, change: Callable[[IntArray], IntArray]) -> Traffic:
        """That of a grid, with all arrays changed."""
        return Traffic(
            grid=grid,
            inputs=tuple(stream.mapped(change) for stream in self.inputs),
            params=self.params.mapped(change),
            tables=self.tables.mapped(change),
            weights=self.weights.mapped(change),
            output=self.output.mapped(change),
            accumulator_bytes=change(self.accumulator_bytes),
        )


@dataclass(frozen=True, eq=False)
class Candidates:
    """C tilings, all in loop order `order` on `engine`, measured one by one or as a product of sizes.

    shaped_kernel: time of their kernels at the shape of `measured`, which no home changes, where it is known.
    What has the shape of a product is brought to one entry a tiling, [C], where that is asked for.
    """

    operator: Operator
    space: Space
    engine: str
    layout: str
    order: tuple[str, ...]
    measured: Traffic
    shaped_kernel: KernelTime | None = None

    @property
    def count(self) -> int:
        """C."""
        grid = self.measured.grid
        return grid.count if isinstance(grid, Grid) else math.prod(grid.shape)

    def same_tilings(self, other: Candidates) -> bool:
        """Whether they are those of another set, measured as a product, that has its own loop order."""
        shaped = isinstance(self.measured.grid, Product)
        return shaped and self.measured.grid is other.measured.grid

    @cached_property
    def grid(self) -> Grid:
        grid = self.measured.grid
        return grid if isinstance(grid, Grid) else grid.flat

    @cached_property
    def flat(self) -> Traffic:
        """What was measured, one by one."""
        product = self.measured.grid
        if isinstance(product, Product):
            return self.measured.mapped(self.grid, product.ravel)
        count = (product.count,)
        if product.count == 1:
            return self.measured
        return self.measured.mapped(product, lambda array: np.broadcast_to(array, count))

    @property
    def inputs(self) -> tuple[StreamTraffic, ...]:
        return self.flat.inputs

    @property
    def params(self) -> ParamTraffic:
        return self.flat.params

    @property
    def tables(self) -> ParamTraffic:
        return self.flat.tables

    @property
    def weights(self) -> ParamTraffic:
        return self.flat.weights

    @property
    def output(self) -> StreamTraffic:
        return self.flat.output

    @property
    def accumulator_bytes(self) -> IntArray:
        return self.flat.accumulator_bytes

    @cached_property
    def kernel(self) -> KernelTime | None:
        """Time of the kernels, where it is known: [C]."""
        time = self.shaped_kernel
        if time is None:
            return None
        share = np.broadcast_to(time.share, time.cycles.shape)
        return KernelTime(time.cycles.reshape(-1), time.split.reshape(-1), share.reshape(-1))

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
        grid = self.measured.grid
        where = (rows,) if isinstance(grid, Grid) else np.unravel_index(rows, grid.shape)
        shape = (grid.count,) if isinstance(grid, Grid) else grid.shape
        taken = self.measured.mapped(
            Grid(self.space, self.grid.tiles[rows]), lambda array: np.broadcast_to(array, shape)[where]
        )
        time = self.kernel
        return replace(self, measured=taken, shaped_kernel=None if time is None else time.take(rows))


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
        whole = dim.name in limits[dim.name].whole
        sizes = limits[dim.name].sizes(dim)
        if dim.name in pinned:
            sizes = np.array([pinned[dim.name]] * (not whole or pinned[dim.name] == dim.extent), np.int64)
        columns.append(sizes)
    while math.prod(map(len, columns)) > effort.candidates:
        longest = max(range(len(columns)), key=lambda k: len(columns[k]))
        if len(columns[longest]) <= 2:
            break
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
    """One set for every loop order; sizes with which every smallest footprint exceeds `l1_bytes` are dropped.

    The smallest footprint is single buffered with every activation at home in L1, so that only the
    parameters' tile and the accumulator count. split: the only division over the cores, if there is one.
    """
    product = Product(space, _sizes(space, engine, effort))
    if math.prod(product.shape) == 0:
        return ()
    first = measure(op, space, engine.name, layout_of(engine), space.orders[0], product)
    fits = _fits(first.measured, l1_bytes)
    if not fits.any():
        return ()
    if not fits.all():
        product, measured = _without(product, first.measured, ~fits)
        first = replace(first, measured=measured)
    first = replace(first, shaped_kernel=product_time(engine, product, split))
    rest = (replace(first, order=o, measured=first.measured.in_order(o)) for o in space.orders[1:])
    return (first, *rest)


def _fits(traffic: Traffic, l1_bytes: int) -> npt.NDArray[np.bool_]:
    """Whether the smallest footprints are within `l1_bytes`, at the shape of a product."""
    least = np.minimum(traffic.params.tile_bytes, traffic.tables.tile_bytes)
    return np.asarray(least + traffic.accumulator_bytes <= l1_bytes)


def _without(product: Product, measured: Traffic, banned: npt.NDArray[np.bool_]) -> tuple[Product, Traffic]:
    """Without the sizes of any dimension of which every tiling is banned."""
    banned, axes = np.broadcast_to(banned, product.shape), range(len(product.sizes))
    gone = [banned.all(axis=tuple(other for other in axes if other != axis)) for axis in axes]
    left = Product(product.space, tuple(size[~drop] for size, drop in zip(product.sizes, gone, strict=True)))
    cut = [(axis, ~drop) for axis, drop in enumerate(gone) if drop.any()]

    def taken(array: IntArray) -> IntArray:
        for axis, kept in cut:
            array = array.compress(kept, axis) if array.shape[axis] > 1 else array
        return array

    return left, measured.mapped(left, taken)


def product_time(engine: Engine, product: Product, split: tuple[str, ...] | None = None) -> KernelTime:
    """Kernel time of all tilings of a product, at its shape. Raises UnsupportedKernel."""
    space = product.space
    spec = space.spec
    sizes = {dim.name: size for dim, size in zip(space.dims, product.sizes, strict=True)}
    reduction = frozenset(dim.name for dim in space.dims if dim.reduction)
    time = product_kernel_time(engine, spec, sizes, (split,) if split else (), reduction)
    axes = [[name for name, _ in spec.dims].index(dim.name) for dim in space.dims]
    index = np.transpose(time.split, axes)
    if split:
        index = np.full_like(index, spec.splits.index(split))
    return KernelTime(np.transpose(time.cycles, axes), index, np.transpose(time.share, axes))


def measure(
    op: Operator, space: Space, engine: str, layout: str, order: tuple[str, ...], grid: Grid | Product
) -> Candidates:
    """The exact traffic of given tilings."""
    output = operand_traffic(grid, space.output, order)
    every = (BOTH, frozenset((TABLES,)), frozenset((WEIGHTS,)))
    both, tables, weights = (param_traffic(grid, op, order, layout, parts) for parts in every)
    traffic = Traffic(
        grid=grid,
        inputs=tuple(operand_traffic(grid, access, order) for access in space.inputs),
        params=both,
        tables=tables,
        weights=weights,
        output=output,
        accumulator_bytes=_accumulator_bytes(grid, output),
    )
    return Candidates(op, space, engine, layout, order, traffic)


def _accumulator_bytes(grid: Grid | Product, output: StreamTraffic) -> IntArray:
    """L1 bytes of the partial sums of a tile, where its reduction is tiled."""
    space, reducing = grid.space, grid.zeros
    for dim in space.dims:
        if dim.reduction:
            reducing = reducing + (grid.trip(dim.name) > 1)
    elements = output.tile_bytes // space.output.element_bytes
    return np.where(reducing > 0, align4(elements * space.accumulator_bytes), 0)
