"""The Makefile and CI's runner, without installing anything."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.house.markdown import ROOT


def plan(tmp_path: Path, target: str) -> str:
    """What `make target` would do on a machine where nothing is there yet."""
    command = ["make", "--dry-run", target, f"VENV={tmp_path / 'venv'}"]
    # The suite itself runs under make, whose flags must not reach this one.
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS")}
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    return result.stdout


def test_explore_installs_only_the_main_job(tmp_path: Path) -> None:
    text = plan(tmp_path, "explore")
    assert "make-venv" in text
    assert "--editable ." in text
    assert "[dev]" not in text
    assert "dse explore studies/models/resnet8_int8.onnx --budget 1MB" in text


def test_test_installs_everything_and_runs_all_checks(tmp_path: Path) -> None:
    text = plan(tmp_path, "test")
    assert ".[dev]" in text
    for tool in ("ruff check", "ruff format --check", "mypy", "lint-imports", "pytest -n 2"):
        assert tool in text


@pytest.mark.parametrize("code", [0, 2])
def test_runner_gives_on_the_exit_code_and_ends_with_pytest(tmp_path: Path, code: int) -> None:
    fake = tmp_path / "make"
    says = "echo called with $@; echo '3 passed in 1s'; echo 'make: *** [test] Error' >&2"
    fake.write_text(f"#!/bin/sh\n{says}\nexit {code}\n")
    fake.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    result = subprocess.run(
        [ROOT / ".ci" / "run"], env=environment, capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert result.returncode == code
    assert result.stdout.splitlines() == ["called with test", "3 passed in 1s"]
