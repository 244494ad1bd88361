"""Options of layers: footprints are the compiler's, prices the estimator's, homes and pins what was asked."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from compiler.deployment import L1, L2, L3, WEIGHT_MEMORIES, LayerPlan
from compiler.ir import Graph
from compiler.schedule.buffers import layer_buffers, resident_buffers
from compiler.schedule.footprint import footprint
from costmodels.pipeline import price_layer
from costmodels.platform import Platform, load_platform
from dse.options import Effort, LayerOptions, OptionsRequest, layer_options, layer_sets
from dse.options.candidates import measure
from dse.options.homes import NONE, HomeChoice, modes, resident_bytes, streams
from dse.options.pins import LayerPins, Place, layer_pins
from dse.solver.pareto import nondominated
from dse.task import Pin
from tests.compiler.networks import every_operator
from tests.dse.small import FAST, small_graph

SIRACUSA, RV32SIM = load_platform("siracusa"), load_platform("rv32sim")
HOMES = (L2, L1, L3)
PARAM_HOMES = (L2, L1, L3, "wmem_sram")
FREE = LayerPins()
LAYERS = [op.name for op in every_operator(7).operators]


def request_of(platform: Platform, l1_bytes: int = 1 << 17, effort: Effort = FAST) -> OptionsRequest:
    params = PARAM_HOMES if "wmem_sram" in platform.level_of else PARAM_HOMES[:3]
    return OptionsRequest(platform, platform.point(), l1_bytes, HOMES, params, effort)


def options_of(graph: Graph, name: str, request: OptionsRequest, pins: LayerPins = FREE) -> LayerOptions:
    op = next(op for op in graph.operators if op.name == name)
    space = op.space(graph.by_name)
    sizes = tuple(-(-graph.by_name[t].bytes // 4) * 4 for t in (*op.inputs, op.output))
    return layer_options(op, space, sizes, request, pins, layer_sets(op, space, request, pins))


@pytest.mark.parametrize("platform", [SIRACUSA, RV32SIM], ids=lambda p: p.name)
@pytest.mark.parametrize("name", LAYERS)
def test_every_row_needs_what_the_compiler_allocates(name: str, platform: Platform) -> None:
    graph = every_operator(7)
    options = options_of(graph, name, request_of(platform))
    op = options.operator
    whole = [graph.by_name[t].bytes for t in (*op.inputs, op.output)]
    for number, option in enumerate(options.options):
        homes = (*option.choice.inputs, option.choice.output)
        params = L2 if option.choice.params == NONE else option.choice.params
        for row in range(len(option.rows)):
            plan = options.plan(number, row, op.name)
            need = options.footprint(number, row)
            assert need == footprint(op, options.space, plan)
            found = dict.fromkeys((L1, L2, *WEIGHT_MEMORIES), 0)
            for level, _, size in layer_buffers(plan, need, homes, whole, params):
                found[level] += size
            assert option.rows[row, 2:].tolist() == [found[L1], found[L2]]
            kept = {L2: 0, "wmem_sram": 0, L1: 0}
            for level, _, size in resident_buffers(op.name, need, params):
                kept[level] += size
            assert option.resident == tuple(kept.values())


@pytest.mark.parametrize("name", LAYERS)
def test_rows_cost_what_the_cost_model_says_of_the_combination_alone(name: str) -> None:
    graph = every_operator(7)
    request = request_of(SIRACUSA)
    options = options_of(graph, name, request)
    op, pick = options.operator, random.Random(3)
    sizes = tuple(-(-graph.by_name[t].bytes // 4) * 4 for t in (*op.inputs, op.output))
    for option in options.options:
        row = pick.randrange(len(option.rows))
        number, tiling, mode, split = option.picks[row].tolist()
        c = options.sets[number].subset(np.array([tiling]))
        stream = streams(c, option.choice, options.modes[mode], sizes)
        work = replace(stream.work, splits=(options.space.spec.splits[split],))
        priced = price_layer(SIRACUSA, work, request.point)
        np.testing.assert_allclose(option.rows[row, :2], [priced.time_ms[0], priced.energy_uj[0]], rtol=1e-12)


def by_enumeration(graph: Graph, name: str, request: OptionsRequest) -> dict[HomeChoice, np.ndarray]:
    """Front of every on-chip choice of homes, combination by combination, without judges or menus."""
    op = next(op for op in graph.operators if op.name == name)
    space = op.space(graph.by_name)
    sizes = tuple(-(-graph.by_name[t].bytes // 4) * 4 for t in (*op.inputs, op.output))
    found: dict[HomeChoice, np.ndarray] = {}
    for *homes, params in product(*[(L2, L1)] * (len(op.inputs) + 1), request.param_homes):
        choice = HomeChoice(tuple(homes[:-1]), homes[-1], params)
        rows = []
        for c, mode in product(layer_sets(op, space, request, LayerPins()), modes(choice)):
            if params in WEIGHT_MEMORIES and c.layout == "plain":
                continue
            stream = streams(c, choice, mode, sizes)
            priced = price_layer(request.platform, stream.work, request.point)
            columns = (priced.time_ms, priced.energy_uj, stream.l1_bytes, stream.staging_bytes)
            resident = (np.broadcast_to(b, c.grid.count) for b in resident_bytes(c.flat, params))
            table = np.stack([*columns, *resident], axis=1)
            rows.append(table[stream.l1_bytes <= request.l1_bytes])
        table = np.concatenate(rows)
        found[choice] = table[nondominated(table)]
    return found


@pytest.mark.parametrize("platform", [SIRACUSA, RV32SIM], ids=lambda p: p.name)
@pytest.mark.parametrize("l1_bytes", [1 << 17, 3000])
def test_fronts_are_those_of_plain_enumeration(platform: Platform, l1_bytes: int) -> None:
    graph = small_graph(2)
    request = request_of(platform, l1_bytes)
    name = graph.operators[0].name
    options = options_of(graph, name, request)
    for choice, wanted in by_enumeration(graph, name, request).items():
        same = [o for o in options.options if o.choice == choice]
        got = [np.concatenate([o.rows, np.tile(o.resident, (len(o.rows), 1))], axis=1) for o in same]
        rows = np.concatenate(got) if got else np.zeros((0, 7))
        # Prices are summed in another order, so that equal ones may differ in the last bit and both stay.
        for one, other in ((rows, wanted), (wanted, rows)):
            better = np.all(other[None] <= one[:, None] * (1 + 1e-12), axis=2)
            assert np.any(better, axis=1).all()


def test_no_row_exceeds_l1_and_off_chip_choices_use_tilings_of_on_chip_ones() -> None:
    options = options_of(every_operator(7), "dense", request_of(RV32SIM, 2000))
    near = {
        tuple(options.sets[p[0]].grid.tiles[p[1]])
        for o in options.options
        if not o.choice.off_chip
        for p in o.picks
    }
    far = {
        tuple(options.sets[p[0]].grid.tiles[p[1]])
        for o in options.options
        if o.choice.off_chip
        for p in o.picks
    }
    assert far
    assert far <= near
    assert all((o.rows[:, 2] <= 2000).all() for o in options.options)


def test_a_subset_is_what_measuring_those_tilings_gives() -> None:
    graph = every_operator(7)
    op = next(op for op in graph.operators if op.name == "grouped")
    space = op.space(graph.by_name)
    for c in layer_sets(op, space, request_of(RV32SIM), LayerPins()):
        rows = np.arange(c.grid.count)[::3]
        part = c.subset(rows)
        again = measure(op, space, c.engine, c.layout, c.order, part.grid)
        for one, other in zip(
            (*part.inputs, part.params, part.output), (*again.inputs, again.params, again.output), strict=True
        ):
            np.testing.assert_array_equal(one.tile_bytes, other.tile_bytes)
            np.testing.assert_array_equal(one.bytes, other.bytes)
        np.testing.assert_array_equal(part.accumulator_bytes, again.accumulator_bytes)


PINNED: dict[str, tuple[str, Callable[[LayerPlan, HomeChoice], bool]]] = {
    "engine": ("npu", lambda plan, choice: plan.engine == "npu"),
    "tile": ("y=2,o=16", lambda plan, choice: plan.sizes["y"] == 2 and plan.sizes["o"] == 16),
    "order": ("y-x-o-i", lambda plan, choice: plan.order == ("y", "x", "o", "i")),
    "split": ("o", lambda plan, choice: plan.split == ("o",)),
    "buffering": ("1", lambda plan, choice: plan.buffering == 1),
    "input_home": ("l1", lambda plan, choice: choice.inputs == ("l1",)),
    "output_home": ("l3", lambda plan, choice: choice.output == "l3"),
    "params_home": ("l1", lambda plan, choice: choice.params == "l1"),
}  # fmt: skip


@pytest.mark.parametrize("decision", PINNED)
def test_pins_leave_only_what_they_say(decision: str) -> None:
    value, holds = PINNED[decision]
    graph = every_operator(7)
    op = next(op for op in graph.operators if op.name == "point")
    pins = layer_pins((Pin("point", decision, value),), Place(op, op.space(graph.by_name), SIRACUSA))
    options = options_of(graph, "point", request_of(SIRACUSA), pins)
    seen = [
        holds(options.plan(number, row, "point"), option.choice)
        for number, option in enumerate(options.options)
        for row in range(len(option.rows))
    ]
    assert seen
    assert all(seen)


def test_what_has_two_sizes_is_not_thinned() -> None:
    """With the ends of every dimension left, tilings may exceed the effort."""
    graph = every_operator(7)
    op = graph.operators[0]
    space = op.space(graph.by_name)
    sets = layer_sets(op, space, request_of(RV32SIM, effort=Effort(sizes=(), other=2, candidates=1)), FREE)
    tiled = [dim for dim in space.dims if dim.tileable and dim.extent > 1]
    assert len(tiled) > 1
    assert {c.count for c in sets} == {2 ** len(tiled)}
