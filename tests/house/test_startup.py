"""`dse --help` answers at once, because nothing heavy is imported for it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

HEAVY = ("numpy", "onnx", "onnxruntime", "optuna", "ray", "rich", "jinja2", "compiler", "costmodels")
LIMIT_SECONDS = 0.5
TRIES = 7


def dse(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("dse")), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def timed_help() -> float:
    start = time.perf_counter()
    assert dse("--help").returncode == 0
    return time.perf_counter() - start


def test_help_is_quick() -> None:
    """The best of some tries: what the machine does besides is not the program's time."""
    assert min(timed_help() for _ in range(TRIES)) < LIMIT_SECONDS


@pytest.mark.parametrize("arguments", [["--help"], ["explore", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom dse.cli import main\n"
        f"try: main({arguments!r})\nexcept SystemExit: pass\n"
        f"print('heavy:', *sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1].split() == ["heavy:"]


def test_wrong_arguments_are_one_line() -> None:
    result = dse("explore", "model.onnx", "--budget", "much")
    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1
