"""Both graphs of a language model on the command line: what is written, which spellings, what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from dse.cli import main
from tests.compiler.frontend.language import decode_model
from tests.compiler.frontend.models import save
from tests.pairs import saved_pair

Capture = pytest.CaptureFixture[str]
LITTLE = ["--trials", "1", "--points", "3", "--refine", "none", "--budget", "64kB"]
LITTLE += ["--pin", "*.operating_point=nominal", "--pin", "*.fuse=off"]
LITTLE += ["--pin", "*.engine=cluster", "--pin", "*.params_home=l2"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, str]:
    prefill, decode, data = saved_pair(tmp_path_factory.mktemp("files"))
    return str(prefill), str(decode), str(data)


@pytest.fixture(scope="module")
def explored(files: tuple[str, str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pair") / "out"
    prefill, decode, data = files
    given = [prefill, decode, "--tokens", "4:3", "--calibration", data, *LITTLE]
    assert main(["explore", *given, "--out", str(out)]) == 0
    return out


def front(root: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((root / "front.json").read_text())
    return document


def test_the_directory_holds_one_for_each_graph(explored: Path) -> None:
    names = {path.name for path in explored.iterdir()}
    assert {"front.json", "front_all.jsonl", "run.json", "platform.toml", "prefill", "decode"} <= names
    document = front(explored)
    assert set(document["graphs"]) == {"prefill", "decode"}
    assert document["tokens"] == {"prompt": 4, "generated": 3, "prefill_rows": 6, "decode_runs": [0, 2]}
    for side in ("prefill", "decode"):
        own = front(explored / side)
        assert own["model"]["sha256"] == document["graphs"][side]["sha256"]
        for point, half in zip(document["points"], own["points"], strict=True):
            assert point["graphs"][side]["latency_ms"] == half["latency_ms"]
            assert (explored / point["graphs"][side]["deployment"]).is_file()


def test_figures_of_the_front(explored: Path) -> None:
    for point in front(explored)["points"]:
        prefill, decode = (point["graphs"][side] for side in ("prefill", "decode"))
        assert point["first_token_ms"] == prefill["latency_ms"]
        assert point["us_per_token"] == pytest.approx(1e3 * decode["latency_ms"])
        assert point["latency_ms"] == pytest.approx(prefill["latency_ms"] + 2 * decode["latency_ms"])
        assert max(prefill["memory_bytes"], decode["memory_bytes"]) <= point["memory_bytes"] <= 64_000


@pytest.mark.parametrize("target", ["host", "rv32"])
def test_the_c_of_a_pair_is_as_predicted(explored: Path, target: str, capsys: Capture) -> None:
    points = front(explored)["points"]
    assert all((explored / point["c"] / "main.c").is_file() for point in points)
    project = explored / points[0]["c"]
    assert main(["run", str(project), "--target", target, "--harts", "1", "--format", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert all(said[what] for what in ("outputs_equal", "counts_equal", "bytes_equal"))
    sides = [layer["name"].split(":")[0] for layer in said["layers"]]
    assert sides == sorted(sides, reverse=True)
    assert set(sides) == {"prefill", "decode"}
    counts = json.loads((project / "counts.json").read_text())
    assert points[0]["boot_bytes"] >= counts["boot_bytes"] > 0


def test_a_pair_is_no_deployment(explored: Path, capsys: Capture) -> None:
    assert main(["evaluate", str(explored / "points" / "000")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert (
        f"say {explored / 'prefill' / 'points' / '000'} or {explored / 'decode' / 'points' / '000'}" in said
    )


def test_the_old_spelling_finds_the_same(files: tuple[str, str, str], explored: Path, tmp_path: Path) -> None:
    prefill, decode, data = files
    given = [decode, "--prefill", prefill, "--tokens", "4:3", "--calibration", data, *LITTLE, "--quiet"]
    assert main(["explore", *given, "--out", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "front.json").read_bytes() == (explored / "front.json").read_bytes()


@pytest.mark.parametrize("side", ["prefill", "decode"])
def test_the_commands_of_one_graph_work_on_each(explored: Path, side: str, capsys: Capture) -> None:
    assert main(["evaluate", str(explored / side / "points" / "000"), "--format", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["latency_ms"] == pytest.approx(front(explored / side)["points"][0]["latency_ms"])
    assert main(["compare", str(explored / side), "--json"]) == 0


def test_report_writes_both(explored: Path, tmp_path: Path, capsys: Capture) -> None:
    root = tmp_path / "copy"
    shutil.copytree(explored, root)
    for side in ("prefill", "decode"):
        (root / side / "report.html").unlink()
    assert main(["report", str(root)]) == 0
    assert all((root / side / "report.html").is_file() for side in ("prefill", "decode"))


@pytest.mark.parametrize("command", [["compare"], ["dashboard"], ["emit", "000"]])
def test_other_commands_say_where_to_look(explored: Path, command: list[str], capsys: Capture) -> None:
    assert main([command[0], str(explored), *command[1:]]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"say {explored / 'prefill'} or {explored / 'decode'}" in said


REFUSED = {
    "no tokens": ("{prefill} {decode}", "need --tokens P:N"),
    "no second graph": ("{decode} --tokens 4:3", "--tokens is for two graphs"),
    "both spellings": ("{prefill} {decode} --prefill {prefill} --tokens 4:3", "is the prefill graph already"),
    "no numbers": ("{prefill} {decode} --tokens 4", "'4' is not PROMPT:GENERATED"),
    "nothing told": ("{prefill} {decode} --tokens 4:0", "'4:0' is not PROMPT:GENERATED"),
    "too long": ("{prefill} {decode} --tokens 8:9", "16 are read, decode has room for 10"),
    "swapped": ("{decode} {prefill} --tokens 4:3", "decode.onnx reads caches: a prefill graph does not"),
    "one layer": ("{prefill} {decode} --tokens 4:3 --pin x.engine=npu", "pinned all at once"),
    "resume": ("{prefill} {decode} --tokens 4:3 --resume", "--resume is for one graph"),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_bad_input_is_one_line(
    files: tuple[str, str, str], case: str, tmp_path: Path, capsys: Capture
) -> None:
    text, expected = REFUSED[case]
    given = text.format(prefill=files[0], decode=files[1]).split()
    assert (
        main(["explore", *given, *LITTLE[:8], "--calibration", files[2], "--out", str(tmp_path / "no")]) == 2
    )
    said = capsys.readouterr().err
    assert expected in said
    assert said.count("\n") == 1


def test_other_weights_are_refused(files: tuple[str, str, str], tmp_path: Path, capsys: Capture) -> None:
    other = decode_model(9)
    words = next(tensor for tensor in other.graph.initializer if tensor.name == "words")
    array = onnx.numpy_helper.to_array(words)
    words.CopyFrom(onnx.numpy_helper.from_array(np.ascontiguousarray(array[::-1]), "words"))
    decode = save(other, tmp_path)
    given = [files[0], str(decode), "--tokens", "4:3", "--budget", "64kB", "--calibration", files[2]]
    assert main(["explore", *given]) == 2
    assert "no decode graph of prefill.onnx: Gather0 and Gather0 are not the same" in capsys.readouterr().err


def test_too_little_memory_is_said(files: tuple[str, str, str], tmp_path: Path, capsys: Capture) -> None:
    given = [files[0], files[1], "--tokens", "4:3", "--budget", "300B", "--calibration", files[2]]
    assert main(["explore", *given, "--out", str(tmp_path / "no")]) == 3
    assert "does not fit" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()
