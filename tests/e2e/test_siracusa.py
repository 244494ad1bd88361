"""Every emitted point of a front for Siracusa builds for it, and runs where a simulator is named."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from compiler.targets import build
from dse.cli import main
from tests.e2e.conftest import explore

GCC = shutil.which("riscv64-unknown-elf-gcc")
SIMULATOR = os.environ.get("DSE_SIRACUSA_SIM", "")


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


@pytest.mark.skipif(GCC is None, reason="needs riscv64-unknown-elf-gcc")
def test_gcc_builds_it_too(points: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clang, which pip brings, and Debian's GCC read the instruction of the event unit alike."""
    monkeypatch.setenv("CROSS", "riscv64-unknown-elf-")
    assert build(points[0], "siracusa", harts=8, out=tmp_path / "network").path.is_file()


@pytest.mark.skipif(not SIMULATOR, reason="no simulator of Siracusa is named in DSE_SIRACUSA_SIM")
def test_every_point_runs_bit_exactly(points: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    for point in points:
        assert main(["run", str(point), "--target", "siracusa", "--format", "json"]) == 0
        assert json.loads(capsys.readouterr().out)["right"]
