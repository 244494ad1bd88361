"""The main job on the MLPerf Tiny networks: explored, emitted, and every point held to its prediction.

For every point of every front: reference = simulated deployment (proved when a point is emitted) = C on the
host = C on RV32 with one and eight harts, and predicted counts and bytes = counted ones.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from dse.cli import main
from dse.verify import verify
from tests.shared_models import mlperf_tiny

MODELS = ("ad_int8", "ic_resnet8_int8", "kws_dscnn_int8", "vww_mobilenetv1_int8")
BUDGETS = ("1MB", "128kB", "least")
TRIALS = "24"

pytestmark = pytest.mark.shared


def explore(model: Path, budget: str, out: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code and standard error of an exploration."""
    code = main(["explore", str(model), "--budget", budget, "--trials", TRIALS, "--out", str(out), "--quiet"])
    return code, capsys.readouterr().err


def least_budget(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> int:
    """The smallest budget that the tool itself reports, in bytes."""
    code, message = explore(model, "16B", tmp_path / "nothing", capsys)
    assert code == 3
    assert not (tmp_path / "nothing").exists()
    found = re.search(r"on_chip needs (\d+) B, there are 16 B", message)
    assert found, message
    return int(found[1])


def objectives(point: dict[str, Any]) -> tuple[float, float, float]:
    return point["latency_ms"], point["energy_uj"], point["memory_bytes"]


def dominates(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return all(x <= y for x, y in zip(objectives(a), objectives(b), strict=True)) and objectives(
        a
    ) != objectives(b)


def check_front(front: dict[str, Any], budget_bytes: int) -> None:
    points = front["points"]
    assert points
    assert [point["latency_ms"] for point in points] == sorted(point["latency_ms"] for point in points)
    assert not any(dominates(a, b) for a in points for b in points)
    assert sum(point["knee"] for point in points) == 1
    for point in points:
        peaks = point["peak_bytes"]
        on_chip = sum(size for level, size in peaks.items() if level != "l3")
        assert point["memory_bytes"] == on_chip <= budget_bytes
    bound = front["bound"]
    for axis, name in enumerate(("latency_ms", "energy_uj", "memory_bytes")):
        assert bound[name] <= min(objectives(point)[axis] for point in points) * (1 + 1e-9)


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("name", MODELS)
def test_every_point_of_the_front(
    name: str, budget: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = mlperf_tiny(name)
    size = {"1MB": 1_000_000, "128kB": 128_000}.get(budget) or least_budget(model, tmp_path, capsys)
    out = tmp_path / "out"
    code, message = explore(model, str(size), out, capsys)
    assert code == 0, message
    front = json.loads((out / "front.json").read_text())
    check_front(front, size)
    projects = sorted(path.name for path in (out / "points").iterdir())
    assert projects == [point["id"] for point in front["points"]]
    for project in projects:
        for target, harts in (("host", 8), ("rv32", 1), ("rv32", 8)):
            found = verify(out / "points" / project, target, harts=harts)  # type: ignore[arg-type]
            assert found.outputs_equal, (project, target, harts)
            assert found.counts_equal, (project, target, harts)
            assert found.bytes_equal, (project, target, harts)


@pytest.mark.parametrize("name", MODELS)
def test_two_percent_below_the_least_budget_is_infeasible(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = mlperf_tiny(name)
    budget = int(least_budget(model, tmp_path, capsys) * 0.98)
    code, message = explore(model, str(budget), tmp_path / "out", capsys)
    assert code == 3
    assert f"there are {budget} B" in message
    assert not (tmp_path / "out").exists()
