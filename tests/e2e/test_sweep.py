"""`dse sweep` explores the cross product, skips what is done, and goes on after what fails."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest

from dse.cli import main
from tests.e2e.conftest import MODEL, MODELS

Capture = pytest.CaptureFixture[str]


def study(folder: Path, **changes: object) -> Path:
    keys: dict[str, object] = {
        "schema": 1,
        "models": [str(MODEL), str(MODELS / "autoencoder_int8.onnx")],
        "platforms": ["rv32sim"],
        "budgets": ["64kB", "16B"],
        "trials": 4,
        "points": 2,
    }
    path = folder / "small.toml"
    path.write_text("\n".join(f"{key} = {json.dumps(value)}" for key, value in (keys | changes).items()))
    return path


def summary(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((out / "summary.csv").open()))


def test_runs_the_cross_product_and_resumes(tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out"
    arguments = ["sweep", str(study(tmp_path)), "--out", str(out)]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    rows = summary(out)
    assert [row["status"] for row in rows] == ["done", "infeasible", "done", "infeasible"]
    assert all(row["id"] in printed for row in rows)
    assert "does not fit" in rows[1]["message"]
    assert sorted(os.listdir(out / "runs")) == sorted(row["id"] for row in rows if row["status"] == "done")
    front = out / "runs" / rows[0]["id"] / "front.json"
    before = front.stat().st_mtime_ns
    assert main(arguments) == 0
    assert front.stat().st_mtime_ns == before
    assert summary(out) == rows


def test_a_broken_model_does_not_stop_the_others(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    path = study(tmp_path, models=["broken.onnx", str(MODEL)], budgets=["64kB"])
    assert main(["sweep", str(path), "--out", str(tmp_path / "out")]) == 1
    first, second = summary(tmp_path / "out")
    assert (first["status"], second["status"]) == ("failed", "done")
    assert "broken.onnx" in first["message"]
    assert "broken.onnx" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"budgets": ["lots"]}, "lots"), ({"models": ["gone.onnx"]}, "gone.onnx"), ({"speed": 1}, "speed")],
)
def test_a_wrong_study_is_one_line(
    changes: dict[str, object], word: str, tmp_path: Path, capsys: Capture
) -> None:
    assert main(["sweep", str(study(tmp_path, **changes)), "--out", str(tmp_path / "out")]) == 2
    err = capsys.readouterr().err
    assert word in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()
