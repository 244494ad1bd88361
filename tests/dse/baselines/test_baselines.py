"""Policies are points like all others: legal, within the budget, bit exact, and no better than the front."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from compiler.deployment import L2, L3, WHOLE
from compiler.schedule.legality import check_deployment
from costmodels.platform import load_platform
from dse.baselines import POLICIES, Baseline, Policy, baselines, compare
from dse.baselines.document import document, entry, flat
from dse.baselines.policies import Tiles
from dse.baselines.tiles import best_tile, dory_score
from dse.limits import limits_of
from dse.options import Effort
from dse.options.candidates import layer_candidates
from dse.output import golden_inputs
from dse.output.projects import Job, emit_one, golden_vectors
from dse.points import DesignPoint
from dse.search import SearchOptions
from dse.session import exploration_of, explore_task
from dse.task import Pin, Task
from dse.verify import verify
from tests.compiler.networks import every_operator
from tests.dse.search.fake import point
from tests.dse.small import small_graph, task_of, without_l3

BY_NAME = {policy.name: policy for policy in POLICIES}


@cache
def every(platform: str = "siracusa") -> dict[str, Baseline]:
    return {found.policy.name: found for found in baselines(task_of(every_operator(7), platform))}


def made(found: Baseline) -> DesignPoint:
    assert found.point is not None, found.why
    return found.point


@pytest.mark.parametrize("name", BY_NAME)
def test_rules_are_kept(name: str) -> None:
    policy, deployment = BY_NAME[name], made(every()[name]).deployment
    check_deployment(every_operator(7), deployment)
    engines = {plan.operator: plan.engine for plan in deployment.plans}
    assert engines["sum"] == "cluster"
    assert engines["point"] == ("cluster" if name == "cluster-only" else "npu")
    assert {plan.buffering for plan in deployment.plans} == {policy.buffering}
    expected = {"weights-l3": L3, "deeploy-wmem": "wmem_sram"}.get(name, L2)
    assert deployment.param_home_of["point"] == expected
    assert deployment.param_home_of["dense"] == (L3 if name == "weights-l3" else L2), "no NPU reads them"
    staged = {plan.staging[-2] for plan in deployment.plans if plan.operator in ("point", "dense")}
    assert staged == ({WHOLE} if name == "weights-l3" else {"direct"})


@pytest.mark.parametrize("budget", [None, 60_000, 20_000, 8_000, 3_000, 200])
@pytest.mark.parametrize("platform", ["siracusa", "rv32sim"])
def test_every_policy_obeys_the_budget_or_says_why_not(platform: str, budget: int | None) -> None:
    task = task_of(every_operator(7), platform, budget=budget)
    limits = limits_of(task)
    for found in baselines(task):
        if found.point is None:
            assert found.why
            assert "\n" not in found.why
            continue
        assert found.why == ""
        assert found.point.memory_bytes <= limits.on_chip_bytes
        for level, size in found.point.peak_bytes:
            assert size <= limits.capacities.get(level, 0)


def test_a_tight_budget_is_an_answer() -> None:
    found = baselines(task_of(every_operator(7), budget=200))
    assert [each.point for each in found] == [None] * len(POLICIES)
    without = baselines(task_of(small_graph(3), without_l3()))
    whys = {each.policy.name: each.why for each in without if each.point is None}
    assert set(whys) == {"weights-l3", "deeploy-wmem"}
    assert all(why == "bare has no memory for such weights" for why in whys.values())


def test_levels_are_caps() -> None:
    task = task_of(every_operator(7), "siracusa", levels={"l1": 1500})
    tiled = [made(found) for found in baselines(task) if found.point]
    assert tiled
    assert all(dict(each.peak_bytes)["l1"] <= 1500 for each in tiled)
    assert any(layer.calls > 1 for each in tiled for layer in each.layers)


@pytest.mark.parametrize("seed", range(3))
def test_the_front_is_nowhere_worse(seed: int) -> None:
    task = task_of(small_graph(seed), "siracusa", budget=40_000)
    outcome = explore_task(task, SearchOptions(trials=24), refining=None)
    assert isinstance(outcome, tuple)
    found = exploration_of(task, outcome[0])
    assert found is not None
    gains = compare(baselines(task), dict(found.named))
    assert any(gain.baseline.point for gain in gains)
    for gain in gains:
        if gain.baseline.point:
            assert gain.covered, gain.baseline.policy.name
            assert min(gain.latency or 0, gain.energy or 0, gain.memory or 0) >= 1 - 1e-9


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_its_c_is_bit_exact_on_the_host(policy: Policy, tmp_path: Path) -> None:
    task = task_of(every_operator(7), "siracusa", levels={"l1": 2000})
    (found,) = baselines(task, (policy,))
    graph = task.module.main
    golden = golden_vectors(graph, golden_inputs(graph, (), None, 3))
    assert emit_one(graph, golden, Job(tmp_path / "p", made(found), 8)) != "none"
    assert verify(tmp_path / "p", "host").right


def test_pins_go_before_rules() -> None:
    pins = (Pin("point", "engine", "cluster"), Pin("point", "tile", "o=8"), Pin("*", "buffering", "1"))
    task = task_of(every_operator(7), "siracusa", pins=pins)
    (found,) = baselines(task, (BY_NAME["deeploy"],))
    plan = next(plan for plan in made(found).deployment.plans if plan.operator == "point")
    assert (plan.engine, plan.sizes["o"], plan.buffering) == ("cluster", 8, 1)
    pinned = Task(task.module, task.platform, task.budget, pins=(Pin("point", "output_home", "l1"),))
    kept = Task(task.module, task.platform, task.budget, pins=(Pin("point", "params_home", "wmem_sram"),))
    homes = {each.policy.name: each for each in baselines(kept)}
    for name in ("deeploy", "weights-l3"):
        assert made(homes[name]).deployment.param_home_of["point"] == "wmem_sram"
    assert homes["cluster-only"].why == "pins want other homes of layer point", "cores do not read there"
    (lost,) = baselines(pinned, (BY_NAME["deeploy"],))
    assert (lost.point, lost.why) == (None, "pins want other homes of layer point")


def test_dory_prefers_shapes_that_suit_the_kernels() -> None:
    graph, platform = every_operator(7), load_platform("siracusa")
    op = next(op for op in graph.operators if op.name == "dense")
    space = op.space(graph.by_name)
    c = layer_candidates(op, space, platform.engine_of["cluster"], 1 << 17, Effort())[0]
    bytes_ = np.arange(c.grid.count)
    score = dory_score(c, bytes_)
    o, trips = c.grid.tile("o"), c.grid.trip("i")
    same = (
        (c.grid.tile("y") == c.grid.tile("y").max())
        & (c.grid.tile("x") == c.grid.tile("x").max())
        & (trips == 1)
    )
    fours, others = same & (o % 4 == 0), same & (o % 4 != 0)
    assert fours.any()
    assert others.any()
    assert score[fours].min() > score[others].max()


def test_a_layer_that_fits_is_not_tiled_and_none_fitting_is_said() -> None:
    graph, platform = every_operator(7), load_platform("siracusa")
    op = next(op for op in graph.operators if op.name == "dense")
    c = layer_candidates(op, op.space(graph.by_name), platform.engine_of["cluster"], 1 << 17, Effort())[0]
    sizes = np.prod(c.grid.tiles, axis=1)
    for rule in Tiles:
        whole = best_tile(rule, c, sizes, sizes, 1 << 40)
        assert whole is not None
        assert c.grid.steps[whole] == 1
        part = best_tile(rule, c, sizes, sizes, int(sizes.max()) - 1)
        assert part is not None
        assert c.grid.steps[part] > 1
        assert best_tile(rule, c, sizes, sizes, int(sizes.min()) - 1) is None
        unbroken = c.grid.trip("i") == 1
        least = int(sizes[unbroken].min())
        tight = best_tile(rule, c, sizes, sizes, least)
        assert tight is not None
        assert unbroken[tight], "a reduction is tiled only where nothing else fits"
        tighter = best_tile(rule, c, sizes, sizes, least - 1)
        assert tighter is not None
        assert not unbroken[tighter]


def test_gains_are_at_equal_memory() -> None:
    base = Baseline(POLICIES[0], point(4.0, 40.0, 1000))
    front = {"a": point(1.0, 60.0, 1001), "b": point(2.0, 50.0, 1000), "c": point(3.0, 20.0, 800)}
    (gain,) = compare([base], front)
    assert (gain.latency, gain.energy, gain.memory, gain.covered) == (2.0, 2.0, 1.25, True)
    assert [named and named[0] for named in (gain.quickest, gain.thriftiest, gain.smallest)] == [
        "b",
        "c",
        "c",
    ]
    (worse,) = compare([base], {"a": front["a"]})
    assert (worse.latency, worse.energy, worse.memory, worse.covered) == (None, None, None, False)
    (none,) = compare([Baseline(POLICIES[0], None, "too large")], front)
    assert (none.latency, none.covered) == (None, None)
    rows = document([gain, worse, none])["baselines"]
    assert [flat(row)["covered"] for row in rows] == [True, False, ""]
    assert entry(none)["why"] == "too large"
