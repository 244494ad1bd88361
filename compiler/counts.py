"""Counts of a program: kernel calls, MACs, transfers, lines and bytes by link."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from compiler.deployment import DIRECT, L1, L2, L3, TILE, WEIGHT_MEMORIES, WHOLE, Deployment, LayerPlan
from compiler.ir import Graph, Operator, Space, TileCall
from compiler.ir.operator import BOTH, TABLES
from compiler.program import FusedLayer, LayerProgram, Transfer
from compiler.schedule.footprint import plan_grid
from compiler.schedule.legality import scheduled
from compiler.schedule.segments import Striped, striped
from compiler.tiling import Grid, ParamTraffic, StreamTraffic, operand_traffic, param_traffic
from compiler.tiling.stripes import row_dim
from costmodels.work import KernelSpec


@dataclass(frozen=True)
class LinkCount:
    """Transfers, lines and bytes over one link."""

    transfers: int
    lines: int
    bytes: int


@dataclass(frozen=True)
class Counts:
    """What a layer does, in numbers that the emitted C counts too."""

    calls: int
    macs: int
    npu_jobs: int
    links: tuple[tuple[str, LinkCount], ...]

    @property
    def by_link(self) -> Mapping[str, LinkCount]:
        return dict(self.links)


def total_counts(layers: Iterable[Counts]) -> Counts:
    """Sum over layers."""
    calls = macs = jobs = 0
    links: dict[str, list[int]] = {}
    for layer in layers:
        calls, macs, jobs = calls + layer.calls, macs + layer.macs, jobs + layer.npu_jobs
        for name, link in layer.links:
            row = links.setdefault(name, [0, 0, 0])
            for k, value in enumerate((link.transfers, link.lines, link.bytes)):
                row[k] += value
    return Counts(calls, macs, jobs, tuple((name, LinkCount(*row)) for name, row in sorted(links.items())))


def tile_macs(spec: KernelSpec, call: TileCall) -> int:
    """MACs of one kernel call."""
    return int(spec.macs({name: np.asarray(high - low) for name, low, high in call.box}))


def walk_counts(layer: LayerProgram | FusedLayer, spec: KernelSpec) -> Counts:
    """Counts of a layer by walking its program."""
    calls = macs = 0
    links: Counter[tuple[str, str]] = Counter()

    def add(transfers: Iterable[Transfer]) -> None:
        for move in transfers:
            links[move.link, "transfers"] += 1
            links[move.link, "lines"] += move.lines
            links[move.link, "bytes"] += move.bytes

    add(layer.before)
    add(prefetch.move for prefetch in layer.prefetches)
    for step in layer.walk():
        add(step.loads)
        if step.call is not None:
            calls += 1
            macs += tile_macs(spec, step.call.call)
        add(step.stores)
    add(layer.after)
    rows = tuple(
        (name, LinkCount(links[name, "transfers"], links[name, "lines"], links[name, "bytes"]))
        for name in sorted({name for name, _ in links})
    )
    return Counts(calls, macs, calls if layer.on_npu else 0, rows)


Row = tuple[str, int, int, int]


def stream_rows(
    home: str, staging: str, outward: bool, fetches: int, moved: tuple[int, int, int], whole_bytes: int
) -> tuple[Row, ...]:
    """(link, transfers, lines, bytes) of one stream. moved: transfers, lines, bytes between its home (or
    stage) and the dense tiles; whole_bytes: size of the operand, which `whole` staging moves once."""
    near, far = ((L1, L2), (L2, L3)) if outward else ((L2, L1), (L3, L2))
    if staging == TILE:
        return (("_".join(far), *moved), ("_".join(near), fetches, fetches, moved[2]))
    if staging == WHOLE:
        return (("_".join(far), 1, 1, whole_bytes), ("_".join(near), *moved))
    ends = (L1, home) if outward else (home, L1)
    return (("_".join(ends), *moved),)


class Measured(Protocol):
    """The traffic of one tiling: arrays of one candidate. params, tables: parameter blocks, and those of a
    layer whose weights lie in a weight memory."""

    @property
    def grid(self) -> Grid: ...
    @property
    def inputs(self) -> tuple[StreamTraffic, ...]: ...
    @property
    def params(self) -> ParamTraffic: ...
    @property
    def tables(self) -> ParamTraffic: ...
    @property
    def output(self) -> StreamTraffic: ...


@dataclass(frozen=True, eq=False)
class _Traffic:
    """A planned layer's traffic, measured when it is asked for."""

    grid: Grid
    op: Operator
    plan: LayerPlan

    @property
    def inputs(self) -> tuple[StreamTraffic, ...]:
        accesses = self.grid.space.inputs
        return tuple(operand_traffic(self.grid, access, self.plan.order) for access in accesses)

    @property
    def params(self) -> ParamTraffic:
        return param_traffic(self.grid, self.op, self.plan.order, self.plan.layout, BOTH)

    @property
    def tables(self) -> ParamTraffic:
        return param_traffic(self.grid, self.op, self.plan.order, self.plan.layout, frozenset((TABLES,)))

    @property
    def output(self) -> StreamTraffic:
        return operand_traffic(self.grid, self.grid.space.output, self.plan.order)


def predict_layer(
    graph: Graph, op: Operator, plan: LayerPlan, deployment: Deployment, measured: Measured | None = None
) -> Counts:
    """Counts of one layer in closed form, from the tiling's sums; nothing is walked.

    Without what it prefetches for later layers, see `prefetch_counts`. measured: the plan's traffic, where it
    is known already.
    """
    known = measured or _Traffic(plan_grid(op.space(graph.by_name), plan), op, plan)
    # A known tiling may be that of a layer that looks like this one: its tensors are others.
    grid, space = known.grid, op.space(graph.by_name)
    rows: list[Row] = []

    def add(home: str, staging: str, outward: bool, traffic: StreamTraffic, whole: int) -> None:
        moved = (int(traffic.transfers[0]), int(traffic.lines[0]), int(traffic.bytes[0]))
        if home != L1 and moved[2]:
            rows.extend(stream_rows(home, staging, outward, int(traffic.fetches[0]), moved, whole))

    for access, staging, traffic in zip(space.inputs, plan.staging, known.inputs, strict=False):
        add(deployment.home_of[access.tensor], staging, False, traffic, access.bytes)
    home = deployment.param_home_of[op.name]
    in_memory = home in WEIGHT_MEMORIES
    params = known.tables if in_memory else known.params
    there = in_memory or plan.prefetch > 0
    near = (L2, DIRECT) if there else (home, plan.staging[-2])
    add(*near, False, params, int(params.region_bytes[0]))
    add(deployment.home_of[op.output], plan.staging[-1], True, known.output, space.output.bytes)
    extents, counts = grid.classes
    macs = int((space.spec.macs(extents) * counts).sum())
    calls = int(grid.steps[0])
    alone = Counts(calls, macs, calls if plan.on_npu else 0, ())
    return total_counts([alone, *(Counts(0, 0, 0, ((name, LinkCount(*row)),)) for name, *row in rows)])


def predict_fused(of: Striped, step: int, deployment: Deployment) -> Counts:
    """Counts of the layer at `step`, one of a segment, from the rows of its windows; nothing is walked.

    MACs exceed the layer's where rows are computed again, and fall short where the segment leaves rows out.
    """
    k = step - of.segment.first
    op, space, plan = of.graph.operators[k], of.graph.spaces[k], deployment.plans[step]
    own = of.windows[op.output]
    rows = [_rolled(of, name) for name in _rolling(of, k, deployment.home_of)]
    for name in of.graph.fetched[k]:
        rows += _stripe_rows(of, name, deployment.home_of[name], outward=False)
    if op.output == of.graph.output:
        rows += _stripe_rows(of, op.output, deployment.home_of[op.output], outward=True)
    active = int((own.new > 0).sum())
    blocks = int(np.prod([-(-dim.extent // plan.sizes[dim.name]) for dim in space.dims]))
    times = 1 if op.name in of.segment.held else active
    rows += _block_rows(op, space, plan, deployment.param_home_of[op.name], blocks, times)
    extents = {dim.name: np.asarray(dim.extent) for dim in space.dims}
    extents[str(row_dim(space))] = np.asarray(own.new.sum() * of.graph.unit(space.output))
    calls = active * blocks
    alone = Counts(calls, int(space.spec.macs(extents)), calls if plan.on_npu else 0, ())
    return total_counts(
        [alone, *(Counts(0, 0, 0, ((name, LinkCount(*row)),)) for name, *row in rows if row[0])]
    )


def _rolling(of: Striped, k: int, homes: Mapping[str, str]) -> list[str]:
    """Tensors whose windows layer k rolls on."""
    names = [name for name in of.graph.fetched[k] if homes[name] != L1]
    output = of.graph.operators[k].output
    return names if output == of.graph.output else [*names, output]


def _rolled(of: Striped, name: str) -> Row:
    kept = of.windows[name].kept
    moves = int((kept > 0).sum())
    return "_".join((L1, L1)), moves, moves, int(kept.sum()) * of.graph.row_bytes(name)


def _stripe_rows(of: Striped, name: str, home: str, outward: bool) -> list[Row]:
    """One transfer of one line a stripe with new rows, over one link or two."""
    new = of.windows[name].new
    moves, size = int((new > 0).sum()), int(new.sum()) * of.graph.row_bytes(name)
    way = {L1: (), L2: ((L2, L1),), L3: ((L3, L2), (L2, L1))}[home]
    return [("_".join(hop[::-1] if outward else hop), moves, moves, size) for hop in way]


def _block_rows(op: Operator, space: Space, plan: LayerPlan, home: str, blocks: int, times: int) -> list[Row]:
    """Parameter blocks that arrive `times` times."""
    parts = frozenset((TABLES,)) if home in WEIGHT_MEMORIES else BOTH
    traffic = param_traffic(plan_grid(space, plan), op, plan.order, plan.layout, parts)
    size = int(traffic.region_bytes[0]) * times
    if home == L1 or not size:
        return []
    moved = (blocks * times, blocks * times, size)
    way = ((L3, L2), (L2, L1)) if home == L3 else ((L2, L1),)
    return [("_".join(hop), *moved) for hop in way]


def prefetch_counts(graph: Graph, op: Operator, plan: LayerPlan) -> Counts:
    """The one copy that brings a layer's parameters from L3 to their stage."""
    grid = plan_grid(op.space(graph.by_name), plan)
    region = int(param_traffic(grid, op, plan.order, plan.layout, BOTH).region_bytes[0])
    return Counts(0, 0, 0, (("_".join((L3, L2)), LinkCount(1, 1, region)),))


def predict_counts(graph: Graph, deployment: Deployment) -> tuple[Counts, ...]:
    """Counts of every layer in closed form. A prefetch counts where it is started."""
    graph = scheduled(graph, deployment)
    pairs = tuple(zip(graph.operators, deployment.plans, strict=True))
    started = [[prefetch_counts(graph, *pairs[k]) for k in ks] for ks in deployment.prefetches_from]
    fused = {step: striped(graph, segment) for segment in deployment.segments for step in segment.steps}
    return tuple(
        total_counts(
            [
                predict_fused(fused[step], step, deployment)
                if step in fused
                else predict_layer(graph, op, plan, deployment),
                *copies,
            ]
        )
        for step, ((op, plan), copies) in enumerate(zip(pairs, started, strict=True))
    )
