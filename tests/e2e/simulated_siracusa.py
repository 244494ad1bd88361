"""What needs a simulator of Siracusa, which no registry ships: run by hand, never collected by itself.

DSE_SIRACUSA_SIM=COMMAND pytest tests/e2e/simulated_siracusa.py
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compiler.targets import Variant, build, run
from dse.cli import main
from tests.compiler.targets.projects import make_project
from tests.compiler.targets.test_npu_regs import jobs_config
from tests.contracts.test_targets import expected_lines
from tests.e2e.conftest import explore


@pytest.mark.parametrize(("harts", "counters"), [(1, True), (8, True), (3, False)])
def test_the_contract_of_targets_holds(harts: int, counters: bool, tmp_path: Path) -> None:
    project = make_project(tmp_path, "contract", config="#define BARRIER 1\n")
    result = run(build(project, "siracusa", harts=harts, counters=counters), timeout_s=60)
    expected = expected_lines(Variant("siracusa", harts, counters=counters))
    assert result.stdout.splitlines() == expected, result.stderr


def test_the_npu_computes_what_the_functional_model_does(tmp_path: Path) -> None:
    """All modes, 2 to 8 bits, both memories of weights, outputs of 8 and 32 bits, any padding value."""
    project = make_project(tmp_path, "npu_jobs", kernels=True, config=jobs_config(3, 402))
    result = run(build(project, "siracusa", harts=8), timeout_s=300)
    assert (result.exit_code, result.stdout) == (0, "402 jobs, 0 wrong\n"), result.stderr


def test_every_point_runs_bit_exactly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "dscnn.dse"
    assert explore(out, "--platform", "siracusa", budget="200kB", trials=8) == 0
    capsys.readouterr()
    for point in sorted((out / "points").iterdir()):
        assert main(["run", str(point), "--target", "siracusa", "--format", "json"]) == 0
        assert json.loads(capsys.readouterr().out)["right"]
