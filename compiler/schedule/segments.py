"""What a segment needs in memory, and whether one can run.

Names of buffers: `f/<segment>/<tensor>/<slot>` rows of a tensor in L1; `h/<layer>` parameters that stay in L1
for the segment; `b/<segment>` the parameter block in use; `g/<segment>/t/<tensor>/<slot>` and
`g/<segment>/params` stages in L2 on the way from and to L3. A segment has the name of its last layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from compiler.deployment import (
    DIRECT,
    FUSED,
    L1,
    L2,
    L3,
    TILE,
    WEIGHT_MEMORIES,
    DeploymentError,
    LayerPlan,
    Segment,
)
from compiler.ir import Graph, Operator, Space
from compiler.schedule.footprint import Footprint
from compiler.tiling.stripes import LINE, SegmentGraph, StripeError, Window, row_dim, stripes


@dataclass(frozen=True, eq=False)
class Striped:
    """A segment of a graph with the windows of its tensors."""

    segment: Segment
    graph: SegmentGraph
    windows: Mapping[str, Window]

    @property
    def name(self) -> str:
        return self.graph.name

    @property
    def count(self) -> int:
        """Number of stripes."""
        return len(self.windows[self.graph.output].base)

    def window_bytes(self, tensor: str) -> int:
        """Bytes, a multiple of 4, of the most rows of a tensor that L1 holds."""
        return up4(self.windows[tensor].depth * self.graph.row_bytes(tensor))


def up4(size: int) -> int:
    """Rounded up to a multiple of 4."""
    return -(-size // 4) * 4


def striped(graph: Graph, segment: Segment) -> Striped:
    """The windows of a segment; raises DeploymentError where it is none of this graph."""
    try:
        inside = SegmentGraph(graph, segment.first, segment.last)
        return Striped(segment, inside, stripes(inside, segment.rows, segment.mode))
    except StripeError as error:
        raise DeploymentError(f"segment of layers [{segment.first}, {segment.last}): {error}") from error


def channel_dims(space: Space) -> frozenset[str]:
    """Dimensions that a fused layer may tile: those that select parameters, but for rows and reductions."""
    row = row_dim(space)
    free = {dim.name for dim in space.dims if dim.tileable and not dim.reduction and dim.name != row}
    return frozenset(space.param_dims) & free


@dataclass(frozen=True)
class FusedNeeds:
    """The decisions of a graph that a segment's buffers follow from."""

    plans: tuple[LayerPlan, ...]
    footprints: tuple[Footprint, ...]
    homes: Mapping[str, str]
    param_homes: Mapping[str, str]


def segment_buffers(of: Striped, needs: FusedNeeds) -> Iterator[tuple[str, str, int]]:
    """(level, name, bytes) of what a segment keeps while it runs."""
    for tensor in of.graph.inner:
        yield L1, f"f/{of.name}/{tensor}/0", of.window_bytes(tensor)
    for tensor in (*of.graph.inputs, of.graph.output):
        home = needs.homes[tensor]
        for slot in range(of.segment.buffering if home != L1 else 0):
            yield L1, f"f/{of.name}/{tensor}/{slot}", of.window_bytes(tensor)
            if home == L3:
                yield L2, f"g/{of.name}/t/{tensor}/{slot}", of.window_bytes(tensor)
    yield from _param_buffers(of, needs)


def _param_buffers(of: Striped, needs: FusedNeeds) -> Iterator[tuple[str, str, int]]:
    block = stage = 0
    for op, step in zip(of.graph.operators, of.segment.steps, strict=True):
        home, need = needs.param_homes[op.name], needs.footprints[step]
        in_memory = home in WEIGHT_MEMORIES
        region, tile = (
            (need.tables_region, need.tables_tile) if in_memory else (need.region, need.params_tile)
        )
        if home == L1 or not region:
            continue
        stage = max(stage, tile if home == L3 else 0)
        if op.name in of.segment.held:
            yield L1, f"h/{op.name}", up4(region)
        else:
            block = max(block, tile)
    if block:
        yield L1, f"b/{of.name}", up4(block)
    if stage:
        yield L2, f"g/{of.name}/params", up4(stage)


def check_segments(graph: Graph, segments: tuple[Segment, ...]) -> None:
    """Raise DeploymentError unless the segments are disjoint, in order, and can run."""
    free = 0
    for segment in segments:
        if segment.first < free:
            raise DeploymentError(
                f"segment of layers [{segment.first}, {segment.last}) overlaps the one before"
            )
        free = segment.last
        of = striped(graph, segment)
        if segment.buffering not in ((1,) if segment.mode == LINE else (1, 2)):
            raise _error(
                of, f"buffering is {segment.buffering}, must be 1{'' if segment.mode == LINE else ' or 2'}"
            )
        strangers = [name for name in segment.held if name not in {op.name for op in of.graph.operators}]
        if strangers or len(set(segment.held)) != len(segment.held):
            raise _error(of, f"held layers are {', '.join(segment.held)}, must be distinct ones of its own")


def check_fused_plan(
    of: Striped,
    op: Operator,
    space: Space,
    plan: LayerPlan,
    homes: Mapping[str, str],
    params: str,
    region: int,
) -> None:
    """Raise DeploymentError unless a fused layer's plan tiles channels only, and stages as it must."""
    tiled = channel_dims(space)
    for dim in space.dims:
        if plan.sizes.get(dim.name) != dim.extent and dim.name not in tiled:
            raise _error(
                of, f"layer {op.name} tiles dimension {dim.name}, in a segment only channels can be tiled"
            )
    if plan.buffering != of.segment.buffering:
        raise _error(
            of, f"layer {op.name} has buffering {plan.buffering}, its segment {of.segment.buffering}"
        )
    if plan.prefetch:
        raise _error(of, f"layer {op.name} prefetches its parameters, which fused layers cannot")
    expected = staging_of(of, op, homes, params)
    if plan.staging[:-2] + plan.staging[-1:] != expected[:-2] + expected[-1:]:
        raise _error(
            of, f"layer {op.name} has staging {', '.join(plan.staging)}, must be {', '.join(expected)}"
        )
    if region and plan.staging[-2] != expected[-2]:
        raise _error(
            of, f"layer {op.name} has staging {', '.join(plan.staging)}, must be {', '.join(expected)}"
        )
    for name in {*op.inputs, op.output} & set(of.graph.inner):
        if homes[name] != L1:
            raise _error(of, f"tensor {name} never leaves it, its home must be {L1}, is {homes[name]}")


def staging_of(of: Striped, op: Operator, homes: Mapping[str, str], params: str) -> tuple[str, ...]:
    """The only staging that a fused layer can have: of its inputs, parameters and output."""
    inner = of.graph.inner

    def of_tensor(name: str) -> str:
        if name in inner:
            return FUSED
        return TILE if homes[name] == L3 else DIRECT

    param = TILE if params == L3 else DIRECT
    return (*(of_tensor(name) for name in op.inputs), param, of_tensor(op.output))


def _error(of: Striped, what: str) -> DeploymentError:
    return DeploymentError(f"segment {of.name}: {what}")
