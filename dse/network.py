"""The inner solver's problem, built from a module: options of every layer, tensors, moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from compiler.deployment import L1, L2, L3
from compiler.ir import Graph, Operator, Space
from dse.options import LayerOptions, OptionsRequest, Sets, layer_options, layer_sets
from dse.options.pins import LayerPins, Place, layer_pins
from dse.options.segment import SegmentOptions
from dse.solver.problem import Layer, Move, Network, Tensor
from dse.task import Pin

SOLVER_HOME = {L1: "L1", L2: "L2", L3: "L3", "wmem_sram": "WM", "wmem_mram": "WM", "-": "-"}


@dataclass(frozen=True, eq=False)
class Problem:
    """A network for the solver; `options[k]` says what the moves and rows of layer k stand for, unless that
    is a segment: then `segments[k]` does, and `options[k]` are those of the last layer in it."""

    network: Network
    options: tuple[LayerOptions, ...]
    segments: Mapping[int, SegmentOptions] = field(default_factory=dict)


def _up4(size: int) -> int:
    return -(-size // 4) * 4


def signature(op: Operator, space: Space, reasons: tuple[str, ...], pins: LayerPins) -> object:
    """Equal for layers with the same options: everything that legality and price depend on."""

    def shape(access: object) -> object:
        return replace(access, tensor="")  # type: ignore[type-var]

    inputs = tuple(shape(access) for access in space.inputs)
    same = tuple(op.inputs.index(name) for name in op.inputs)
    tables = _tables_signature(op)
    return (space.spec, space.dims, inputs, shape(space.output), space.orders, same, reasons, pins, tables)


def _tables_signature(op: Operator) -> object:
    """Sizes of the parameter blocks depend on the kind and, for pools, on the window (in the spec)."""
    return (op.kind, op.has_weights)


def _moves(options: LayerOptions) -> tuple[Move, ...]:
    order: list[int] = []
    for name in options.operator.inputs:
        k = options.operator.inputs.index(name)
        if k not in order:
            order.append(k)
    return tuple(
        Move(
            homes_in=tuple(SOLVER_HOME[option.choice.inputs[k]] for k in order),
            home_out=SOLVER_HOME[option.choice.output],
            home_params=SOLVER_HOME[option.choice.params],
            rows=option.rows,
            refs=np.arange(len(option.rows)),
            resident=option.resident,
        )
        for option in options.options
    )


def build_problem(
    graph: Graph,
    request: OptionsRequest,
    pins: tuple[Pin, ...],
    io_home: str,
    blockers: Mapping[str, tuple[str, ...]],
    tilings: dict[object, Sets],
) -> Problem:
    """Options of all layers and the solver's network; equal layers share their options and moves.

    tilings: filled with those of each kind of layer that are on some front, to which other operating points
    are then confined: part of what the explored space is.
    """
    tensors = _tensors(graph, request.homes, io_home)
    index = {tensor.name: k for k, tensor in enumerate(graph.tensors)}
    ends = frozenset((*graph.inputs, *graph.outputs))
    cache: dict[object, tuple[LayerOptions, tuple[Move, ...]]] = {}
    layers, options = [], []
    for op in graph.operators:
        space = op.space(graph.by_name)
        pinned = layer_pins(pins, Place(op, space, request.platform, ends))
        sizes = tuple(_up4(graph.by_name[name].bytes) for name in (*op.inputs, op.output))
        key = (signature(op, space, blockers.get(op.name, ()), pinned), sizes)
        if key not in cache:
            known = tilings.get(key) or layer_sets(op, space, request, pinned)
            found = layer_options(op, space, sizes, request, pinned, known)
            tilings.setdefault(key, found.useful)
            cache[key] = (found, _moves(found))
        found, moves = cache[key]
        distinct = tuple(dict.fromkeys(index[name] for name in op.inputs))
        layers.append(Layer(op.name, distinct, index[op.output], 0, moves))
        options.append(replace(found, operator=op, space=space))
    inputs = tuple(index[name] for name in graph.inputs)
    outputs = tuple(index[name] for name in graph.outputs)
    return Problem(Network(tensors, tuple(layers), inputs, outputs), tuple(options))


def _tensors(graph: Graph, homes: tuple[str, ...], io_home: str) -> tuple[Tensor, ...]:
    ends = {*graph.inputs, *graph.outputs}
    free = tuple(SOLVER_HOME[home] for home in homes)
    return tuple(
        Tensor(t.name, _up4(t.bytes), (SOLVER_HOME[io_home],) if t.name in ends else free)
        for t in graph.tensors
    )


def near_problem(problem: Problem) -> Problem:
    """The same without L3 as a home of activations that have another."""
    tensors = tuple(
        replace(t, homes=tuple(home for home in t.homes if home != "L3") or t.homes)
        for t in problem.network.tensors
    )
    return replace(problem, network=replace(problem.network, tensors=tensors))


def fused_problem(problem: Problem, segments: Mapping[tuple[int, int], SegmentOptions]) -> Problem:
    """The same with runs of layers [first, last) as one layer each, with the segment's options."""
    index = {tensor.name: k for k, tensor in enumerate(problem.network.tensors)}
    first = dict(segments.keys())
    layers: list[Layer] = []
    options: list[LayerOptions] = []
    fused: dict[int, SegmentOptions] = {}
    step = 0
    while step < len(problem.network.layers):
        if step not in first:
            layers.append(problem.network.layers[step])
            options.append(problem.options[step])
            step += 1
            continue
        found = segments[step, first[step]]
        graph = found.maker.graph
        inputs = tuple(index[name] for name in graph.inputs)
        layers.append(Layer(graph.name, inputs, index[graph.output], 0, _segment_moves(found)))
        fused[len(options)] = found
        step = first[step]
        options.append(problem.options[step - 1])
    return Problem(replace(problem.network, layers=tuple(layers)), tuple(options), fused)


def _segment_moves(found: SegmentOptions) -> tuple[Move, ...]:
    return tuple(
        Move(
            homes_in=tuple(SOLVER_HOME[home] for home in option.inputs),
            home_out=SOLVER_HOME[option.output],
            home_params=SOLVER_HOME[option.params],
            rows=option.rows,
            refs=np.arange(len(option.rows)),
            resident=option.resident,
        )
        for option in found.options
    )


def reordered_problem(problem: Problem, steps: Sequence[int]) -> Problem:
    """The same layers in another order: `steps` are their numbers, in the order in which they run."""
    layers = tuple(problem.network.layers[k] for k in steps)
    return Problem(replace(problem.network, layers=layers), tuple(problem.options[k] for k in steps))
