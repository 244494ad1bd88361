"""One small exploration that the tests of the command line look at from all sides."""

from __future__ import annotations

from pathlib import Path

import pytest

from dse.cli import main

MODELS = Path(__file__).parents[2] / "studies" / "models"
MODEL = MODELS / "dscnn_int8.onnx"


def explore(out: Path, *more: str, model: Path = MODEL, budget: str = "64kB", trials: int = 16) -> int:
    """Run `dse explore` in this process."""
    fixed = ["--platform", "rv32sim", "--trials", str(trials), "--points", "4", "--out", str(out)]
    return main(["explore", str(model), "--budget", budget, *fixed, *more])


@pytest.fixture(scope="session")
def explored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory as `dse explore` leaves it. Tests must not change it."""
    out = tmp_path_factory.mktemp("cli") / "dscnn.dse"
    assert explore(out) == 0
    return out
