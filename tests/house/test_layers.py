"""Who may import whom."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.house.markdown import ROOT

REVERSED = """
[importlinter]
root_packages =
    costmodels
    compiler
    dse

[importlinter:contract:reversed]
name = reversed
type = layers
layers =
    costmodels
    compiler
    dse
"""


def lint(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_contracts_hold() -> None:
    result = lint()
    assert result.returncode == 0, result.stdout


def test_the_linter_sees_the_packages(tmp_path: Path) -> None:
    config = tmp_path / "reversed.ini"
    config.write_text(REVERSED)
    result = lint("--config", str(config))
    assert result.returncode != 0
    assert "reversed BROKEN" in result.stdout
