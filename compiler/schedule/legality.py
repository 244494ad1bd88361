"""Does a deployment belong to its graph? Everything that lowering relies on, checked before it starts.

A deployment may come from a file that somebody edited: each fault is one clear line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from compiler.deployment import (
    DIRECT,
    L1,
    L2,
    L3,
    LAYOUTS,
    LEVELS,
    TILE,
    WEIGHT_MEMORIES,
    WHOLE,
    Deployment,
    DeploymentError,
    LayerPlan,
    PlacedBuffer,
)
from compiler.ir import Graph, Operator
from compiler.memory import Allocation, AllocationError, Buffer, Problem, ProblemError, validate
from compiler.ops.conv2d import Conv2d
from compiler.schedule.buffers import Decisions, deployment_buffers, stream_names
from compiler.schedule.footprint import Footprint, footprint
from compiler.schedule.order import in_order
from compiler.schedule.segments import check_fused_plan, check_segments, striped

NPU_WINDOWS = ((1, 1), (3, 3))


def check_deployment(graph: Graph, deployment: Deployment) -> None:
    """Return if `deployment` can be lowered on `graph`, else raise DeploymentError with the first fault.

    The layers run in the order of the deployment's plans, whatever the order of the graph.
    """
    graph = scheduled(graph, deployment)
    check_segments(graph, deployment.segments)
    _check_homes("tensor", (t.name for t in graph.tensors), deployment.home_of, (L1, L2, L3))
    _check_homes("parameters of layer", (op.name for op in graph), deployment.param_home_of, LEVELS)
    _check_states(graph, deployment.home_of)
    needs = tuple(_check_plan(graph, step, plan, deployment) for step, plan in enumerate(deployment.plans))
    _check_fused(graph, deployment, needs)
    homes = (deployment.home_of, deployment.param_home_of)
    decisions = Decisions(deployment.plans, needs, *homes, deployment.segments)
    expected = deployment_buffers(graph, decisions)
    _check_buffers(expected, deployment.buffers)
    for level, buffers in expected.items():
        _check_addresses(level, buffers, deployment)


def scheduled(graph: Graph, deployment: Deployment) -> Graph:
    """The graph in the deployment's order of layers. Raises DeploymentError where that is none of it."""
    return in_order(graph, [plan.operator for plan in deployment.plans])


def _check_homes(what: str, names: Iterable[str], homes: Mapping[str, str], legal: tuple[str, ...]) -> None:
    for name in names:
        home = homes.get(name)
        if home not in legal:
            raise DeploymentError(
                f"{what} {name}: home is {home or 'not given'}, must be one of {', '.join(legal)}"
            )


def _check_states(graph: Graph, homes: Mapping[str, str]) -> None:
    """States are one memory, and not in L1, which tiles and other programs write over."""
    for before, after in graph.states:
        found = {homes[before], homes[after]}
        if len(found) > 1 or L1 in found:
            names = " and ".join(sorted(found))
            raise DeploymentError(f"state {before}, {after}: home is {names}, must be one that is not {L1}")


def _check_plan(graph: Graph, step: int, plan: LayerPlan, deployment: Deployment) -> Footprint:
    """Check the decisions of the layer that runs at a step; returns what they need."""
    op = graph.operators[step]
    space = op.space(graph.by_name)
    if plan.split and plan.split not in space.spec.splits:
        known = ", ".join("-".join(split) for split in space.spec.splits)
        raise _error(op, f"split over {'-'.join(plan.split)} is not one of {known}")
    if plan.buffering not in (1, 2):
        raise _error(op, f"buffering is {plan.buffering}, must be 1 or 2")
    _check_engine(op, plan)
    need = footprint(op, space, plan)
    if plan.on_npu and need.accumulator:
        raise _error(op, f"{plan.engine} cannot tile a reduction")
    _check_params(op, plan, deployment.param_home_of[op.name])
    if step not in deployment.segment_of:
        _check_streams(op, plan, deployment, bool(need.region))
        _check_prefetch(op, plan, deployment, step, bool(need.region))
    return need


def _check_fused(graph: Graph, deployment: Deployment, needs: tuple[Footprint, ...]) -> None:
    """Check what is special about the layers of segments."""
    for segment in deployment.segments:
        of = striped(graph, segment)
        for op, space, step in zip(of.graph.operators, of.graph.spaces, segment.steps, strict=True):
            region = needs[step].region
            check_fused_plan(
                of,
                op,
                space,
                deployment.plans[step],
                deployment.home_of,
                deployment.param_home_of[op.name],
                region,
            )


def _check_engine(op: Operator, plan: LayerPlan) -> None:
    if plan.layout not in LAYOUTS:
        raise _error(op, f"layout {plan.layout} is not one of {', '.join(LAYOUTS)}")
    fits = isinstance(op, Conv2d) and (op.depthwise or op.groups == 1) and op.window in NPU_WINDOWS
    if plan.on_npu and not fits:
        raise _error(op, f"{op.kind} cannot run on engine {plan.engine} with layout {plan.layout}")


def _check_params(op: Operator, plan: LayerPlan, home: str) -> None:
    if home in WEIGHT_MEMORIES and not (plan.on_npu and op.has_weights):
        raise _error(op, f"parameters are in {home}, which only an NPU reads, for a layer with weights")


def _check_streams(op: Operator, plan: LayerPlan, deployment: Deployment, has_params: bool) -> None:
    params = deployment.param_home_of[op.name]
    tensors = [deployment.home_of[name] for name in (*op.inputs, op.output)]
    homes = (*tensors[:-1], params, tensors[-1])
    names = stream_names(len(op.inputs))
    if len(plan.staging) != len(names):
        raise _error(op, f"staging has {len(plan.staging)} entries, must be for {', '.join(names)}")
    for name, home, staging in zip(names, homes, plan.staging, strict=True):
        legal = (TILE, WHOLE) if home == L3 else (DIRECT,)
        if staging not in legal and (has_params or name != "params"):
            raise _error(op, f"{name} is in {home}, staging must be {' or '.join(legal)}, is {staging}")


def _check_prefetch(
    op: Operator, plan: LayerPlan, deployment: Deployment, step: int, has_params: bool
) -> None:
    home = deployment.param_home_of[op.name]
    if not 0 <= plan.prefetch <= step:
        raise _error(op, f"prefetch is {plan.prefetch} layers ahead, must be in 0..{step}")
    if plan.prefetch and not (has_params and home == L3 and plan.staging[-2] == WHOLE):
        raise _error(op, f"prefetch needs parameters in {L3} with staging {WHOLE}")
    starter = deployment.segment_of.get(step - plan.prefetch)
    if plan.prefetch and starter is not None and starter.first != step - plan.prefetch:
        raise _error(op, f"prefetch {plan.prefetch} layers ahead starts in the middle of a segment")


def _check_buffers(expected: Mapping[str, tuple[Buffer, ...]], placed: tuple[PlacedBuffer, ...]) -> None:
    """Every buffer that the decisions call for is there, with its size and lifetime, and no other."""
    wanted = {
        (level, b.name): (b.size_bytes, b.first, b.last) for level, row in expected.items() for b in row
    }
    found = {(b.level, b.name): (b.bytes, b.first, b.last) for b in placed}
    if len(found) != len(placed):
        raise DeploymentError("two buffers of a level have one name")
    for key in sorted(wanted.keys() | found.keys()):
        have, need = found.get(key), wanted.get(key)
        if have != need:
            raise DeploymentError(f"buffer {key[1]} in {key[0]} is {_buffer(have)}, must be {_buffer(need)}")


def _buffer(known: tuple[int, int, int] | None) -> str:
    return "absent" if known is None else f"{known[0]} B in steps [{known[1]}, {known[2]})"


def _check_addresses(level: str, buffers: tuple[Buffer, ...], deployment: Deployment) -> None:
    offsets = tuple(deployment.placed[level, buffer.name].offset for buffer in buffers)
    peak = deployment.peak_bytes(level)
    try:
        validate(Problem(level, peak, buffers), Allocation(offsets, peak, 0, "file"))
    except (AllocationError, ProblemError) as error:
        raise DeploymentError(f"level {level}: {error}") from error


def _error(op: Operator, what: str) -> DeploymentError:
    return DeploymentError(f"layer {op.name}: {what}")
