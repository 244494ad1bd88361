"""Every model of ../shared/models/deeploy computes its golden outputs: reference, simulation, C."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest

from compiler.counts import predict_counts
from compiler.lower import lower
from compiler.reference import execute
from compiler.simulate import simulate
from tests.compiler.deployed import any_deployment, emitted, moved, ran
from tests.e2e.deeploy import Golden, golden
from tests.shared_models import deeploy

MODELS = (
    "Add_RQ",
    "Conv_DW_3x3_RQ",
    "Conv_PW_2D_RQ",
    "Conv_Regular_3x3_RQ",
    "Conv_StriddedPadded_2D_RQ",
    "GEMM_RQPerRow",
    "GEMM_TransB_RQ",
    "MLPerf_KeywordSpotting_DSCNN",
    "MatMul_RQ",
    "iHardswish_RQ",
    "iRMSNorm",
    "iSoftmax",
    "microLlama1",
    "microLlama64_parallel",
    "microLlama8_parallel",
    "miniMobileNet",
)

pytestmark = pytest.mark.shared


@functools.cache
def model(name: str) -> Golden:
    return golden(name)


def test_no_model_is_left_out() -> None:
    folder = deeploy("Add_RQ").parent
    assert sorted(path.parent.name for path in folder.glob("*/network.onnx")) == sorted(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_reference_computes_the_golden_outputs(name: str) -> None:
    found = model(name)
    assert found.outputs
    values = execute(found.graph, found.inputs)
    for tensor, expected in found.outputs.items():
        assert np.array_equal(values[tensor], expected), tensor


@pytest.mark.parametrize("name", MODELS)
def test_any_deployment_computes_them(name: str, tmp_path: Path) -> None:
    found = model(name)
    deployment = any_deployment(found.graph, seed=len(name))
    program = lower(found.graph, deployment)
    simulated = simulate(found.graph, program, found.inputs)
    for tensor, expected in found.outputs.items():
        assert np.array_equal(simulated.outputs[tensor], expected), tensor
    project = emitted(tmp_path / "project", found.graph, deployment, found.inputs)
    predicted = moved(predict_counts(found.graph, deployment))
    for target, harts in (("host", 8), ("rv32", 1), ("rv32", 8)):
        report = ran(project, target, harts=harts)  # type: ignore[arg-type]
        assert report.verdicts[-1] == "result ok", report.verdicts
        assert report.counts == predicted, (target, harts)
