"""Explanations of real deployments: sums that are exact, binding, rooflines, prices of another version."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.deployment import LEVELS, Deployment
from compiler.lower import lower
from compiler.program import LayerProgram
from compiler.schedule import LevelCapacities, deploy
from costmodels.anatomy import CORE
from costmodels.platform import load_platform
from costmodels.timeline import events
from dse.estimate import Estimator
from dse.explain import Explainer, explain
from dse.explain.layer import bound_text, explain_layer, take_apart
from dse.explain.rounding import apportion
from dse.points import DesignPoint, OuterSetting
from dse.task import Task
from tests.compiler.deployed import layers_of
from tests.compiler.networks import every_operator, random_decisions
from tests.compiler.segments import fused_deployment, fusible
from tests.dse.small import every_operator_evaluator, task_of

ROOM = LevelCapacities(dict.fromkeys(LEVELS, 1 << 24))
PLATFORMS = ("siracusa", "gap8", "gap9", "rv32sim")


@cache
def priced(platform: str, seed: int) -> tuple[Task, DesignPoint]:
    """A random deployment: single and double buffering, every staging and home, border tiles; prefetches
    with seed 8.
    """
    task = task_of(every_operator(seed), load_platform(platform))
    name = task.platform.point().name
    decisions = random_decisions(task.module.main, random.Random(seed))
    made = deploy(task.module, platform, name, decisions, ROOM)
    assert isinstance(made, Deployment)
    setting = OuterSetting(1 << 16, 1 << 18, name, True, 0.5)
    return task, Estimator(task).design_point(setting, made, "given")


cases = pytest.mark.parametrize(
    ("platform", "seed"), [(name, seed) for name in PLATFORMS for seed in (0, 1, 8)]
)


@cases
def test_causes_add_up_to_layers_and_layers_to_the_latency(platform: str, seed: int) -> None:
    task, point = priced(platform, seed)
    why = explain(task.module, task.platform, point)
    assert not why.repriced
    assert why.cycles == point.latency_cycles
    assert why.cycles == sum(layer.cycles for layer in why.layers) == sum(why.by_cause.values())
    assert why.cycles == sum(share.exposed_cycles for share in why.shares)
    for layer, estimate in zip(why.layers, point.layers, strict=True):
        assert layer.cycles == sum(cause.cycles for cause in layer.causes)
        assert abs(layer.cycles - estimate.cycles) < 1
        for group, cycles in estimate.causes:
            parts = [cause.cycles for cause in layer.causes if cause.group == group]
            assert sum(parts) == pytest.approx(cycles, abs=len(parts) + 1e-6)


@cases
def test_what_binds_is_most_of_a_path_as_long_as_the_layer(platform: str, seed: int) -> None:
    task, point = priced(platform, seed)
    for layer, estimate in zip(explain(task.module, task.platform, point).layers, point.layers, strict=True):
        assert sum(share.binding_cycles for share in layer.shares) == pytest.approx(estimate.cycles)
        assert layer.shares[0].binding_cycles == max(share.binding_cycles for share in layer.shares)
        assert layer.bound_by in {CORE, estimate.engine, *task.platform.link_of}
        assert 0 < layer.bound_share <= 1 + 1e-9
        for share in layer.shares:
            assert 0 <= share.gain <= 1
            assert share.gain * estimate.cycles <= share.binding_cycles + 1e-6
            if not dict(estimate.causes)["prefetch"]:  # waits for a copy that another layer started
                assert share.exposed_cycles <= share.busy_cycles + len(layer.causes)


@cases
def test_no_layer_is_above_its_roofs(platform: str, seed: int) -> None:
    task, point = priced(platform, seed)
    rooflines = [layer.roofline for layer in explain(task.module, task.platform, point).layers]
    assert [roof is not None for roof in rooflines] == [layer.macs > 0 for layer in point.layers]
    for roof, layer in zip(rooflines, point.layers, strict=True):
        if roof is not None:
            assert roof.macs_per_cycle == pytest.approx(layer.macs / layer.cycles)
            assert 0 < roof.macs_per_cycle <= roof.ceiling
            assert {link.link for link in roof.links} == {name for name, *_, size in layer.links if size}


@cases
def test_the_timeline_is_the_walk_of_the_emitted_program(platform: str, seed: int) -> None:
    """Tile by tile the same links move for the same tile, and the last event ends with the price."""
    task, point = priced(platform, seed)
    program = lower(task.module.main, point.deployment)
    apart = Explainer(task.module, task.platform).apart(point)
    for layer, estimate, pieces in zip(layers_of(program), point.layers, apart, strict=True):
        drawn = list(events(pieces.anatomy, 1 << 20))
        own = estimate.cycles - dict(estimate.causes)["prefetch"]
        assert max(event.end for event in drawn) == pytest.approx(own)
        moved = {(event.tile, event.track) for event in drawn if event.kind in ("transfer", "stage")}
        assert moved == _walked(layer)
        assert [event.tile for event in drawn if event.kind == "kernel"] == list(range(layer.steps))


def _walked(layer: LayerProgram) -> set[tuple[int, str]]:
    """(tile, link) of everything that the program moves; tile -1: whole operands."""
    found = {(-1, move.link) for move in (*layer.before, *layer.after)}
    for tile, step in enumerate(layer.walk()):
        found |= {(tile, move.link) for move in (*step.loads, *step.stores)}
    return found


def test_prefetches_are_work_of_the_link_where_they_start_and_causes_where_they_show() -> None:
    task, point = priced("rv32sim", 8)
    explainer = Explainer(task.module, task.platform)
    copied = sum(copy.elapsed for span in explainer.spans(point) for copy in span.copies)
    why = explainer.explain(point)
    shown = sum(dict(layer.causes)["prefetch"] for layer in point.layers)
    assert copied >= shown > 0
    assert why.by_cause["prefetch"] == pytest.approx(shown, abs=len(point.layers))
    (link,) = [share for share in why.shares if share.resource == "l3_l2"]
    staged = sum(cycles for name, cycles in why.by_cause.items() if name == "stage_l3_l2")
    assert link.busy_cycles >= copied + staged - len(point.layers)


@pytest.mark.parametrize("seed", range(4))
def test_fused_layers_are_explained_too(seed: int) -> None:
    graph = fusible(seed)
    task, made = task_of(graph, load_platform("siracusa")), fused_deployment(graph, seed)
    setting = OuterSetting(1 << 16, 1 << 18, "nominal", True, 0.5)
    point = Estimator(task).design_point(setting, made, "given")
    explainer = Explainer(task.module, task.platform)
    for pieces, layer in zip(explainer.apart(point), point.layers, strict=True):
        own = layer.cycles - dict(layer.causes)["prefetch"]
        assert sum(term.cycles for term in pieces.causes) == pytest.approx(own)
        assert max(event.end for event in events(pieces.anatomy, 1 << 20)) == pytest.approx(own)
    assert explainer.explain(point).cycles == point.latency_cycles


def test_equal_prices_are_explained_as_they_are_and_others_by_todays_model() -> None:
    task, point = priced("siracusa", 0)
    invented = replace(point, latency_cycles=7, layers=tuple(replace(la, cycles=1.0) for la in point.layers))
    explainer = Explainer(task.module, task.platform)
    today, other = explainer.explain(point), explainer.explain(invented)
    assert (today.repriced, other.repriced) == (False, True)
    assert replace(other, repriced=False) == today


def test_causes_that_an_anatomy_does_not_know_keep_their_names() -> None:
    task, point = priced("siracusa", 0)
    known = Explainer(task.module, task.platform).apart(point)[0]
    layer = point.layers[0]
    more = replace(layer, cycles=layer.cycles + 1000, causes=(*layer.causes, ("refresh", 1000.0)))
    shown = explain_layer(take_apart(known.anatomy, more, None), more, round(more.cycles))
    assert shown.by_cause["refresh"] in (999, 1000, 1001)
    assert sum(shown.by_cause.values()) == round(more.cycles)
    assert "refresh" in {share.resource for share in shown.shares}


def test_what_binds_in_words() -> None:
    siracusa, sim = load_platform("siracusa"), load_platform("rv32sim")
    names = ("npu", CORE, "l2_l1", "l3_l2", "refresh")
    words = ["compute on npu", "set-up", "DMA l2_l1", "L3 l3_l2", "refresh"]
    assert [bound_text(siracusa, name) for name in names] == words
    assert bound_text(sim, "l2_l1") == "copy l2_l1"


def test_points_of_a_search_are_explained() -> None:
    evaluator = every_operator_evaluator("siracusa")
    setting = evaluator.setting(*next(iter(evaluator.seeds())))
    point = evaluator.evaluate(setting).point
    assert isinstance(point, DesignPoint)
    why = explain(evaluator.task.module, evaluator.task.platform, point)
    assert sum(layer.cycles for layer in why.layers) == point.latency_cycles


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=40), st.booleans())
def test_rounded_parts_add_up_and_are_near(values: list[float], up: bool) -> None:
    total = int(sum(values)) + up
    parts = apportion(values, total)
    assert sum(parts) == total
    assert all(abs(part - value) <= 1 for part, value in zip(parts, values, strict=True))
    if not up and all(value == int(value) for value in values):
        assert parts == tuple(int(value) for value in values)


def test_a_sum_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no sum"):
        apportion([1.0, 2.0], 7)
