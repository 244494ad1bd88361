"""The buffers of a deployment: names, sizes and lifetimes by level, before they have addresses.

Names: `t/<tensor>` an activation; `p/<layer>` resident parameters (`w/` and `q/` their weights and
tables where a weight memory holds the weights); `s/<layer>/<stream>/<slot>` an L1 tile slot;
`g/<layer>/<stream>/<slot>` an L2 stage between L3 and L1. Streams are in0, in1, ..., params, out, acc.
Parameters that are prefetched occupy their stage from the layer that starts the copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from compiler.deployment import L1, L2, L3, TILE, WEIGHT_MEMORIES, WHOLE, LayerPlan
from compiler.ir import Graph
from compiler.memory import Buffer
from compiler.schedule.footprint import Footprint

ALIGNMENT_BYTES = 4


@dataclass(frozen=True)
class Decisions:
    """All decisions of a deployment but the addresses."""

    plans: tuple[LayerPlan, ...]
    footprints: tuple[Footprint, ...]
    homes: Mapping[str, str]
    param_homes: Mapping[str, str]


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


def deployment_buffers(graph: Graph, decisions: Decisions) -> dict[str, tuple[Buffer, ...]]:
    """All buffers by level; lifetimes are half-open intervals of layer indices."""
    found: dict[str, list[Buffer]] = {}
    total = len(graph.operators)

    def add(level: str, name: str, size: int, first: int, last: int) -> None:
        found.setdefault(level, []).append(Buffer(name, size, first, last, ALIGNMENT_BYTES))

    for tensor in graph.tensors:
        first, last = graph.first_use[tensor.name], graph.last_use[tensor.name]
        add(
            decisions.homes[tensor.name],
            f"t/{tensor.name}",
            _round(tensor.bytes),
            first,
            max(last, first) + 1,
        )
    for step, (op, plan, need) in enumerate(
        zip(graph.operators, decisions.plans, decisions.footprints, strict=True)
    ):
        names = (*op.inputs, op.output)
        homes = [decisions.homes[name] for name in names]
        whole = [graph.by_name[name].bytes for name in names]
        for level, name, size in resident_buffers(op.name, need, decisions.param_homes[op.name]):
            add(level, name, size, 0, total)
        for level, name, size in layer_buffers(plan, need, homes, whole, decisions.param_homes[op.name]):
            ahead = plan.prefetch if name == prefetched_stage(op.name) else 0
            add(level, name, size, step - ahead, step + 1)
    return {level: tuple(buffers) for level, buffers in sorted(found.items())}
