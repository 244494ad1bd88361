"""Segments in the search: rows are what deployments cost and need, and the least memory falls."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from compiler.counts import predict_counts
from compiler.lower import lower
from compiler.schedule.buffers import resident_buffers
from compiler.schedule.segments import FusedNeeds, segment_buffers, striped
from compiler.simulate import simulate
from compiler.tiling.stripes import SegmentGraph
from costmodels.platform import Platform, load_platform
from dse.evaluator import ProblemEvaluator
from dse.options import Effort
from dse.options.fused import ROLL
from dse.options.segment import SegmentOptions
from dse.points import DesignPoint
from dse.segmentation import runs, segmentations
from dse.task import Budget, Pin, Task
from tests.compiler.deployed import codes, outputs_of
from tests.compiler.networks import module_of
from tests.compiler.segments import fusible

QUICK = Effort(sizes=(("y", 3), ("x", 2), ("i", 2), ("n", 4)), other=3, candidates=200)
SEEDS = (0, 8, 19)


def evaluator(seed: int, pins: tuple[Pin, ...] = (), platform: str = "siracusa") -> ProblemEvaluator:
    chip: Platform = load_platform(platform)
    return ProblemEvaluator(Task(module_of(fusible(seed)), chip, Budget(None), pins=pins), QUICK)


def everything(seed: int) -> SegmentOptions:
    """The options of all layers as one segment."""
    found = evaluator(seed)
    point = found.task.platform.point().name
    return found._segments.options(point, 0, len(found.graph.operators))


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_solver_believes_is_what_is_deployed(seed: int) -> None:
    made = evaluator(seed)
    assert len(made.segmentations) > 1
    for number in range(1, len(made.segmentations)):
        need = next(need for need in made._needs if need.fusion == number)
        setting = made.setting({"fusion": str(number)}, 0.0)
        solution = made.solution(setting)
        for index in range(min(4, len(solution.points))):
            point = made.realise(setting, solution, index)
            assert isinstance(point, DesignPoint)
            assert point.latency_ms == pytest.approx(solution.points[index, 0])
            assert point.energy_uj == pytest.approx(solution.points[index, 1])
            assert len(point.deployment.segments) == len(made.segmentations[number])
            assert need.least.total_bytes <= point.memory_bytes
            prove(made, point)


def prove(made: ProblemEvaluator, point: DesignPoint) -> None:
    inputs = codes(made.graph, 3)
    found = simulate(made.graph, lower(made.graph, point.deployment), inputs)
    for name, expected in outputs_of(made.graph, inputs).items():
        np.testing.assert_array_equal(found.outputs[name], expected)
    assert found.counts == predict_counts(made.graph, point.deployment)


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_keep_to_the_front_and_to_l1(seed: int) -> None:
    options = everything(seed)
    assert options.options
    for option in options.options:
        assert len(option.rows) == len(option.picks)
        assert (option.rows[:, 2] <= options.maker.request.l1_bytes).all()
        for row in range(0, len(option.rows), 5):
            fused = options.fused(options.options.index(option), row)
            assert fused.segment.rows < options.maker.graph.rows[options.maker.graph.output]
            assert len(fused.plans) == len(options.maker.graph.operators)


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_need_what_the_compiler_allocates(seed: int) -> None:
    options = everything(seed)
    graph = options.maker.graph.graph
    for number, option in enumerate(options.options):
        for row in range(0, len(option.rows), 7):
            fused = options.fused(number, row)
            of = striped(graph, fused.segment)
            needs = FusedNeeds(fused.plans, fused.footprints, fused.homes, fused.param_homes)
            sizes = dict.fromkeys(("l1", "l2"), 0)
            for level, _, size in segment_buffers(of, needs):
                sizes[level] += size
            assert (sizes["l1"], sizes["l2"]) == tuple(option.rows[row, 2:4])
            kept = dict.fromkeys(("l2", "wmem_sram", "l1"), 0)
            for op, need in zip(of.graph.operators, fused.footprints, strict=True):
                for level, _, size in resident_buffers(op.name, need, fused.param_homes[op.name]):
                    kept[level] += size
            assert tuple(kept.values()) == option.resident


def test_without_a_link_within_l1_no_rows_are_kept() -> None:
    made = evaluator(4)
    chip = made.task.platform
    links = tuple(link for link in chip.links if link.name != ROLL)
    other = ProblemEvaluator(replace(made.task, platform=replace(chip, links=links)), QUICK)
    options = other._segments.options(chip.point().name, 0, len(other.graph.operators))
    modes = {pick.mode for option in options.options for pick in option.picks}
    assert modes == {"recompute"}


def test_least_memory_falls_and_a_pin_keeps_it_up() -> None:
    """A chain of equal tensors behind a small one: fused, only its ends are whole."""
    made = evaluator(0)
    least = {need.fusion: need.least.total_bytes for need in made._needs if need.level == "l2"}
    assert len(least) > 1
    assert min(least.values()) < least[0]
    alone = evaluator(0, (Pin("*", "fuse", "off"),))
    assert alone.segmentations == ((),)
    assert {need.least.total_bytes for need in alone._needs if need.level == "l2"} == {least[0]}


@pytest.mark.parametrize("seed", SEEDS)
def test_segmentations_are_disjoint_runs(seed: int) -> None:
    made = evaluator(seed)
    legal = {(run.first, run.last) for run in runs(made.graph, [True] * len(made.graph.operators))}
    for found in made.segmentations:
        assert set(found) <= legal
        assert all(a[1] <= b[0] for a, b in pairwise(found))


def test_a_segmentation_that_saves_nothing_is_not_offered() -> None:
    made = evaluator(4)
    near = made.problem(made.task.platform.point().name, False).network

    def huge(run: SegmentGraph) -> tuple[tuple[int, int, int], ...]:
        return ((1 << 30, 0, 0),)

    free = [True] * len(made.graph.operators)
    assert segmentations(made.graph, near, huge, free) == ((),)


def test_fuse_pins_that_say_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="must be on or off"):
        evaluator(4, (Pin("*", "fuse", "maybe"),))
