"""Attention below the least memory of its layers: blocks of queries, scores that are never whole, right C."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest

from compiler.deployment import deployment_from_json
from compiler.frontend import load
from compiler.schedule.segments import striped
from costmodels.platform import load_platform
from dse.cli import main
from dse.evaluator import ProblemEvaluator
from dse.task import Budget, Task
from dse.verify import verify
from studies.attention.model import Shape, attention

SHAPE = Shape(48, 16, 4, 4)


@pytest.mark.parametrize("causal", [False, True])
def test_a_budget_that_only_depth_first_attention_meets(causal: bool, tmp_path: Path) -> None:
    model = tmp_path / "attention.onnx"
    onnx.save(attention(SHAPE, causal=causal), model)
    module = load(model)
    chip = load_platform("siracusa")
    least, *_ = ProblemEvaluator(Task(module, chip, Budget(None, (("l3", 0),)))).least_memories()
    assert least.layer_by_layer is not None
    assert least.fused is not None
    assert 2 * least.fused < least.layer_by_layer
    budget = (least.layer_by_layer + least.fused) // 2
    out = tmp_path / "out"
    task = [str(model), "--budget", f"{budget}B,l3=0B", "--trials", "16", "--refine", "none"]
    assert main(["explore", *task, "--quiet", "--out", str(out), "--points", "3"]) == 0
    front = json.loads((out / "front.json").read_text())
    engines = set()
    for point in front["points"]:
        deployment = deployment_from_json((out / point["deployment"]).read_text())
        (scores,) = (op.output for op in module.main if op.name == "scores")
        inside = [
            of
            for segment in deployment.segments
            if scores in (of := striped(module.main, segment)).graph.inner
        ]
        assert inside
        assert inside[0].window_bytes(scores) < SHAPE.heads * SHAPE.tokens**2
        kinds = {op.name: op.kind for op in module.main}
        engines |= {(kinds[plan.operator], plan.engine) for plan in deployment.plans}
        for target, harts in (("host", 8), ("rv32", 1), ("rv32", 8)):
            assert verify(out / point["c"], target, harts=harts).right  # type: ignore[arg-type]
    assert ("matmul", "cluster") in engines
