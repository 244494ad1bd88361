"""Whole networks on rv32sim, predicted within three per cent: the knee of each model, and one front."""

from __future__ import annotations

from pathlib import Path

import pytest

from dse.cli import main
from dse.verify import Verification, verify

MODELS = Path(__file__).resolve().parents[2] / "studies" / "models"
PLATFORM = Path(__file__).resolve().parents[2] / "costmodels" / "platforms" / "rv32sim.toml"
WITHIN = 0.03


def platform_of(harts: int, folder: Path) -> str:
    """rv32sim with fewer cores is a platform of its own that goes by the same name."""
    if harts == 8:
        return "rv32sim"
    path = folder / "rv32.toml"
    path.write_text(PLATFORM.read_text().replace("cores = { value = 8", f"cores = {{ value = {harts}"))
    return str(path)


def cycles(found: Verification) -> tuple[float, float]:
    """Predicted and measured."""
    return float(found.prediction.latency_cycles), sum(layer.cycles for layer in found.records.layers)


@pytest.mark.parametrize("harts", [1, 8])
@pytest.mark.parametrize("model", ["dscnn_int8", "resnet8_int8", "mobilenetv1_025_int8", "autoencoder_int8"])
def test_cycles_of_a_network(model: str, harts: int, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["explore", str(MODELS / f"{model}.onnx"), "--platform", platform_of(harts, tmp_path)]
    command += ["--budget", "400kB", "--trials", "4", "--points", "3", "--quiet", "--out", str(out)]
    command += ["--emit", "front" if model == "dscnn_int8" else "knee"]
    assert main(command) == 0
    points = sorted((out / "points").iterdir())
    assert points
    for project in points:
        found = verify(project, "rv32", harts=harts)
        assert found.right, project.name
        assert found.cycles_comparable
        predicted, measured = cycles(found)
        assert predicted == pytest.approx(measured, rel=WITHIN), project.name
