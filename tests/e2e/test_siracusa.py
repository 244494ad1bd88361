"""Every emitted point of a front for Siracusa builds for it. `simulated_siracusa.py` runs them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from compiler.targets import build
from dse.cli import main
from tests.compiler.targets.projects import drive_registers
from tests.e2e.conftest import explore

COMPILERS = [None, *(["riscv64-unknown-elf-"] if shutil.which("riscv64-unknown-elf-gcc") else [])]
"""Values of CROSS: pip's compiler, and Debian's where it is installed."""


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    out = tmp_path_factory.mktemp("siracusa") / "dscnn.dse"
    assert explore(out, "--platform", "siracusa", budget="200kB", trials=8) == 0
    return sorted((out / "points").iterdir())


def test_every_point_builds_without_a_warning(
    points: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DSE_SIRACUSA_SIM", raising=False)
    assert len(points) > 1
    for point in points:
        assert main(["run", str(point), "--target", "siracusa"]) == 0
        said = capsys.readouterr().out
        assert "not run" in said
        assert len(said.splitlines()) == 1
        assert (point / "build" / "siracusa-8" / "network").is_file()


@pytest.mark.parametrize("cross", COMPILERS)
def test_every_compiler_here_builds_it(
    cross: str | None, points: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clang, which pip brings, and Debian's GCC read the instruction of the event unit alike."""
    if cross is None:
        monkeypatch.delenv("CROSS", raising=False)
    else:
        monkeypatch.setenv("CROSS", cross)
    assert build(points[0], "siracusa", harts=8, out=tmp_path / "network").path.is_file()


def test_every_point_is_right_through_registers(
    points: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The driver of the NPU on the host, on a model that knows nothing but register words."""
    jobs = 0
    for point in points:
        project = shutil.copytree(point, tmp_path / point.name)
        drive_registers(project)
        assert main(["run", str(project), "--target", "host", "--format", "json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["right"]
        jobs += sum(layer["counted"]["npu_jobs"] for layer in found["layers"])
    assert jobs > 0
