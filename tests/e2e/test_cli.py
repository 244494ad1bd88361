"""The command line from end to end: what it writes, what it prints, what it leaves behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse.cli import main
from tests.e2e.conftest import MODEL, MODELS, explore

Capture = pytest.CaptureFixture[str]


def front(root: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((root / "front.json").read_text())
    return document


def test_the_directory_is_complete(explored: Path) -> None:
    names = {path.name for path in explored.iterdir()}
    assert names == {
        "front.json", "front_all.jsonl", "front.csv", "layers.csv", "run.json", "report.html",
        "study.journal", "study.points.jsonl", "baselines.json", "hypervolume.csv",
        "model.onnx", "platform.toml", "golden.npz", "points",
    }  # fmt: skip
    assert os.listdir(explored.parent) == [explored.name]


def test_one_project_for_each_point_and_for_no_other(explored: Path) -> None:
    points = front(explored)["points"]
    assert sorted(os.listdir(explored / "points")) == [point["id"] for point in points]
    for point in points:
        assert {
            "network.c",
            "network.h",
            "main.c",
            "Makefile",
            "deployment.json",
            "counts.json",
            "runtime",
        } <= set(os.listdir(explored / point["c"]))
        assert (explored / point["deployment"]).is_file()


def test_points_are_sorted_and_mutually_non_dominated(explored: Path) -> None:
    rows = [(p["latency_ms"], p["energy_uj"], p["memory_bytes"]) for p in front(explored)["points"]]
    assert rows == sorted(rows)
    for a in rows:
        assert not any(b != a and all(y <= x for x, y in zip(a, b, strict=True)) for b in rows)
    assert sum(p["knee"] for p in front(explored)["points"]) == 1
    assert all(memory <= 64_000 for _, _, memory in rows)


def test_the_same_arguments_give_the_same_files(explored: Path, tmp_path: Path) -> None:
    assert explore(tmp_path / "again", "--quiet") == 0
    for name in ("front.json", "front_all.jsonl", "front.csv", "layers.csv", "baselines.json"):
        assert (tmp_path / "again" / name).read_bytes() == (explored / name).read_bytes()


def test_workers_change_nothing(explored: Path, tmp_path: Path) -> None:
    assert explore(tmp_path / "two", "--workers", "2", "--emit", "none", "--quiet") == 0
    alone = front(explored)
    for point in alone["points"]:
        point["c"] = point["deployment"] = None
    assert front(tmp_path / "two") == alone
    assert (tmp_path / "two" / "front_all.jsonl").read_bytes() == (explored / "front_all.jsonl").read_bytes()


def test_compare_says_what_the_report_says(explored: Path, capsys: Capture) -> None:
    assert main(["compare", str(explored), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((explored / "baselines.json").read_text())
    assert main(["compare", str(explored), "--csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(printed["baselines"])
    assert main(["compare", str(explored)]) == 0
    table = capsys.readouterr().out
    for row in printed["baselines"]:
        assert row["covered"] in (True, None), row["name"]
        assert f"{row['name']}: {row['what']}" in table


@pytest.mark.parametrize("target", ["host", "rv32"])
def test_every_point_runs_as_predicted(explored: Path, target: str, capsys: Capture) -> None:
    for point in front(explored)["points"]:
        assert main(["run", str(explored / point["c"]), "--target", target, "--format", "json"]) == 0
        result = json.loads(capsys.readouterr().out)
        assert result["right"]
        assert result["cycles_comparable"] is (target == "rv32")
        assert result["predicted_cycles"] == point["latency_cycles"]
        assert sum(layer["counted"]["macs"] for layer in result["layers"]) == point["macs"]
        linked = {level: size["linked"] for level, size in result["bytes"].items()}
        assert linked == point["peak_bytes"]


def test_run_prints_prediction_beside_count_and_error(explored: Path, capsys: Capture) -> None:
    assert main(["run", str(explored / "points" / "000"), "--target", "rv32"]) == 0
    out = capsys.readouterr().out
    assert "all equal" in out
    assert "measured" in out
    assert "%" in out
    assert main(["run", str(explored / "points" / "000"), "--target", "host"]) == 0
    assert "cycles: not compared" in capsys.readouterr().out


def test_run_fails_where_c_and_prediction_differ(explored: Path, tmp_path: Path, capsys: Capture) -> None:
    copy = tmp_path / "000"
    shutil.copytree(explored / "points" / "000", copy)
    counts = json.loads((copy / "counts.json").read_text())
    counts["layers"][0]["calls"] += 1
    (copy / "counts.json").write_text(json.dumps(counts))
    assert main(["run", str(copy), "--target", "host"]) == 1
    out = capsys.readouterr().out
    assert "counts DIFFER" in out
    assert "WRONG" in out


def test_any_point_can_be_emitted(explored: Path, tmp_path: Path, capsys: Capture) -> None:
    lines = [json.loads(line) for line in (explored / "front_all.jsonl").read_text().splitlines()]
    other = next(line["id"] for line in reversed(lines))
    project = tmp_path / "project"
    assert main(["emit", str(explored), other, "--out", str(project)]) == 0
    assert main(["run", str(project), "--target", "host"]) == 0
    assert main(["emit", str(explored), "nothing", "--out", str(project)]) == 2
    assert "no point 'nothing'" in capsys.readouterr().err


def test_emitting_a_listed_point_again_gives_the_same_c(explored: Path, tmp_path: Path) -> None:
    assert main(["emit", str(explored), "000", "--out", str(tmp_path / "p")]) == 0
    there = explored / "points" / "000"
    files = [path.relative_to(tmp_path / "p") for path in (tmp_path / "p").rglob("*") if path.is_file()]
    assert all((tmp_path / "p" / file).read_bytes() == (there / file).read_bytes() for file in files)
    assert len(files) > 20


def test_a_deployment_is_priced_again(explored: Path, tmp_path: Path, capsys: Capture) -> None:
    point = front(explored)["points"][1]
    assert main(["evaluate", str(explored / point["deployment"]), "--format", "json"]) == 0
    again = json.loads(capsys.readouterr().out)
    for name in ("latency_ms", "latency_cycles", "energy_uj", "memory_bytes", "peak_bytes", "macs"):
        assert again[name] == point[name]
    shutil.copyfile(explored / point["deployment"], tmp_path / "d.json")
    assert main(["evaluate", str(tmp_path / "d.json")]) == 2
    assert "--model" in capsys.readouterr().err
    assert main(["evaluate", str(tmp_path / "d.json"), "--model", str(MODEL)]) == 0
    out = capsys.readouterr().out
    assert "stem_conv" in out
    assert f"network: {point['latency_cycles']} cycles, bound by " in out
    why = again["explanation"]
    assert sum(cause["cycles"] for cause in why["causes"]) == why["cycles"] == point["latency_cycles"]
    assert main(["evaluate", str(tmp_path / "d.json"), "--model", str(MODELS / "autoencoder_int8.onnx")]) == 2
    assert "another model" in capsys.readouterr().err


def test_a_trace_ends_with_the_latency(explored: Path, tmp_path: Path, capsys: Capture) -> None:
    point = front(explored)["points"][0]
    for given in (point["c"], point["deployment"]):
        assert main(["trace", str(explored / given), "--out", str(tmp_path / "t.json"), "--tiles", "8"]) == 0
        assert capsys.readouterr().out == f"{tmp_path / 't.json'}\n"
        rows = json.loads((tmp_path / "t.json").read_text())["traceEvents"]
        end_us = max(row["ts"] + row["dur"] for row in rows if row["ph"] == "X")
        assert end_us == pytest.approx(1e3 * point["latency_ms"], abs=0.001)
    assert main(["trace", str(explored / point["c"]), "--out", str(tmp_path / "no" / "t.json")]) == 2
    assert main(["trace", str(explored / point["c"]), "--out", str(tmp_path)]) == 2
    assert main(["trace", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 3


def test_a_report_links_the_traces_it_was_asked_for(explored: Path, tmp_path: Path) -> None:
    copy = tmp_path / "dir"
    shutil.copytree(explored, copy, ignore=shutil.ignore_patterns("runtime", "study.*"))
    plain = (copy / "report.html").read_text()
    assert "Why it takes as long" in plain
    assert "is not what the cost model gives now" not in plain
    assert 'href="traces/' not in plain
    assert main(["report", str(copy), "--traces"]) == 0
    page = (copy / "report.html").read_text()
    for point in front(copy)["points"]:
        assert f'href="traces/{point["id"]}.json"' in page
        assert json.loads((copy / "traces" / f"{point['id']}.json").read_text())["traceEvents"]


def test_the_front_is_printed_with_its_knee(tmp_path: Path, capsys: Capture) -> None:
    assert explore(tmp_path / "out", "--emit", "knee") == 0
    out = capsys.readouterr().out
    knee = next(point for point in front(tmp_path / "out")["points"] if point["knee"])
    (line,) = [line for line in out.splitlines() if "knee" in line]
    assert line.startswith(knee["id"])
    assert str(tmp_path / "out" / "points" / knee["id"]) in line
    assert os.listdir(tmp_path / "out" / "points") == [knee["id"]]
    assert [p["c"] for p in front(tmp_path / "out")["points"]].count(None) == 3


def test_quiet_is_quiet(tmp_path: Path, capsys: Capture) -> None:
    assert explore(tmp_path / "out", "--quiet", "--emit", "none", trials=4) == 0
    assert capsys.readouterr() == ("", "")
    assert not (tmp_path / "out" / "points").exists()


def test_what_does_not_fit_says_why_and_leaves_nothing(tmp_path: Path, capsys: Capture) -> None:
    assert explore(tmp_path / "deep" / "out", budget="16B") == 3
    out, err = capsys.readouterr()
    assert out == ""
    for word in ("does not fit", "needs", "16 B", "largest", "try"):
        assert word in err
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_fit_keeps_an_earlier_result(explored: Path, tmp_path: Path) -> None:
    shutil.copytree(explored, tmp_path / "out")
    assert explore(tmp_path / "out", budget="16B") == 3
    assert (tmp_path / "out" / "front.json").read_bytes() == (explored / "front.json").read_bytes()
    assert os.listdir(tmp_path) == ["out"]


def test_foreign_directories_are_refused_before_any_work(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter").write_text("precious")
    assert explore(tmp_path / "thesis", model=tmp_path / "not even looked at.onnx") == 2
    assert "not empty" in capsys.readouterr().err
    assert (tmp_path / "thesis" / "chapter").read_text() == "precious"


@pytest.mark.parametrize("damage", ["empty", "text", "truncated", "half", "directory"])
def test_broken_models_are_one_line(damage: str, tmp_path: Path, capsys: Capture) -> None:
    data = MODEL.read_bytes()
    content = {"empty": b"", "text": b"hello\n", "truncated": data[:100], "half": data[: len(data) // 2]}
    model = tmp_path / "model.onnx"
    if damage == "directory":
        model.mkdir()
    else:
        model.write_bytes(content[damage])
    assert explore(tmp_path / "out", model=model) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert os.listdir(tmp_path) == ["model.onnx"]


def test_pins_hold(tmp_path: Path, capsys: Capture) -> None:
    assert explore(tmp_path / "out", "--pin", "*.buffering=1", "--emit", "none", trials=4) == 0
    rows = [json.loads(line) for line in (tmp_path / "out" / "front_all.jsonl").read_text().splitlines()]
    assert {layer["buffering"] for row in rows for layer in row["layers"]} == {1}
    assert explore(tmp_path / "no", "--pin", "nowhere.buffering=1") == 2
    assert "nowhere" in capsys.readouterr().err


def test_golden_inputs_come_from_a_file(tmp_path: Path, capsys: Capture) -> None:
    np.savez(tmp_path / "golden.npz", np.full((1, 1, 25, 5), 0.25, np.float32))
    arguments = ["--emit", "knee", "--golden", str(tmp_path / "golden.npz")]
    code = explore(tmp_path / "out", *arguments, trials=4)
    if code == 2:  # the shape is the model's business: the message names the right one
        shape = capsys.readouterr().err.split("the input is ")[1].strip()
        np.savez(tmp_path / "golden.npz", np.full(eval(shape), 0.25, np.float32))
        code = explore(tmp_path / "out", *arguments, trials=4)
    assert code == 0
    with np.load(tmp_path / "out" / "golden.npz") as golden:
        assert len(np.unique(golden["input0"])) == 1
    (project,) = (tmp_path / "out" / "points").iterdir()
    assert main(["run", str(project), "--target", "host"]) == 0


def test_synthetic_calibration_is_a_visible_note(tmp_path: Path, capsys: Capture) -> None:
    pytest.importorskip("onnxruntime")
    model = MODELS / "dscnn_float.onnx"
    assert explore(tmp_path / "out", "--emit", "knee", model=model, trials=4) == 0
    assert "synthetic" in capsys.readouterr().err
    assert any(
        "synthetic" in note for note in json.loads((tmp_path / "out" / "run.json").read_text())["notes"]
    )
    assert "synthetic" in (tmp_path / "out" / "report.html").read_text()
    some = json.loads((tmp_path / "out" / "front_all.jsonl").read_text().splitlines()[0])["id"]
    assert main(["emit", str(tmp_path / "out"), some]) == 0


def test_resume_goes_on_where_it_stopped(explored: Path, tmp_path: Path, capsys: Capture) -> None:
    shutil.copytree(explored, tmp_path / "out")
    assert explore(tmp_path / "out", "--resume", "--emit", "none", trials=32) == 0
    assert json.loads((tmp_path / "out" / "run.json").read_text())["new_trials"] == 16
    assert explore(tmp_path / "fresh", "--emit", "none", trials=32) == 0
    assert front(tmp_path / "out") == front(tmp_path / "fresh")
    capsys.readouterr()
    assert explore(tmp_path / "out", "--resume", budget="32kB", trials=32) == 2
    assert "budget" in capsys.readouterr().err


def test_report_is_written_again(explored: Path, tmp_path: Path, capsys: Capture) -> None:
    shutil.copytree(explored, tmp_path / "out")
    (tmp_path / "out" / "report.html").unlink()
    assert main(["report", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "out" / "report.html")
    assert (tmp_path / "out" / "report.html").read_text() == (explored / "report.html").read_text()


def wait_for(condition: Any, seconds: float = 60) -> None:
    """Poll until `condition()`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_ctrl_c_keeps_what_was_found(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-c", "import sys; from dse.cli import main; sys.exit(main())"]
    arguments = ["explore", str(MODEL), "--budget", "64kB", "--platform", "rv32sim", "--time", "10min"]
    with subprocess.Popen([*command, *arguments, "--points", "4", "--out", str(out)]) as process:
        wait_for(lambda: any(path.stat().st_size for path in tmp_path.glob(".out.*/study.journal")))
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert os.listdir(tmp_path) == ["out"]
    assert len(front(out)["points"]) == len(os.listdir(out / "points")) > 0
    assert json.loads((out / "run.json").read_text())["interrupted"]
    assert main(["run", str(next((out / "points").iterdir())), "--target", "host"]) == 0


def test_a_resume_of_something_else_names_the_directory_and_what_differs(
    explored: Path, tmp_path: Path, capsys: Capture
) -> None:
    shutil.copytree(explored, tmp_path / "out")
    assert explore(tmp_path / "out", "--resume", "--platform", "gap8") == 2
    said = capsys.readouterr().err
    assert said.startswith(f"dse: {tmp_path / 'out' / 'study.journal'} was made with platform ")
    assert "not gap8 " in said


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"[]", b"{}"])
def test_what_is_no_deployment_is_named(content: bytes | None, tmp_path: Path, capsys: Capture) -> None:
    if content is not None:
        (tmp_path / "d.json").write_bytes(content)
    assert main(["evaluate", str(tmp_path / "d.json")]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"dse: {tmp_path / 'd.json'}: ")
    assert "Errno" not in said


def test_help_answers_in_half_a_second() -> None:
    command = [sys.executable, "-c", "from dse.cli import main; main(['--help'])"]
    times = []
    for _ in range(3):
        begin = time.monotonic()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.monotonic() - begin)
    assert min(times) < 0.5
