"""Programs: walks, operands, parameter blocks, start-up copies."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from compiler.deployment import L2, Deployment
from compiler.ir.operator import BOTH, TABLES, WEIGHTS
from compiler.lower import lower
from compiler.program import LayerProgram, Place, Program
from tests.compiler.deployed import any_deployment, deployed, layers_of
from tests.compiler.networks import Choice, every_operator, random_decisions

GRAPH = every_operator(3)
SEEDS = range(5)


def programs(seed: int) -> tuple[Deployment, Program]:
    deployment = any_deployment(GRAPH, seed)
    return deployment, lower(GRAPH, deployment)


def covered(layer: LayerProgram) -> int:
    """Points of the space over all tiles; fails where two tiles share one."""
    seen = set()
    points = 0
    for step in layer.walk():
        box = tuple(sorted(step.call.call.box))
        assert box not in seen
        seen.add(box)
        size = 1
        for _, low, high in box:
            size *= high - low
        points += size
    return points


@pytest.mark.parametrize("seed", SEEDS)
def test_tiles_cover_every_space_once(seed: int) -> None:
    _, program = programs(seed)
    for layer in layers_of(program):
        total = 1
        for dim in layer.operator.space(GRAPH.by_name).dims:
            total *= dim.extent
        assert covered(layer) == total
        assert layer.steps == sum(1 for _ in layer.walk())


@pytest.mark.parametrize("seed", SEEDS)
def test_every_output_is_begun_and_finished_once(seed: int) -> None:
    for layer in layers_of(programs(seed)[1]):
        calls = [step.call.call for step in layer.walk()]
        outputs = {call.output for call in calls}
        assert sum(call.first for call in calls) == sum(call.last for call in calls) == len(outputs)
        if layer.output.slots:
            assert all(bool(step.stores) == step.call.call.last for step in layer.walk())
        else:
            assert not any(step.stores for step in layer.walk())


@pytest.mark.parametrize("seed", SEEDS)
def test_blocks_are_the_operators_own(seed: int) -> None:
    """Wherever parameters rest, a call finds the block of its tile there, byte for byte."""
    _, program = programs(seed)
    homes = {copy.target: program.blob[copy.source_offset :][: copy.bytes] for copy in program.boot}

    def bytes_at(home: Place, start: int, size: int) -> bytes:
        origin = program.blob[home.offset :] if home.level == "blob" else homes[home]
        return origin[start : start + size]

    for layer in layers_of(program):
        if layer.params is None:
            continue
        kept = layer.params.weights
        for step, index in zip(layer.walk(), indices(layer), strict=True):
            call = step.call.call
            box = {name: (low, high) for name, low, high in call.box}
            number = layer.block(index)
            start, end = layer.params.starts[number : number + 2]
            own = {
                name: box.get(name, span) for name, span in layer.operator.space(GRAPH.by_name).whole.items()
            }
            expected = block(layer, frozenset((TABLES,)) if kept else BOTH, own, call.last)
            assert bytes_at(layer.params.home, start, end - start) == expected
            assert step.call.params is not None
            assert step.call.params[1] == len(expected)
            if kept:
                begin, stop = layer.params.weight_starts[number : number + 2]
                assert bytes_at(kept, begin, stop - begin) == block(
                    layer, frozenset((WEIGHTS,)), own, call.last
                )
                assert step.call.weights == (kept.at(begin), stop - begin)


def block(layer: LayerProgram, parts: frozenset[str], box: dict[str, tuple[int, int]], last: bool) -> bytes:
    whole = layer.operator.space(GRAPH.by_name).whole
    dims = layer.params.dims if layer.params else ()
    return layer.operator.param_block(
        layer.layout, parts, {name: box[name] if name in dims else whole[name] for name in whole}, last
    )


def indices(layer: LayerProgram) -> list[tuple[int, ...]]:
    found = []
    for step in layer.walk():
        lows = {name: low for name, low, _ in step.call.call.box}
        found.append(tuple(lows[loop.dim] // loop.tile for loop in layer.loops))
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_constants_are_aligned_and_start_up_fills_whole_homes(seed: int) -> None:
    deployment, program = programs(seed)
    resident = {
        (buffer.level, buffer.offset): buffer.bytes
        for buffer in deployment.buffers
        if buffer.name.split("/")[0] in ("p", "q", "w")
    }
    assert {(copy.target.level, copy.target.offset): copy.bytes for copy in program.boot} == resident
    assert all(copy.source_offset % 16 == 0 for copy in program.boot)
    assert dict(program.arena_bytes) == {
        level: deployment.peak_bytes(level) for level, _ in program.arena_bytes
    }


def test_slots_alternate_only_where_tiles_change() -> None:
    choice = Choice(homes=(L2,), param_homes=(L2,))
    wanted = random_decisions(GRAPH, random.Random(0), choice)
    program = lower(GRAPH, deployed(GRAPH, wanted))
    for layer in layers_of(program):
        for k, stream in enumerate(layer.inputs):
            used = [step.call.inputs[k].place for step in layer.walk()]
            fetches = [
                any(m.target.offset == used[i].offset for m in step.loads)
                for i, step in enumerate(layer.walk())
            ]
            assert fetches[0]
            for i in range(1, len(used)):
                assert (used[i] != used[i - 1]) == (fetches[i] and len(stream.slots) == 2)


@pytest.mark.parametrize("seed", SEEDS)
def test_output_slots_alternate_with_finished_tiles(seed: int) -> None:
    for layer in layers_of(programs(seed)[1]):
        finished = 0
        for step in layer.walk():
            if layer.output.slots:
                assert step.call.output.place == layer.output.slots[finished % len(layer.output.slots)]
            finished += step.call.call.last


def test_a_program_has_no_hidden_state() -> None:
    deployment, program = programs(0)
    again = lower(GRAPH, replace(deployment))
    assert again == program
    assert [list(layer.walk()) for layer in layers_of(again)] == [
        list(layer.walk()) for layer in layers_of(again)
    ]
