"""Prefetches in the search: they pay, cost what was said, save no memory, and can be pinned."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from compiler.counts import predict_counts
from compiler.deployment import L3
from compiler.ir import Graph, IntType, Tensor
from compiler.lower import lower
from compiler.simulate import simulate
from compiler.targets import Target
from dse.evaluator import ProblemEvaluator
from dse.options.pins import PinError
from dse.points import DesignPoint
from dse.reachable import caps_of
from dse.solver.minimum import minimum_memory
from dse.solver.solve import solve
from dse.task import Pin, TaskError
from tests.compiler.deployed import codes, emitted, moved, outputs_of, ran
from tests.compiler.networks import conv, every_operator
from tests.dse.small import evaluator_of, points_of, small_graph, task_of

BUDGET = 22_000


def heavy() -> Graph:
    """Convolutions whose weights are many times their activations."""
    rng = np.random.default_rng(0)
    tensors, operators = [Tensor("x", (1, 14, 14, 16), IntType.I8, 0.05, 3)], []
    for number in range(4):
        op, out = conv(f"conv{number}", tensors[-1], 16, rng, pads=(1, 1, 1, 1))
        operators.append(op)
        tensors.append(out)
    return Graph("main", tuple(tensors), tuple(operators), ("x",), (tensors[-1].name,))


@cache
def evaluator(*pins: Pin, platform: str = "siracusa") -> ProblemEvaluator:
    return evaluator_of(task_of(heavy(), platform, BUDGET, pins=pins))


def points(*pins: Pin) -> list[DesignPoint]:
    return [point for _, point in points_of(evaluator(*pins))]


def prefetched(point: DesignPoint) -> list[str]:
    return [plan.operator for plan in point.deployment.plans if plan.prefetch]


def test_it_pays_where_weights_do_not_fit() -> None:
    """At equal memory the quickest deployment is quicker than the quickest without."""
    quickest = min(points(), key=lambda point: point.latency_ms)
    without = points(Pin("*", "prefetch", "off"))
    assert prefetched(quickest)
    assert not any(map(prefetched, without))
    assert quickest.latency_ms < 0.9 * min(point.latency_ms for point in without)
    assert quickest.memory_bytes <= BUDGET


def test_the_solver_predicts_the_price_of_points_that_prefetch() -> None:
    checked = 0
    for choices, position in evaluator().seeds():
        setting = evaluator().setting(choices, position)
        solution = evaluator().solution(setting)
        for index in range(0, len(solution.points), max(1, len(solution.points) // 8)):
            point = evaluator().realise(setting, solution, index)
            if isinstance(point, DesignPoint) and prefetched(point):
                wanted = [point.latency_ms, point.energy_uj]
                assert solution.points[index, :2].tolist() == pytest.approx(wanted, rel=1e-9)
                checked += 1
    assert checked > 10


@pytest.mark.parametrize("seed", range(4))
def test_the_front_of_a_setting_is_never_worse_than_without(seed: int) -> None:
    graph = small_graph(seed)
    free = evaluator_of(task_of(graph, "siracusa", 20_000))
    plain = evaluator_of(task_of(graph, "siracusa", 20_000, pins=(Pin("*", "prefetch", "off"),)))
    for choices, position in plain.seeds()[:6]:
        setting = plain.setting(choices, position)
        inner = plain.limits.inner(setting, with_memory=True)
        near = setting.operating_point, setting.l3_activations, setting.branch_order
        one, other = (solve(each.problem(*near).network, inner).objectives(True) for each in (free, plain))
        for point in other:
            assert (one <= point * (1 + 1e-9)).all(axis=1).any()


@pytest.mark.parametrize(
    "graph", [heavy(), small_graph(3), every_operator(1)], ids=["heavy", "small", "every"]
)
def test_it_saves_no_memory(graph: Graph) -> None:
    """That is why the least memory is looked for without."""
    task = task_of(graph, "siracusa")
    made = evaluator_of(task)
    problem = made.problem("nominal", True)
    assert problem.least is not problem.network
    least, other = (minimum_memory(n, caps_of(made.limits)) for n in (problem.least, problem.network))
    assert least is not None
    assert other is not None
    assert least.total_bytes == other.total_bytes


@pytest.mark.parametrize("target", ["host", "rv32"])
def test_a_found_point_that_prefetches_is_right_in_c(target: Target, tmp_path: Path) -> None:
    graph = heavy()
    point = max(points(), key=lambda point: len(prefetched(point)))
    assert len(prefetched(point)) >= 2
    inputs = codes(graph, 1)
    project = emitted(tmp_path / "net", graph, point.deployment, inputs)
    found = simulate(graph, lower(graph, point.deployment), inputs)
    for name, expected in outputs_of(graph, inputs).items():
        np.testing.assert_array_equal(found.outputs[name], expected)
    report = ran(project, target, lazy=target == "host")
    assert report.verdicts[-1] == "result ok"
    assert report.counts == moved(predict_counts(graph, point.deployment))


def test_a_pin_on_a_layer_makes_it_prefetch() -> None:
    found = points(Pin("conv2", "prefetch", "on"))
    assert found
    for point in found:
        assert "conv2" in prefetched(point)
        assert point.deployment.param_home_of["conv2"] == L3


def test_a_pin_on_all_layers_holds_where_there_is_a_layer_before() -> None:
    found = points(Pin("*", "prefetch", "on"))
    assert found
    assert all(prefetched(point) == ["conv1", "conv2", "conv3"] for point in found)


def test_parameters_that_must_live_in_l3_may_be_prefetched() -> None:
    found = points(Pin("*", "params_home", "l3"))
    assert any(map(prefetched, found))
    assert all(set(dict(point.deployment.param_homes).values()) == {L3} for point in found)


@pytest.mark.parametrize(
    ("pins", "message"),
    [
        ((Pin("conv1", "prefetch", "maybe"),), "pin conv1.prefetch=maybe: must be on or off"),
        ((Pin("conv0", "prefetch", "on"),), "leave layer conv0 no way to run"),
        (
            (Pin("conv1", "prefetch", "on"), Pin("conv1", "params_home", "l2")),
            "leave layer conv1 no way to run",
        ),
    ],
)
def test_pins_that_cannot_be_kept_say_so(pins: tuple[Pin, ...], message: str) -> None:
    with pytest.raises(TaskError, match=message):
        evaluator(*pins).infeasible()


def test_a_platform_whose_cores_copy_has_nothing_to_prefetch() -> None:
    with pytest.raises(PinError, match="on rv32sim nothing comes from l3 while cores compute"):
        evaluator(Pin("conv1", "prefetch", "on"), platform="rv32sim").infeasible()
    plain = evaluator(platform="rv32sim").problem("nominal", True)
    assert plain.network is plain.least


def test_without_l3_nothing_is_prefetched() -> None:
    """Prefetched parameters live in L3: a budget that forbids it forbids them."""
    made = evaluator_of(task_of(every_operator(7), "siracusa", levels={"l3": 0}))
    problem = made.problem(made.task.platform.point().name, True)
    assert not any(taken.prefetched for each in problem.taken for taken in each)
