"""Fused layers are priced layer by layer: counts as predicted, causes that add up, recompute that costs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compiler.counts import predict_counts
from compiler.deployment import Deployment, Segment
from compiler.ir import Graph
from compiler.schedule import Decisions, deploy, footprint
from compiler.tiling.stripes import LINE, RECOMPUTE
from costmodels.platform import load_platform
from dse.estimate import Estimator
from dse.explain import explain
from dse.points import DesignPoint, OuterSetting
from dse.task import Budget, Task
from tests.compiler.deployed import ROOM
from tests.compiler.networks import module_of
from tests.compiler.segments import attending, fused_deployment, fusible
from tests.golden.cases import GOLDEN


def fusible_or_attention(seed: int) -> Graph:
    return attending(seed) if seed % 2 else fusible(seed)


def priced(deployment: Deployment, seed: int, platform: str) -> tuple[Task, DesignPoint]:
    chip = load_platform(platform)
    module = module_of(fusible_or_attention(seed))
    task = Task(module, chip, Budget(None))
    named = replace(deployment, operating_point=chip.point().name)
    return task, Estimator(task).design_point(
        OuterSetting(0, 0, chip.point().name, False, 0.0), named, "given"
    )


@pytest.mark.parametrize("platform", ["siracusa", "gap9"])
@pytest.mark.parametrize("seed", range(8))
def test_every_layer_has_a_price_and_its_counts(platform: str, seed: int) -> None:
    graph = fusible_or_attention(seed)
    deployment = fused_deployment(graph, seed)
    if {plan.layout for plan in deployment.plans} - {
        "plain",
        "neureka" if platform == "siracusa" else "ne16",
    }:
        return
    task, point = priced(deployment, seed, platform)
    for layer, counts in zip(point.layers, predict_counts(graph, deployment), strict=True):
        assert (layer.calls, layer.macs) == (counts.calls, counts.macs)
        assert {name: tuple(rest) for name, *rest in layer.links} == {
            name: (link.transfers, link.lines, link.bytes) for name, link in counts.links
        }
        assert sum(cycles for _, cycles in layer.causes) == pytest.approx(layer.cycles)
        assert layer.cycles > 0
    explanation = explain(task.module, task.platform, point)
    assert sum(layer.cycles for layer in explanation.layers) == point.latency_cycles


def halo(mode: str, rows: int) -> DesignPoint:
    """The golden pair (3x3, then 1x1) on siracusa, single buffered."""
    graph, deployment = GOLDEN["segment_lines"].deployment("pair")
    chip = load_platform("siracusa")
    segment = Segment(0, 2, rows, mode, 1, ("first", "conv"))
    plans = deployment.plans
    needs = tuple(footprint(op, op.space(graph.by_name), plan) for op, plan in zip(graph, plans, strict=True))
    decisions = Decisions(plans, needs, deployment.home_of, deployment.param_home_of, (segment,))
    found = deploy(module_of(graph), "siracusa", chip.point().name, decisions, ROOM)
    assert isinstance(found, Deployment)
    task = Task(module_of(graph), chip, Budget(None))
    return Estimator(task).design_point(OuterSetting(0, 0, chip.point().name, False, 0.0), found, "given")


def test_lines_move_rows_and_recompute_loads_them_again() -> None:
    lines, again = halo(LINE, 1).layers[0], halo(RECOMPUTE, 1).layers[0]
    moved = {name: size for name, _, _, size in lines.links}
    reloaded = {name: size for name, _, _, size in again.links}
    assert "l1_l1" in moved
    assert "l1_l1" not in reloaded
    assert reloaded["l2_l1"] > moved["l2_l1"]
    assert halo(RECOMPUTE, 1).peak_bytes == halo(LINE, 1).peak_bytes


def test_higher_stripes_need_more_memory_and_fewer_calls() -> None:
    low, high = halo(RECOMPUTE, 1), halo(RECOMPUTE, 3)
    assert high.layers[0].calls < low.layers[0].calls
    assert high.memory_bytes > low.memory_bytes
    assert high.latency_ms < low.latency_ms
