"""Lowering: a graph and its deployment become a program with addresses.

The blob of constants is written here, in the order and packing in which each layer's engine reads its
parameter blocks, so that every block is one contiguous transfer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

from compiler.blob import Blob
from compiler.deployment import L1, L2, L3, LEVELS, WEIGHT_MEMORIES, WHOLE, Deployment, LayerPlan
from compiler.ir import Access, Graph, Operator, Space
from compiler.ir.operator import BOTH, TABLES, WEIGHTS, Parts
from compiler.lower_segment import FusedParts, fused_layers
from compiler.program import (
    Copy,
    FusedLayer,
    LayerProgram,
    Loop,
    ParamStream,
    Place,
    Prefetch,
    Program,
    Stream,
    Transfer,
)
from compiler.schedule import check_deployment, scheduled
from compiler.schedule.footprint import plan_grid
from compiler.schedule.segments import striped
from compiler.tiling import Grid, operand_traffic, param_traffic
from compiler.tiling.traffic import line_structure

BLOB = "blob"


@dataclass(frozen=True)
class _Region:
    """A layer's parameter blocks of some parts: bytes and the starts of the blocks."""

    data: bytes
    starts: tuple[int, ...]


def lower(graph: Graph, deployment: Deployment, blob: Blob | None = None) -> Program:
    """The program that a deployment stands for; raises DeploymentError where the two do not match.

    blob: that the constants go into, behind those that it has.
    """
    check_deployment(graph, deployment)
    graph = scheduled(graph, deployment)
    blob = Blob() if blob is None else blob
    layers: list[LayerProgram | FusedLayer] = []
    boot: list[Copy] = []
    fused: list[FusedParts] = []
    for step, (op, plan) in enumerate(zip(graph.operators, deployment.plans, strict=True)):
        lowering = _Lowering(graph, deployment, op, plan)
        segment = deployment.segment_of.get(step)
        if segment is None:
            layers.append(lowering.layer(blob, boot))
            continue
        fused.append(lowering.fused(blob, boot))
        if step == segment.last - 1:
            layers += fused_layers(striped(graph, segment), deployment, fused)
            fused = []
    return Program(
        layers=_with_prefetches(layers, deployment.prefetches_from),
        inputs=tuple((name, _tensor(graph, deployment, name)) for name in graph.inputs),
        outputs=tuple((name, _tensor(graph, deployment, name)) for name in graph.outputs),
        states=graph.states,
        boot=tuple(boot),
        blob=blob.data,
        arena_bytes=tuple((level, deployment.peak_bytes(level)) for level in LEVELS),
    )


def _with_prefetches(
    layers: Sequence[LayerProgram | FusedLayer], started: Sequence[Sequence[int]]
) -> tuple[LayerProgram | FusedLayer, ...]:
    """The layers with the copies that they start for later ones, the next layer's first."""

    def copies(numbers: Sequence[int]) -> tuple[Prefetch, ...]:
        return tuple(Prefetch(k, move) for k in numbers for move in _param_fill(layers[k].params))

    return tuple(
        replace(layer, prefetches=copies(numbers)) for layer, numbers in zip(layers, started, strict=True)
    )


def _tensor(graph: Graph, deployment: Deployment, name: str) -> Place:
    level = deployment.home_of[name]
    return Place(level, deployment.placed[level, f"t/{graph.storage[name]}"].offset)


def param_region(op: Operator, layout: str, parts: Parts, loops: Sequence[Loop], space: Space) -> _Region:
    """All parameter blocks of a layer, in row-major order over the tiles of its parameter dimensions."""
    reductions = {dim.name for dim in space.dims if dim.reduction}
    names = () if space.table else space.param_dims
    axes = [loop for name in names for loop in loops if loop.dim == name]
    data, starts = bytearray(), [0]
    for index in product(*(range(loop.trips) for loop in axes)):
        box = dict(space.whole)
        last = True
        for loop, i in zip(axes, index, strict=True):
            box[loop.dim] = loop.interval(i)
            last &= loop.dim not in reductions or i == loop.trips - 1
        data += op.param_block(layout, parts, box, last)
        starts.append(len(data))
    return _Region(bytes(data), tuple(starts))


@dataclass(frozen=True)
class _Lowering:
    """Lowers one layer."""

    graph: Graph
    deployment: Deployment
    op: Operator
    plan: LayerPlan

    def layer(self, blob: Blob, boot: list[Copy]) -> LayerProgram:
        space = self.op.space(self.graph.by_name)
        grid = plan_grid(space, self.plan)
        loops = self._loops(space)
        inputs = tuple(
            self._stream(access, f"in{k}", self.plan.staging[k], grid)
            for k, access in enumerate(space.inputs)
        )
        output = self._stream(space.output, "out", self.plan.staging[-1], grid)
        depth = int(param_traffic(grid, self.op, self.plan.order, self.plan.layout, BOTH).depth[0])
        params = self._params(space, loops, depth, blob, boot)
        layer = LayerProgram(
            operator=self.op,
            engine=self.plan.engine,
            layout=self.plan.layout,
            loops=loops,
            split=self.plan.split,
            buffering=self.plan.buffering,
            inputs=inputs,
            params=params,
            output=output,
            accumulator=self._accumulator(),
            reduction=frozenset(dim.name for dim in space.dims if dim.reduction),
            before=(*_fills(inputs), *(() if self.plan.prefetch else _param_fill(params))),
            after=(),
            prefetched=self.plan.prefetch > 0,
        )
        return replace(layer, after=_drain(layer))

    def fused(self, blob: Blob, boot: list[Copy]) -> FusedParts:
        """What the layer brings into its segment."""
        space = self.op.space(self.graph.by_name)
        loops = self._loops(space)
        return FusedParts(loops, self._params(space, loops, 0, blob, boot))

    def _loops(self, space: Space) -> tuple[Loop, ...]:
        """The plan's order, then the dimensions that are not tiled."""
        extents = {dim.name: dim.extent for dim in space.dims}
        rest = (name for name in extents if name not in self.plan.order)
        return tuple(Loop(name, extents[name], self.plan.sizes[name]) for name in (*self.plan.order, *rest))

    def _place(self, level: str, name: str) -> Place:
        return Place(level, self.deployment.placed[level, name].offset)

    def _accumulator(self) -> Place | None:
        name = f"s/{self.op.name}/acc"
        return self._place(L1, name) if (L1, name) in self.deployment.placed else None

    def _many(self, level: str, prefix: str) -> tuple[Place, ...]:
        names = (f"{prefix}/{slot}" for slot in range(2))
        return tuple(self._place(level, name) for name in names if (level, name) in self.deployment.placed)

    def _stream(self, access: Access, name: str, staging: str, grid: Grid) -> Stream:
        line, block = line_structure([bool(grid.axis_sums(axis).full[0]) for axis in access.axes])
        return Stream(
            access=access,
            home=_tensor(self.graph, self.deployment, access.tensor),
            slots=self._many(L1, f"s/{self.op.name}/{name}"),
            staging=staging,
            stage=self._many(L2, f"g/{self.op.name}/{name}"),
            depth=int(operand_traffic(grid, access, self.plan.order).depth[0]),
            line=line,
            block=block,
        )

    def _params(
        self, space: Space, loops: tuple[Loop, ...], depth: int, blob: Blob, boot: list[Copy]
    ) -> ParamStream | None:
        home = self.deployment.param_home_of[self.op.name]
        in_memory = home in WEIGHT_MEMORIES
        parts: Parts = frozenset((TABLES,)) if in_memory else BOTH
        region = param_region(self.op, self.plan.layout, parts, loops, space)
        if not region.data and not in_memory:
            return None
        weights = None
        packed = _Region(b"", ())
        if in_memory:
            packed = param_region(self.op, self.plan.layout, frozenset((WEIGHTS,)), loops, space)
            weights = self._resident(home, f"w/{self.op.name}", packed, blob, boot)
            place = self._resident(L2, f"q/{self.op.name}", region, blob, boot)
        elif home == L3:
            place = Place(BLOB, blob.append(region.data))
        else:
            place = self._resident(home, f"p/{self.op.name}", region, blob, boot)
        return ParamStream(
            dims=() if space.table else space.param_dims,
            home=place,
            slots=self._many(L1, f"s/{self.op.name}/params"),
            staging=self.plan.staging[-2],
            stage=self._many(L2, f"g/{self.op.name}/params"),
            depth=depth,
            starts=region.starts,
            weights=weights,
            weight_starts=packed.starts,
            table=space.table,
        )

    def _resident(self, level: str, name: str, region: _Region, blob: Blob, boot: list[Copy]) -> Place:
        place = self._place(level, name)
        boot.append(Copy(blob.append(region.data), place, len(region.data)))
        return place


def _fills(inputs: Sequence[Stream]) -> tuple[Transfer, ...]:
    return tuple(
        Transfer(stream.home, stream.stage[0], stream.access.bytes, 1, 0, 0)
        for stream in inputs
        if stream.staging == WHOLE
    )


def _param_fill(params: ParamStream | None) -> tuple[Transfer, ...]:
    if params is None or params.staging != WHOLE:
        return ()
    return (Transfer(params.home, params.stage[0], params.starts[-1], 1, 0, 0),)


def _drain(layer: LayerProgram) -> tuple[Transfer, ...]:
    output = layer.output
    if output.staging != WHOLE:
        return ()
    return (Transfer(output.stage[0], output.home, output.access.bytes, 1, 0, 0, into=layer.into),)
