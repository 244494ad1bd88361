"""GAP9 with its NE16 and GAP8 without an NPU: explored, lowered, simulated, and run as C, all the same codes.

Simulation and C are held to the reference bit for bit, and every count of the C to its prediction. No chip
is asked: on both targets the NPU is the runtime's functional model.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from compiler.frontend import load
from compiler.ir import Module
from compiler.ops.conv2d import Conv2d
from compiler.targets import Target
from costmodels.platform import load_platform
from dse.evaluator import ProblemEvaluator
from dse.output import Job, emit_one
from dse.output.golden import synthetic_codes
from dse.output.projects import golden_vectors
from dse.points import DesignPoint
from dse.task import Budget, Task
from dse.verify import Verification, verify

MODELS = Path(__file__).parents[2] / "studies" / "models"
CORES = 8
TARGETS: tuple[Target, ...] = ("host", "rv32")


@dataclass(frozen=True)
class Wanted:
    """Points of a model on a platform: those that some of the evaluator's roomy seeds ask for."""

    model: str
    platform: str
    seeds: tuple[int, ...]


@cache
def module(model: str) -> Module:
    return load(MODELS / f"{model}.onnx")


@cache
def points(wanted: Wanted) -> tuple[DesignPoint, ...]:
    """The distinct points that the seeds ask for."""
    task = Task(module(wanted.model), load_platform(wanted.platform), Budget(None))
    evaluator = ProblemEvaluator(task)
    # The first two ask for the least memory, in so many tiles that simulating them takes minutes.
    seeds = evaluator.seeds()[2:]
    answers = [evaluator.evaluate(evaluator.setting(*seeds[k])).point for k in wanted.seeds]
    found = {point.deployment: point for point in answers if point is not None}
    return tuple(found.values())


def check(wanted: Wanted, folder: Path) -> tuple[Verification, ...]:
    """Emit every point, run its C on every target, and assert that all agrees."""
    graph = module(wanted.model).main
    golden = golden_vectors(graph, {name: synthetic_codes(graph.by_name[name], 3) for name in graph.inputs})
    results = []
    for number, point in enumerate(points(wanted)):
        project = folder / str(number)
        assert emit_one(graph, golden, Job(project, point, CORES)) == "simulated"
        for target in TARGETS:
            result = verify(project, target, sanitize=target == "host")
            assert result.outputs_equal
            assert result.counts_equal
            assert result.bytes_equal
            results.append(result)
    return tuple(results)


def npu_layers(point: DesignPoint) -> set[str]:
    return {plan.operator for plan in point.deployment.plans if plan.engine == "npu"}


def test_dscnn_runs_on_ne16(tmp_path: Path) -> None:
    wanted = Wanted("dscnn_int8", "gap9", (0, 3))
    assert len(points(wanted)) == 2
    assert all({plan.layout for plan in p.deployment.plans} == {"plain", "ne16"} for p in points(wanted))
    for result in check(wanted, tmp_path):
        assert sum(layer.npu_jobs for layer in result.records.layers) > 0


@pytest.mark.parametrize(("model", "depthwise"), [("mobilenetv1_025_int8", True), ("resnet8_int8", False)])
def test_layers_with_stride_2_run_on_ne16(model: str, depthwise: bool, tmp_path: Path) -> None:
    wanted = Wanted(model, "gap9", (0,))
    (point,) = points(wanted)
    operators = [op for op in module(model).main if op.name in npu_layers(point)]
    assert any(
        isinstance(op, Conv2d) and op.stride == (2, 2) and op.depthwise == depthwise for op in operators
    )
    check(wanted, tmp_path)


def test_dscnn_runs_on_gap8(tmp_path: Path) -> None:
    wanted = Wanted("dscnn_int8", "gap8", (0,))
    (point,) = points(wanted)
    assert npu_layers(point) == set()
    for result in check(wanted, tmp_path):
        assert sum(layer.npu_jobs for layer in result.records.layers) == 0
