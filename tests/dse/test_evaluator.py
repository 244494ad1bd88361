"""Evaluations: within their caps, repeatable, true to pins and homes, never below the bound."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from compiler.deployment import L1, L3, LayerPlan
from compiler.schedule.legality import check_deployment
from dse.evaluator import ProblemEvaluator
from dse.points import DesignPoint
from dse.task import Pin
from tests.compiler.networks import every_operator
from tests.dse.small import (
    below,
    evaluator_of,
    every_operator_evaluator,
    points_of,
    small_graph,
    task_of,
    with_budget,
    without_l3,
)

GRAPH = every_operator(7)


@pytest.mark.parametrize("platform", ["siracusa", "rv32sim"])
def test_points_keep_to_their_setting_and_lie_above_the_bound(platform: str) -> None:
    evaluator = every_operator_evaluator(platform)
    found = points_of(evaluator)
    assert len(found) > 50
    bound = evaluator.bound
    assert bound is not None
    for setting, point in found:
        check_deployment(GRAPH, point.deployment)
        peaks = dict(point.peak_bytes)
        assert peaks[L1] <= setting.l1_bytes
        assert all(peaks[level] <= size for level, size in evaluator.limits.capacities.items())
        assert point.memory_bytes <= evaluator.limits.on_chip_bytes
        homes = [home for name, home in point.deployment.homes]
        assert setting.l3_activations or L3 not in homes
        assert not below(point, bound)


def test_a_binding_budget_holds_for_every_point() -> None:
    evaluator = evaluator_of(task_of(GRAPH, "siracusa", 40_000, {"l1": 9_000}))
    found = points_of(evaluator, 8)
    assert found
    for _, point in found:
        assert point.memory_bytes <= 40_000
        assert dict(point.peak_bytes)[L1] <= 9_000


def test_position_is_an_epsilon_constraint_on_latency() -> None:
    evaluator = every_operator_evaluator("siracusa")
    choices, _ = evaluator.seeds()[0]
    quick, middle, slow = (evaluator.evaluate(evaluator.setting(choices, p)).point for p in (0.0, 0.5, 1.0))
    assert quick is not None and middle is not None and slow is not None  # noqa: PT018
    assert quick.latency_ms <= middle.latency_ms <= slow.latency_ms
    assert quick.energy_uj >= middle.energy_uj >= slow.energy_uj
    assert (quick.source, quick.setting.position) == ("trial", 0.0)


def test_points_of_an_evaluation_are_distinct_and_say_who_asked() -> None:
    evaluator = every_operator_evaluator("siracusa")
    evaluation = evaluator.evaluate(evaluator.setting(*evaluator.seeds()[0]))
    assert evaluation.point is not None
    assert evaluation.violation == 0
    assert {point.source for point in evaluation.others} == {"solver"}
    prices = {(p.latency_ms, p.energy_uj, p.memory_bytes) for p in (evaluation.point, *evaluation.others)}
    assert len(prices) == 1 + len(evaluation.others)


def test_the_bound_travels_with_the_first_seed_only() -> None:
    evaluator = every_operator_evaluator("rv32sim")
    settings = [evaluator.setting(*seed) for seed in evaluator.seeds()]
    bounds = [evaluator.evaluate(setting).bound for setting in settings]
    assert bounds[0] == evaluator.bound
    assert bounds[1:] == [None] * (len(bounds) - 1)


def test_two_evaluators_agree_whatever_they_did_before_and_travel() -> None:
    task = task_of(small_graph(4), "siracusa", 60_000)
    one, other = evaluator_of(task), evaluator_of(task)
    assert one.axes == other.axes
    seeds = one.seeds()[:8]
    assert seeds == other.seeds()[:8]
    forth = [one.evaluate(one.setting(*seed)) for seed in seeds]
    back = [other.evaluate(other.setting(*seed)) for seed in reversed(seeds)]
    assert forth == back[::-1]
    copy = pickle.loads(pickle.dumps(evaluator_of(task)))
    assert isinstance(copy, ProblemEvaluator)
    assert copy.evaluate(copy.setting(*seeds[3])) == forth[3]
    used = pickle.loads(pickle.dumps(one))
    assert used.evaluate(used.setting(*seeds[0])) == forth[0]


def test_another_operating_point_first_changes_nothing() -> None:
    task = task_of(small_graph(5), "siracusa")
    one, other = evaluator_of(task), evaluator_of(task)
    low = replace(one.setting(*one.seeds()[0]), operating_point="low")
    other.problem("nominal", True)
    assert one.evaluate(low) == other.evaluate(low)


def plan_of(point: DesignPoint, layer: str) -> LayerPlan:
    return next(plan for plan in point.deployment.plans if plan.operator == layer)


@pytest.mark.parametrize(
    ("decision", "value"),
    [
        ("engine", "npu"),
        ("engine", "cluster"),
        ("tile", "y=2,o=16"),
        ("order", "y-x-o-i"),
        ("split", "o"),
        ("buffering", "1"),
        ("input_home", "l1"),
        ("output_home", "l3"),
        ("params_home", "l1"),
        ("params_home", "wmem_mram"),
        ("operating_point", "low"),
    ],
)
def test_every_point_honours_its_pin(decision: str, value: str) -> None:
    layer = "*" if decision == "operating_point" else "point"
    pins = [Pin(layer, decision, value)]
    if value == "wmem_mram":
        pins.append(Pin("point", "engine", "npu"))
    evaluator = evaluator_of(task_of(GRAPH, "siracusa", pins=tuple(pins)))
    found = points_of(evaluator, 3)
    assert found
    op = next(op for op in GRAPH.operators if op.name == "point")
    for _, point in found:
        plan, homes = plan_of(point, "point"), point.deployment.home_of
        actual = {
            "engine": plan.engine,
            "tile": f"y={plan.sizes['y']},o={plan.sizes['o']}",
            "order": "-".join(plan.order),
            "split": ",".join(plan.split),
            "buffering": str(plan.buffering),
            "input_home": homes[op.inputs[0]],
            "output_home": homes[op.output],
            "params_home": point.deployment.param_home_of["point"],
            "operating_point": point.deployment.operating_point,
        }
        assert actual[decision] == value


def test_parameters_that_are_pinned_to_l1_get_their_share() -> None:
    pins = tuple(Pin(op.name, "params_home", "l1") for op in GRAPH.operators if op.has_weights)
    evaluator = evaluator_of(task_of(GRAPH, pins=pins))
    least = int(evaluator.space.l1_weights.choices[0])
    found = points_of(evaluator, 3)
    assert found
    for _, point in found:
        kept = [b.bytes for b in point.deployment.buffers if b.level == L1 and b.name.startswith("p/")]
        assert len(kept) >= len(pins)
        assert sum(kept) >= least > 0


@pytest.mark.parametrize("io_home", [L1, L3])
def test_ends_live_where_they_were_asked_to(io_home: str) -> None:
    evaluator = evaluator_of(task_of(GRAPH, io_home=io_home))
    found = points_of(evaluator, 4)
    assert found
    for _, point in found:
        assert {point.deployment.home_of[name] for name in (*GRAPH.inputs, *GRAPH.outputs)} == {io_home}


def test_a_chip_without_l3_is_explored() -> None:
    evaluator = evaluator_of(task_of(GRAPH, without_l3()))
    assert evaluator.infeasible() is None
    assert "activations" not in {axis.name for axis in evaluator.axes}
    found = points_of(evaluator)
    assert found
    assert evaluator.bound is not None
    for _, point in found:
        assert L3 not in {home for _, home in (*point.deployment.homes, *point.deployment.param_homes)}
        assert not below(point, evaluator.bound)


def test_near_settings_never_use_l3_for_activations() -> None:
    evaluator = every_operator_evaluator("siracusa")
    near = [(s, p) for s, p in points_of(evaluator) if not s.l3_activations]
    assert near
    assert all(L3 not in dict(point.deployment.homes).values() for _, point in near)


def test_a_setting_below_the_least_is_infeasible_and_says_how_far() -> None:
    evaluator = every_operator_evaluator("rv32sim")
    setting = evaluator.setting(*evaluator.seeds()[0])
    there = GRAPH.by_name[GRAPH.inputs[0]].bytes  # the input lives in L2
    halved = replace(setting, arena_bytes=there // 2)
    quartered = replace(setting, arena_bytes=there // 4)
    first, second = evaluator.evaluate(halved), evaluator.evaluate(quartered)
    assert first.point is None
    assert 0 < first.violation < second.violation


def test_axes_leave_out_what_has_one_choice() -> None:
    pins = (Pin("*", "operating_point", "low"),)
    evaluator = evaluator_of(with_budget(task_of(GRAPH, "siracusa", pins=pins), None, l3=0))
    assert {axis.name for axis in evaluator.axes} <= {"l1", "arena", "l1_weights", "branch_order"}
    assert evaluator.setting({}, 0.0).operating_point == "low"
    for axis in evaluator.axes:
        assert len(set(axis.choices)) == len(axis.choices) > 1


def test_seeds_are_distinct_and_use_only_choices_of_their_axes() -> None:
    evaluator = every_operator_evaluator("siracusa")
    choices = {axis.name: axis.choices for axis in evaluator.axes}
    seeds = [(tuple(sorted(seed.items())), position) for seed, position in evaluator.seeds()]
    assert len(set(seeds)) == len(seeds)
    for seed, _ in evaluator.seeds():
        assert {name: seed[name] in choices[name] for name in choices} == dict.fromkeys(choices, True)


def test_branches_run_in_the_order_that_the_setting_names() -> None:
    evaluator = every_operator_evaluator("siracusa")
    choices, position = evaluator.seeds()[-1]
    orders = [[op.name for op in graph] for graph in evaluator.graphs]
    assert len(orders) > 1
    for number, names in enumerate(orders):
        setting = evaluator.setting({**choices, "branch_order": str(number)}, position)
        point = evaluator.evaluate(setting).point
        assert point is not None
        check_deployment(GRAPH, point.deployment)
        assert [plan.operator for plan in point.deployment.plans] == names
        assert [layer.name for layer in point.layers] == names
        assert evaluator.bound is not None
        assert not below(point, evaluator.bound)
