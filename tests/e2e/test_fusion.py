"""Below the least memory of a network layer by layer there are fused deployments, and their C is right."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from compiler.deployment import deployment_from_json
from compiler.frontend import load
from costmodels.platform import load_platform
from dse.cli import main
from dse.evaluator import ProblemEvaluator
from dse.points import LeastMemory
from dse.task import Budget, Task
from dse.verify import verify

MODELS = Path(__file__).parents[2] / "studies" / "models"


@cache
def least(model: str, off_chip: bool) -> tuple[LeastMemory, ...]:
    levels = () if off_chip else (("l3", 0),)
    module = load(MODELS / f"{model}.onnx")
    return ProblemEvaluator(Task(module, load_platform("siracusa"), Budget(None, levels))).least_memories()


@pytest.mark.parametrize(
    ("model", "share"), [("resnet8_int8", 0.46), ("dscnn_int8", 0.85), ("mobilenetv1_025_int8", 0.78)]
)
def test_least_memory_falls_with_activations_on_chip(model: str, share: float) -> None:
    near = least(model, True)[0]
    assert near.activations == "l2"
    assert near.layer_by_layer is not None
    assert near.fused is not None
    assert near.ends_bytes < near.fused < share * near.layer_by_layer


def test_a_network_of_vectors_has_nothing_to_fuse() -> None:
    """The autoencoder needs little more than its own input."""
    near, far = least("autoencoder_int8", True)
    assert near.fused is far.fused is None
    assert near.ends_bytes == far.ends_bytes == 640


def test_a_budget_that_only_segments_meet(tmp_path: Path) -> None:
    alone, *_ = least("resnet8_int8", False)
    assert alone.layer_by_layer is not None
    assert alone.fused is not None
    budget = (alone.layer_by_layer + alone.fused) // 2
    out = tmp_path / "out"
    arguments = [
        str(MODELS / "resnet8_int8.onnx"),
        "--budget",
        f"{budget}B,l3=0B",
        "--trials",
        "24",
        "--quiet",
    ]
    assert main(["explore", *arguments, "--out", str(out), "--points", "4"]) == 0
    front = json.loads((out / "front.json").read_text())
    assert front["least_memory"][0]["fused"] == alone.fused
    assert front["points"]
    for point in front["points"]:
        assert point["segments"]
        deployment = deployment_from_json((out / point["deployment"]).read_text())
        assert "l3" not in {*deployment.home_of.values(), *deployment.param_home_of.values()}
        for target, harts in (("host", 8), ("rv32", 1), ("rv32", 8)):
            assert verify(out / point["c"], target, harts=harts).right  # type: ignore[arg-type]
    assert main(["explore", *arguments, "--pin", "*.fuse=off", "--out", str(tmp_path / "off")]) == 3


@pytest.mark.parametrize(("model", "budget"), [("resnet8_int8", "115kB"), ("dscnn_int8", "43kB")])
def test_cycles_of_fused_networks_are_predicted(model: str, budget: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = [str(MODELS / f"{model}.onnx"), "--platform", "rv32sim", "--budget", f"{budget},l3=0B"]
    arguments += ["--trials", "16", "--emit", "knee", "--quiet", "--out", str(out)]
    assert main(["explore", *arguments]) == 0
    (project,) = (out / "points").iterdir()
    result = verify(project, "rv32", harts=8)
    assert result.right
    assert result.cycles_comparable
    measured = sum(layer.cycles for layer in result.records.layers)
    assert abs(result.prediction.latency_cycles / measured - 1) < 0.02
