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


@dataclass(frozen=True)
class Taken:
    """What a move stands for: an option of its layer; prefetched: with its parameters not at home in L2, as
    there, but come from L3 ahead of it."""

    option: int
    prefetched: bool = False


@dataclass(frozen=True, eq=False)
class Problem:
    """A network for the solver. Layer k of the graph is its layer `steps[k]`; `options[k]` and `taken[k]` say
    what that one's moves and rows stand for, unless it is a segment: then `segments[k]` does, and
    `options[k]` are those of the last layer in it. pins: what users said about each.

    least: a network whose least memory is that of `network`, without choices that never save any.
    """

    network: Network
    options: tuple[LayerOptions, ...]
    taken: tuple[tuple[Taken, ...], ...]
    pins: tuple[LayerPins, ...]
    steps: tuple[int, ...]
    least: Network
    segments: Mapping[int, SegmentOptions] = field(default_factory=dict)

    @property
    def activations(self) -> tuple[Tensor, ...]:
        """Tensors of the graph, without the copies of parameters on their way."""
        layers = self.network.layers
        copies = {layers[step].output for step in set(range(len(layers))).difference(self.steps)}
        return tuple(t for number, t in enumerate(self.network.tensors) if number not in copies)


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


def move_of(options: LayerOptions, place: int) -> Move:
    """An option of a layer as the solver sees it."""
    option = options.options[place]
    order = dict.fromkeys(options.operator.inputs.index(name) for name in options.operator.inputs)
    return Move(
        homes_in=tuple(SOLVER_HOME[option.choice.inputs[k]] for k in order),
        home_out=SOLVER_HOME[option.choice.output],
        home_params=SOLVER_HOME[option.choice.params],
        rows=option.rows,
        refs=np.arange(len(option.rows)),
        resident=option.resident,
    )


def _moves(options: LayerOptions, pins: LayerPins) -> tuple[tuple[Move, ...], tuple[Taken, ...]]:
    """Moves of the options that pins allow; others are there for what is prefetched."""
    places = [k for k, option in enumerate(options.options) if pins.allows(option.choice)]
    return tuple(move_of(options, k) for k in places), tuple(map(Taken, places))


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
    cache: dict[object, tuple[LayerOptions, tuple[Move, ...], tuple[Taken, ...]]] = {}
    layers, options, choices, pinning = [], [], [], []
    for op in graph.operators:
        space = op.space(graph.by_name)
        pinned = layer_pins(pins, Place(op, space, request.platform, ends))
        sizes = tuple(_up4(access.bytes) for access in (*space.inputs, space.output))
        key = (signature(op, space, blockers.get(op.name, ()), pinned), sizes)
        if key not in cache:
            known = tilings.get(key) or layer_sets(op, space, request, pinned)
            found = layer_options(op, space, sizes, request, pinned, known)
            tilings.setdefault(key, found.useful)
            cache[key] = (found, *_moves(found, pinned))
        found, moves, taken = cache[key]
        distinct = tuple(dict.fromkeys(index[name] for name in op.inputs))
        layers.append(Layer(op.name, distinct, index[op.output], 0, moves))
        options.append(replace(found, operator=op, space=space))
        choices.append(taken)
        pinning.append(pinned)
    inputs = tuple(index[name] for name in graph.inputs)
    # A state lives to the end as what it was; what it becomes is no memory of its own.
    outputs = tuple(index[name] for name in (*graph.outputs, *(before for before, _ in graph.states)))
    network = Network(tensors, tuple(layers), inputs, outputs)
    steps = tuple(range(len(layers)))
    return Problem(network, tuple(options), tuple(choices), tuple(pinning), steps, network)


def _tensors(graph: Graph, homes: tuple[str, ...], io_home: str) -> tuple[Tensor, ...]:
    ends = {*graph.inputs, *graph.outputs}
    free = tuple(SOLVER_HOME[home] for home in homes)

    own = {t.name for t in graph.placed}
    return tuple(
        Tensor(
            t.name,
            _up4(t.bytes) if t.name in own else 0,
            (SOLVER_HOME[io_home],) if t.name in ends else free,
        )
        for t in graph.tensors
    )


def near_problem(problem: Problem) -> Problem:
    """The same without L3 as a home of activations that have another."""
    tensors = tuple(
        replace(t, homes=tuple(home for home in t.homes if home != "L3") or t.homes)
        for t in problem.network.tensors
    )
    return _with_network(problem, replace(problem.network, tensors=tensors))


def fused_problem(problem: Problem, segments: Mapping[tuple[int, int], SegmentOptions]) -> Problem:
    """The same with runs of layers [first, last) as one layer each, with the segment's options."""
    index = {tensor.name: k for k, tensor in enumerate(problem.network.tensors)}
    first = dict(segments.keys())
    layers: list[Layer] = []
    kept: list[int] = []
    fused: dict[int, SegmentOptions] = {}
    step = 0
    while step < len(problem.network.layers):
        if step not in first:
            layers.append(problem.network.layers[step])
            kept.append(step)
            step += 1
            continue
        found = segments[step, first[step]]
        graph = found.maker.graph
        inputs = tuple(index[name] for name in graph.inputs)
        layers.append(Layer(graph.name, inputs, index[graph.output], 0, _segment_moves(found)))
        fused[len(kept)] = found
        step = first[step]
        kept.append(step - 1)
    chosen = replace(_chosen(problem, kept), segments=fused)
    return _with_network(chosen, replace(problem.network, layers=tuple(layers)))


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


def reordered_problem(problem: Problem, order: Sequence[int]) -> Problem:
    """The same layers in another order: `order` are their numbers, in the order in which they run."""
    layers = tuple(problem.network.layers[k] for k in order)
    return _with_network(_chosen(problem, order), replace(problem.network, layers=layers))


def _chosen(problem: Problem, layers: Sequence[int]) -> Problem:
    """What is known of these layers, in this order; the network is still another."""
    return replace(
        problem,
        options=tuple(problem.options[k] for k in layers),
        taken=tuple(problem.taken[k] for k in layers),
        pins=tuple(problem.pins[k] for k in layers),
        steps=tuple(range(len(layers))),
    )


def _with_network(problem: Problem, network: Network) -> Problem:
    return replace(problem, network=network, least=network)
