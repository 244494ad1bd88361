"""The buffers of a deployment: names, sizes and lifetimes by level, before they have addresses.

Names: `t/<tensor>` an activation; `p/<layer>` resident parameters (`w/` and `q/` their weights and
tables where a weight memory holds the weights); `s/<layer>/<stream>/<slot>` an L1 tile slot;
`g/<layer>/<stream>/<slot>` an L2 stage between L3 and L1. Streams are in0, in1, ..., params, out, acc.
Segments have names of their own (compiler.schedule.segments).
Parameters that are prefetched occupy their stage from the layer that starts the copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from compiler.deployment import L1, L2, L3, TILE, WEIGHT_MEMORIES, WHOLE, LayerPlan, Segment
from compiler.ir import Graph
from compiler.memory import Buffer
from compiler.schedule.footprint import Footprint
from compiler.schedule.segments import FusedNeeds, Striped, segment_buffers, striped

ALIGNMENT_BYTES = 4

_ByLevel = tuple[tuple[str, tuple[Buffer, ...]], ...]
"""Buffers of one layer in every level where it has some."""


@dataclass(frozen=True)
class Decisions:
    """All decisions of a deployment but the addresses."""

    plans: tuple[LayerPlan, ...]
    footprints: tuple[Footprint, ...]
    homes: Mapping[str, str]
    param_homes: Mapping[str, str]
    segments: tuple[Segment, ...] = ()


def _round(size: int) -> int:
    return -(-size // ALIGNMENT_BYTES) * ALIGNMENT_BYTES


def stream_names(inputs: int) -> tuple[str, ...]:
    """Names of a layer's streams, in the order of `LayerPlan.staging`."""
    return (*(f"in{k}" for k in range(inputs)), "params", "out")


def _slots(
    plan: LayerPlan, prefix: str, size: int, several: bool, staging: str, whole: int
) -> Iterator[tuple[str, str, int]]:
    count = plan.buffering if several else 1
    for slot in range(count):
        yield L1, f"s/{prefix}/{slot}", size
    if staging == TILE:
        for slot in range(count):
            yield L2, f"g/{prefix}/{slot}", size
    if staging == WHOLE:
        yield L2, f"g/{prefix}/0", _round(whole)


def layer_buffers(
    plan: LayerPlan, need: Footprint, homes: Sequence[str], whole: Sequence[int], param_home: str
) -> Iterator[tuple[str, str, int]]:
    """(level, name, bytes) of the slots, stages and accumulator of one layer.

    homes, whole: home level and bytes of every input, then of the output.
    """
    op = plan.operator
    sizes = (*need.input_tiles, need.output_tile)
    several = (*need.several[: len(need.input_tiles)], need.several[-1])
    staging = (*plan.staging[: len(need.input_tiles)], plan.staging[-1])
    names = (*(f"in{k}" for k in range(len(need.input_tiles))), "out")
    for name, size, many, stage, home, total in zip(
        names, sizes, several, staging, homes, whole, strict=True
    ):
        if home != L1:
            yield from _slots(plan, f"{op}/{name}", size, many, stage, total)
    in_memory = param_home in WEIGHT_MEMORIES
    tile = need.tables_tile if in_memory else need.params_tile
    if tile and param_home != L1:
        many = need.several[len(need.input_tiles)]
        yield from _slots(plan, f"{op}/params", tile, many, plan.staging[-2], need.region)
    if need.accumulator:
        yield L1, f"s/{op}/acc", need.accumulator


def prefetched_stage(op: str) -> str:
    """Name of the stage that a layer's parameters wait in when they were fetched whole."""
    return f"g/{op}/params/0"


def resident_buffers(op: str, need: Footprint, home: str) -> Iterator[tuple[str, str, int]]:
    """(level, name, bytes) of a layer's parameters that stay for the whole run."""
    if home in WEIGHT_MEMORIES:
        yield home, f"w/{op}", need.weights_region
        if need.tables_region:
            yield L2, f"q/{op}", need.tables_region
    elif home != L3 and need.region:
        yield home, f"p/{op}", need.region


@dataclass(frozen=True)
class BufferMaker:
    """Makes the buffers of deployments of one graph; remembers those of layers, which deployments share."""

    graph: Graph
    _known: dict[object, _ByLevel] = field(default_factory=dict, repr=False)
    _striped: dict[Segment, Striped] = field(default_factory=dict, repr=False)

    def buffers(self, decisions: Decisions) -> dict[str, tuple[Buffer, ...]]:
        """All buffers by level; lifetimes are half-open intervals of layer indices.

        All of a segment lives while any of its layers runs, and so do the tensors that it reads and writes.
        """
        found: dict[str, list[Buffer]] = {}
        homes, param_homes = decisions.homes, decisions.param_homes
        for name, buffer in self._whole_tensors(decisions.segments):
            found.setdefault(homes[name], []).append(buffer)
        layers = zip(self._operands, decisions.plans, decisions.footprints, strict=True)
        fused = frozenset(step for segment in decisions.segments for step in segment.steps)
        for step, (operands, plan, need) in enumerate(layers):
            own = () if step in fused else tuple([homes[name] for name in operands])
            for level, buffers in self._layer(step, plan, need, own, param_homes[plan.operator]):
                found.setdefault(level, []).extend(buffers)
        needs = FusedNeeds(decisions.plans, decisions.footprints, homes, param_homes)
        for segment in decisions.segments:
            for level, name, size in segment_buffers(self._stripes(segment), needs):
                found.setdefault(level, []).append(_buffer(name, size, segment.first, segment.last))
        return {level: tuple(buffers) for level, buffers in sorted(found.items())}

    def _stripes(self, segment: Segment) -> Striped:
        if segment not in self._striped:
            self._striped[segment] = striped(self.graph, segment)
        return self._striped[segment]

    def _whole_tensors(self, segments: tuple[Segment, ...]) -> Iterable[tuple[str, Buffer]]:
        """Activations that are whole in memory at some time, by name: not those inside segments."""
        if not segments:
            return self._tensors
        found = dict(self._tensors)
        for segment in segments:
            inside = self._stripes(segment).graph
            for name in inside.inputs:
                own = self.graph.storage[name]
                found[own] = replace(found[own], last=max(found[own].last, segment.last))
            found[inside.output] = replace(found[inside.output], first=segment.first)
            for name in inside.inner:
                del found[name]
        return found.items()

    @cached_property
    def _operands(self) -> tuple[tuple[str, ...], ...]:
        """Inputs and output of every layer."""
        return tuple((*op.inputs, op.output) for op in self.graph.operators)

    @cached_property
    def _whole_bytes(self) -> tuple[tuple[int, ...], ...]:
        """Bytes that every layer sees of its inputs and output."""
        spaces = (op.space(self.graph.by_name) for op in self.graph.operators)
        return tuple(tuple(access.bytes for access in (*s.inputs, s.output)) for s in spaces)

    @cached_property
    def _tensors(self) -> tuple[tuple[str, Buffer], ...]:
        """Activations with memory of their own, by name."""
        graph = self.graph
        return tuple(
            (
                tensor.name,
                _buffer(
                    f"t/{tensor.name}",
                    _round(tensor.bytes),
                    graph.first_use[tensor.name],
                    max(graph.last_use[tensor.name], graph.first_use[tensor.name]) + 1,
                ),
            )
            for tensor in graph.placed
        )

    def _layer(
        self, step: int, plan: LayerPlan, need: Footprint, homes: tuple[str, ...], param_home: str
    ) -> _ByLevel:
        """Buffers of one layer's parameters, slots, stages and accumulator; without homes the first alone."""
        key = (step, plan, need, homes, param_home)
        if key not in self._known:
            self._known[key] = tuple(
                (level, tuple(buffers)) for level, buffers in self._make(step, plan, need, homes, param_home)
            )
        return self._known[key]

    def _make(
        self, step: int, plan: LayerPlan, need: Footprint, homes: tuple[str, ...], param_home: str
    ) -> Iterable[tuple[str, list[Buffer]]]:
        op, found = plan.operator, dict[str, list[Buffer]]()
        whole = self._whole_bytes[step]
        for level, name, size in resident_buffers(op, need, param_home):
            found.setdefault(level, []).append(_buffer(name, size, 0, len(self._operands)))
        for level, name, size in layer_buffers(plan, need, homes, whole, param_home) if homes else ():
            ahead = plan.prefetch if name == prefetched_stage(op) else 0
            found.setdefault(level, []).append(_buffer(name, size, step - ahead, step + 1))
        return found.items()


def _buffer(name: str, size: int, first: int, last: int) -> Buffer:
    return Buffer(name, size, first, last, ALIGNMENT_BYTES)


def deployment_buffers(graph: Graph, decisions: Decisions) -> dict[str, tuple[Buffer, ...]]:
    """All buffers by level; lifetimes are half-open intervals of layer indices."""
    return BufferMaker(graph).buffers(decisions)
