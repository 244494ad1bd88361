"""The price of a deployment: sums, causes, peaks, boot, and agreement with the solver."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from compiler.counts import predict_counts
from compiler.deployment import LEVELS, Deployment
from compiler.ir import Graph, IntType, Tensor
from compiler.schedule import Decisions, LevelCapacities, deploy, footprint
from costmodels.platform import OperatingPoint, Platform, load_platform
from dse.estimate import PREFETCH, Estimator, PlannedLayer, planned_layers, price_one
from dse.points import DesignPoint, OuterSetting
from dse.task import Task
from tests.compiler.networks import Choice, conv, every_operator, random_decisions
from tests.dse.small import every_operator_evaluator, task_of, without_l3

ROOM = LevelCapacities(dict.fromkeys(LEVELS, 1 << 24))
SETTING = OuterSetting(1 << 16, 1 << 18, "nominal", True, 0.5)


def deployed(task: Task, seed: int) -> Deployment:
    decisions = random_decisions(task.module.main, random.Random(seed))
    made = deploy(task.module, task.platform.name, "nominal", decisions, ROOM)
    assert isinstance(made, Deployment)
    return made


def priced(task: Task, seed: int) -> DesignPoint:
    return Estimator(task).design_point(SETTING, deployed(task, seed), "given")


@pytest.mark.parametrize("seed", range(3))
def test_everything_is_a_sum_over_layers(seed: int) -> None:
    task = task_of(every_operator(seed))
    point = priced(task, seed)
    counts = predict_counts(task.module.main, point.deployment)
    cycles = sum(value for layer in point.layers for _, value in layer.causes)
    assert point.latency_ms == pytest.approx(cycles / task.platform.reference_hz(task.platform.point()) * 1e3)
    assert cycles <= point.latency_cycles < cycles + 1
    assert point.energy_uj == pytest.approx(sum(layer.energy_uj for layer in point.layers))
    assert point.macs == sum(count.macs for count in counts)
    assert dict(point.engines) == {"cluster": len(point.layers)}
    for layer, count in zip(point.layers, counts, strict=True):
        assert layer.calls == count.calls
        assert layer.links == tuple((name, k.transfers, k.lines, k.bytes) for name, k in count.links)
        assert min(value for _, value in layer.causes) >= 0
        assert layer.binding in {layer.engine, *(cause for cause, _ in layer.causes)}


def test_memory_is_the_sum_of_on_chip_peaks_and_boot_loads_what_stays() -> None:
    point = priced(task_of(every_operator(1)), 1)
    peaks = dict(point.peak_bytes)
    assert point.memory_bytes == peaks["l1"] + peaks["l2"]
    resident = [b.bytes for b in point.deployment.buffers if b.name[:2] in ("p/", "q/", "w/")]
    assert point.boot_bytes == sum(resident) > 0
    assert point.boot_ms > 0


def test_layer_footprints_reach_the_peak_of_l1() -> None:
    point = priced(task_of(every_operator(2)), 2)
    assert max(layer.l1_bytes for layer in point.layers) <= dict(point.peak_bytes)["l1"]


def test_remembered_layers_cost_what_fresh_ones_cost() -> None:
    task = task_of(every_operator(0))
    shared = Estimator(task)
    for seed in range(3):
        one = shared.design_point(SETTING, deployed(task, seed), "given")
        assert one == Estimator(task).design_point(SETTING, deployed(task, seed), "given")


def test_an_operating_point_changes_the_price_of_the_same_layers() -> None:
    siracusa = load_platform("siracusa")
    fast, slow = siracusa.operating_points[:2]
    task = task_of(every_operator(0), siracusa)
    estimator, made = Estimator(task), deployed(task, 0)
    one = estimator.design_point(replace(SETTING, operating_point=fast.name), made, "given")
    other = estimator.design_point(replace(SETTING, operating_point=slow.name), made, "given")
    assert one.latency_ms != other.latency_ms
    assert one.macs == other.macs


@pytest.mark.parametrize("platform", ["siracusa", "rv32sim"])
def test_the_solver_predicts_the_very_price_of_its_points(platform: str) -> None:
    evaluator = every_operator_evaluator(platform)
    checked = 0
    for choices, position in evaluator.seeds():
        setting = evaluator.setting(choices, position)
        solution = evaluator.solution(setting)
        for index in range(0, len(solution.points), max(1, len(solution.points) // 4)):
            point = evaluator.realise(setting, solution, index)
            if isinstance(point, DesignPoint):
                wanted = [point.latency_ms, point.energy_uj]
                assert solution.points[index, :2].tolist() == pytest.approx(wanted, rel=1e-9)
                checked += 1
    assert checked > 20


def test_a_chip_without_l3_boots_from_where_its_constants_are() -> None:
    task = task_of(every_operator(1), without_l3())
    decisions = random_decisions(task.module.main, random.Random(0))
    homes = dict.fromkeys(decisions.homes, "l2")
    plans = tuple(replace(plan, staging=("direct",) * len(plan.staging)) for plan in decisions.plans)
    near = replace(
        decisions, plans=plans, homes=homes, param_homes=dict.fromkeys(decisions.param_homes, "l2")
    )
    made = deploy(task.module, "bare", "nominal", near, ROOM)
    assert isinstance(made, Deployment)
    point = Estimator(task).design_point(SETTING, made, "given")
    assert point.boot_bytes > 0
    assert point.boot_ms == 0


def all_from_l3(task: Task, prefetch: int) -> DesignPoint:
    """Activations in L2, all parameters whole from L3, each under the layer before or not."""
    graph = task.module.main
    rng = random.Random(3)
    wanted = random_decisions(graph, rng, Choice(homes=("l2",), param_homes=("l3",)))
    plans = tuple(
        replace(
            plan,
            staging=(*plan.staging[:-2], "whole", plan.staging[-1]),
            prefetch=min(step, prefetch) if need.region else 0,
        )
        for step, (plan, need) in enumerate(zip(wanted.plans, wanted.footprints, strict=True))
    )
    made = deploy(task.module, task.platform.name, "nominal", replace(wanted, plans=plans), ROOM)
    assert isinstance(made, Deployment)
    return Estimator(task).design_point(SETTING, made, "given")


def test_a_prefetch_hides_under_the_layer_before_as_far_as_that_lasts() -> None:
    task = task_of(every_operator(0), load_platform("siracusa"))
    plain, ahead = all_from_l3(task, 0), all_from_l3(task, 1)
    total = 0.0
    for step, (before, after) in enumerate(zip(plain.layers, ahead.layers, strict=True)):
        fetch = dict(before.causes)["staging"]
        plan = ahead.deployment.plans[step]
        assert dict(after.causes)["staging"] == (0.0 if plan.prefetch else fetch)
        if plan.prefetch:
            issuing = plain.layers[step - 1]
            cover = issuing.cycles - dict(issuing.causes)["staging"]
            total += fetch - max(0.0, fetch - cover)
    assert sum(plan.prefetch for plan in ahead.deployment.plans) == 5
    hidden = sum(layer.cycles for layer in plain.layers) - sum(layer.cycles for layer in ahead.layers)
    assert hidden == pytest.approx(total)
    assert hidden > 0
    standing_mw = task.platform.standing_mw(task.platform.point())
    saved_ms = plain.latency_ms - ahead.latency_ms
    assert plain.energy_uj - ahead.energy_uj == pytest.approx(saved_ms * standing_mw)


@pytest.mark.parametrize("distance", [2, 4])
def test_farther_ahead_is_priced_as_well(distance: int) -> None:
    task = task_of(every_operator(0), load_platform("siracusa"))
    plain, ahead = all_from_l3(task, 0), all_from_l3(task, distance)
    cycles = sum(value for layer in ahead.layers for _, value in layer.causes)
    assert cycles == pytest.approx(sum(layer.cycles for layer in ahead.layers))
    assert ahead.latency_ms < plain.latency_ms


def test_a_copy_loop_hides_nothing() -> None:
    task = task_of(every_operator(0))
    assert all_from_l3(task, 1).latency_ms == pytest.approx(all_from_l3(task, 0).latency_ms)


@pytest.mark.parametrize("first", [0, 6, 12])
def test_what_deployments_share_has_the_price_that_each_has_alone(first: int) -> None:
    """Bit for bit: layers that look alike, tilings and homes that come back."""
    task = task_of(every_operator(first))
    shared = Estimator(task)
    for seed in range(first, first + 6):
        deployment = deployed(task, seed)
        point = shared.design_point(SETTING, deployment, "given")
        assert point == Estimator(task).design_point(SETTING, deployment, "given")
        planned = planned_layers(task.module.main, deployment)
        for layer, estimate in zip(planned, point.layers, strict=True):
            alone = price_one(task.platform, task.platform.point(), layer)
            assert (estimate.name, estimate.kind) == (layer.op.name, layer.op.kind)
            own = sum(cycles for name, cycles in estimate.causes if name != PREFETCH)
            assert own == pytest.approx(float(alone.priced.total_cycles[0]), rel=1e-12)


def alike(first_home: str, first_staging: str) -> tuple[Task, Deployment]:
    """Two layers that look alike and have one tiling; the first reads its input from a home of its own."""
    rng = np.random.default_rng(0)
    source = Tensor("x", (1, 6, 6, 8), IntType.I8, 0.05, -4)
    first, middle = conv("first", source, 8, rng, window=(1, 1), pads=(0, 0, 0, 0), groups=1)
    second, last = conv("second", middle, 8, rng, window=(1, 1), pads=(0, 0, 0, 0), groups=1)
    task = task_of(Graph("main", (source, middle, last), (first, second), ("x",), (last.name,)))
    plan = replace(deployed(task, 0).plans[0], staging=("direct", "direct", "direct"))
    plans = replace(plan, staging=(first_staging, *plan.staging[1:])), replace(plan, operator="second")
    homes = {"x": first_home, middle.name: "l2", last.name: "l2"}
    needs = tuple(
        footprint(op, op.space(task.module.main.by_name), plan)
        for op, plan in zip((first, second), plans, strict=True)
    )
    params = {"first": "l2", "second": "l2"}
    made = deploy(task.module, task.platform.name, "nominal", Decisions(plans, needs, homes, params), ROOM)
    assert isinstance(made, Deployment)
    return task, made


@pytest.mark.parametrize(("home", "staging"), [("l3", "whole"), ("l3", "tile"), ("l2", "direct")])
def test_a_layer_that_looks_like_another_moves_its_own_tensors(home: str, staging: str) -> None:
    task, made = alike(home, staging)
    counts = predict_counts(task.module.main, made)
    layers = Estimator(task).design_point(SETTING, made, "given").layers
    for layer, count in zip(layers, counts, strict=True):
        assert layer.links == tuple((name, k.transfers, k.lines, k.bytes) for name, k in count.links)


def test_repeated_layers_are_priced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    task, same = alike("l2", "direct")
    priced_names = []

    def count(platform: Platform, point: OperatingPoint, layer: PlannedLayer) -> object:
        priced_names.append(layer.op.name)
        return price_one(platform, point, layer)

    monkeypatch.setattr("dse.estimate.price_one", count)
    layers = Estimator(task).design_point(SETTING, same, "given").layers
    assert priced_names == ["first"]
    assert [layer.name for layer in layers] == ["first", "second"]
    assert replace(layers[0], name="second") == layers[1]
