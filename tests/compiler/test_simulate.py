"""The simulator proves deployments, and it can fail."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from compiler.counts import predict_counts
from compiler.deployment import L2, L3
from compiler.ir import Graph, Tensor
from compiler.ir.tensor import IntArray, IntType
from compiler.lower import lower
from compiler.program import LayerProgram, ParamStream, Place, Program, Stream
from compiler.schedule import Decisions, footprint
from compiler.schedule.order import branch_orders
from compiler.simulate import simulate
from tests.compiler.deployed import (
    any_choice,
    any_deployment,
    codes,
    deployed,
    graph_of,
    inputs_of,
    layers_of,
    outputs_of,
)
from tests.compiler.networks import (
    Choice,
    attention,
    chain,
    conv,
    decoding,
    every_operator,
    language,
    random_decisions,
)
from tests.compiler.ops.cases import CASES

EVERY = every_operator(0)


def assert_simulates(graph: Graph, seed: int) -> None:
    deployment = any_deployment(graph, seed)
    inputs = codes(graph, seed)
    found = simulate(graph, lower(graph, deployment), inputs)
    for name, expected in outputs_of(graph, inputs).items():
        np.testing.assert_array_equal(found.outputs[name], expected)
    assert found.counts == predict_counts(graph, deployment)


@pytest.mark.parametrize("seed", range(30))
def test_every_operator_under_any_decisions(seed: int) -> None:
    assert_simulates(EVERY, seed)


@pytest.mark.parametrize("order", branch_orders(EVERY)[1:], ids=lambda graph: graph.operators[1].name)
def test_layers_run_in_the_order_of_the_deployment(order: Graph) -> None:
    deployment = any_deployment(order, 3)
    inputs = codes(EVERY, 3)
    program = lower(EVERY, deployment)
    assert [layer.operator.name for layer in program.layers] == [op.name for op in order]
    found = simulate(EVERY, program, inputs)
    for name, expected in outputs_of(EVERY, inputs).items():
        np.testing.assert_array_equal(found.outputs[name], expected)
    assert found.counts == predict_counts(EVERY, deployment)


@pytest.mark.parametrize("seed", range(30))
def test_chains_with_npu_layers(seed: int) -> None:
    assert_simulates(chain(seed % 6), seed)


@pytest.mark.parametrize("seed", range(20))
def test_attention_under_any_decisions(seed: int) -> None:
    assert_simulates(attention(seed), seed)


@pytest.mark.parametrize("seed", range(20))
def test_a_decoder_of_int16_under_any_decisions(seed: int) -> None:
    assert_simulates(language(seed), seed)


@pytest.mark.parametrize("seed", range(20))
def test_caches_in_place_under_any_decisions(seed: int) -> None:
    assert_simulates(decoding(seed), seed)


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("seed", range(6))
def test_single_operators_of_any_shape(kind: str, seed: int) -> None:
    case = CASES[kind](np.random.default_rng([seed, 7]))
    graph, inputs = graph_of(case), inputs_of(case)
    rng = random.Random(seed)
    deployment = deployed(graph, random_decisions(graph, rng, any_choice(graph, rng)))
    found = simulate(graph, lower(graph, deployment), inputs)
    for name, expected in outputs_of(graph, inputs).items():
        np.testing.assert_array_equal(found.outputs[name], expected)


Change = Callable[[LayerProgram], LayerProgram]


def changed_streams(layer: LayerProgram, change: Callable[[Stream], Stream]) -> LayerProgram:
    return replace(layer, inputs=tuple(change(stream) for stream in layer.inputs))


def shifted(place: Place) -> Place:
    """Another address, inside the arena."""
    return place.at(16 if place.offset == 0 else -16)


def never_again(stream: Stream) -> Stream:
    """Fetched once, whatever the loops do: the transfers of later tiles are missing."""
    return replace(stream, depth=0)


def one_slot(stream: Stream) -> Stream:
    return replace(stream, slots=stream.slots[:1])


def elsewhere(stream: Stream) -> Stream:
    return replace(stream, home=shifted(stream.home))


def other_block(params: ParamStream | None) -> ParamStream | None:
    return params and replace(params, home=shifted(params.home))


FAULTS: dict[str, tuple[str, str, Change]] = {
    "missing transfers": (L2, "direct", lambda layer: changed_streams(layer, never_again)),
    "prefetch into the slot in use": (L2, "direct", lambda layer: changed_streams(layer, one_slot)),
    "wrong home": (L2, "direct", lambda layer: changed_streams(layer, elsewhere)),
    "wrong parameters": (L2, "direct", lambda layer: replace(layer, params=other_block(layer.params))),
    "missing start copy": (L3, "whole", lambda layer: replace(layer, before=layer.before[1:])),
    "missing final copy": (L3, "whole", lambda layer: replace(layer, after=())),
    "tiles to the wrong place": (L2, "direct", lambda layer: replace(layer, output=elsewhere(layer.output))),
}


def small() -> tuple[Graph, dict[str, IntArray]]:
    rng = np.random.default_rng(5)
    x = Tensor("x", (1, 8, 8, 8), IntType.I8, 0.1, 0)
    op, y = conv("conv", x, 16, rng, pads=(1, 1, 1, 1))
    graph = Graph("main", (x, y), (op,), ("x",), (y.name,))
    return graph, codes(graph, 1)


def small_program(graph: Graph, home: str, staging: str) -> Program:
    """Double buffered tiles of 3 rows and 8 of 16 outputs, rows innermost."""
    wanted = random_decisions(graph, random.Random(0), Choice(homes=(home,), param_homes=(home,)))
    op = graph.operators[0]
    space = op.space(graph.by_name)
    plan = replace(
        wanted.plans[0],
        tile=(("y", 3), ("x", 8), ("g", 1), ("o", 8), ("i", 8)),
        order=("o", "y", "x", "i"),
        buffering=2,
        staging=(staging,) * 3,
    )
    homes = dict.fromkeys(graph.by_name, home)
    return lower(
        graph, deployed(graph, Decisions((plan,), (footprint(op, space, plan),), homes, {op.name: home}))
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_program_changes_the_output(fault: str) -> None:
    home, staging, change = FAULTS[fault]
    graph, inputs = small()
    program = small_program(graph, home, staging)
    expected = outputs_of(graph, inputs)["conv_out"]
    np.testing.assert_array_equal(simulate(graph, program, inputs).outputs["conv_out"], expected)
    broken = replace(program, layers=tuple(map(change, layers_of(program))))
    try:
        found = simulate(graph, broken, inputs).outputs["conv_out"]
    except OverflowError:
        return  # numbers that are no multipliers leave the 32 bits that are proven for the real ones
    assert not np.array_equal(found, expected)


def places(program: Program) -> Iterator[tuple[str, Place]]:
    layer = layers_of(program)[0]
    yield "in", layer.inputs[0].slots[0]
    yield "out", layer.output.slots[0]
    assert layer.params
    yield "params", layer.params.slots[0]


def test_two_streams_in_one_slot_are_seen() -> None:
    graph, inputs = small()
    program = small_program(graph, L2, "direct")
    layer = layers_of(program)[0]
    at = dict(places(program))
    overlapping = replace(layer, output=replace(layer.output, slots=(at["in"], at["params"])))
    found = simulate(graph, replace(program, layers=(overlapping,)), inputs)
    assert not np.array_equal(found.outputs["conv_out"], outputs_of(graph, inputs)["conv_out"])


@pytest.mark.parametrize("offset", [-16, 1 << 20])
def test_leaving_an_arena_is_an_error(offset: int) -> None:
    graph, inputs = small()
    program = small_program(graph, L2, "direct")
    layer = layers_of(program)[0]
    outside = replace(layer, output=replace(layer.output, slots=(Place("l1", offset),) * 2))
    with pytest.raises(IndexError, match=r"l1: \[.*\) leaves \d+ bytes"):
        simulate(graph, replace(program, layers=(outside,)), inputs)


def test_constants_cannot_be_overwritten() -> None:
    graph, inputs = small()
    program = small_program(graph, L2, "direct")
    layer = layers_of(program)[0]
    into = replace(layer, output=replace(layer.output, home=Place("blob", 0)))
    with pytest.raises(ValueError, match="read-only"):
        simulate(graph, replace(program, layers=(into,)), inputs)
