"""Projects are proven before they are written, and verify themselves once built."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from compiler.codegen.project import Golden
from compiler.deployment import DeploymentError
from compiler.targets import TargetError
from dse.output import EmissionError, Job, emit_all, emit_one, projects
from dse.output.golden import synthetic_codes
from dse.output.projects import golden_vectors
from dse.verify import verify
from tests.dse.found import deployment, design_point, found, network


def golden() -> Golden:
    graph = network().main
    return golden_vectors(graph, {name: synthetic_codes(graph.by_name[name], 1) for name in graph.inputs})


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("emitted") / "000"
    emit_one(network().main, golden(), Job(folder, found().points[0], 8))
    return folder


@pytest.mark.parametrize("target", ["host", "rv32"])
def test_c_does_what_was_predicted(project: Path, target: str) -> None:
    result = verify(project, target)  # type: ignore[arg-type]
    assert result.outputs_equal
    assert [t.counts for t in result.records.layers] == [t.counts for t in result.prediction.tallies]
    assert result.linked_bytes == result.prediction.arena_bytes
    assert result.right
    assert result.harts == 8
    assert result.cycles_comparable is (target == "rv32")


def test_sanitized_builds_read_sizes_elsewhere(project: Path) -> None:
    assert verify(project, "host", harts=2, sanitize=True).right


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda d: d["layers"][0].update(macs=1), "counts_equal"),
        (lambda d: d["layers"][1]["links"].clear(), "counts_equal"),
        (lambda d: d["arena_bytes"].update(l2=1), "bytes_equal"),
    ],
)
def test_a_wrong_prediction_is_found(project: Path, tmp_path: Path, change: object, what: str) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(project, copy)
    document = json.loads((copy / "counts.json").read_text())
    change(document)  # type: ignore[operator]
    (copy / "counts.json").write_text(json.dumps(document))
    result = verify(copy, "host")
    assert not getattr(result, what)
    assert not result.right


def test_wrong_output_is_found(project: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(project, copy)
    data = bytearray((copy / "golden.bin").read_bytes())
    data[-1] ^= 1
    (copy / "golden.bin").write_bytes(data)
    result = verify(copy, "host")
    assert not result.outputs_equal
    assert not result.right


def test_a_deployment_that_computes_something_else_is_never_written(tmp_path: Path) -> None:
    good = deployment(0)
    moved = tuple(
        replace(b, offset=0) if b.level == "l2" and b.name.startswith("t/") else b for b in good.buffers
    )
    bad = design_point(replace(good, buffers=moved), 1, 1, 1)
    with pytest.raises(DeploymentError, match="overlap"):
        emit_one(network().main, golden(), Job(tmp_path / "000", bad, 8))
    other = Golden(golden().inputs, {name: codes ^ 1 for name, codes in golden().outputs.items()})
    with pytest.raises(EmissionError, match="wrong codes"):
        emit_one(network().main, other, Job(tmp_path / "000", found().points[0], 8))
    assert list(tmp_path.iterdir()) == []


def test_many_tiles_are_proven_by_running_the_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projects, "SIMULATED_CALLS", 10)
    job = Job(tmp_path / "000", found().points[0], 8)
    assert emit_one(network().main, golden(), job) == "run on host"
    assert not (tmp_path / "000" / "build").exists()
    wrong = Golden(golden().inputs, {name: codes + 1 for name, codes in golden().outputs.items()})
    with pytest.raises(EmissionError, match="differs"):
        emit_one(network().main, wrong, Job(tmp_path / "001", found().points[0], 8))
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    assert emit_one(network().main, golden(), Job(tmp_path / "002", found().points[0], 8)) == "none"


def test_processes_write_the_same_files(tmp_path: Path) -> None:
    calls: list[int] = []
    for processes in (1, 2):
        jobs = [Job(tmp_path / str(processes) / name, point, 8) for name, point in found().named[:2]]
        emit_all(network().main, golden(), jobs, processes, lambda: calls.append(1))
    one, two = (
        {p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*") if p.is_file()}
        for n in "12"
    )
    assert one == two
    assert len(one) > 20
    assert len(calls) == 4


def test_no_project_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="no project"):
        verify(tmp_path, "host")


def test_synthetic_codes_are_seeded_and_use_the_whole_type() -> None:
    tensor = network().main.by_name["x"]
    codes = synthetic_codes(tensor, 3)
    assert np.array_equal(codes, synthetic_codes(tensor, 3))
    assert not np.array_equal(codes, synthetic_codes(tensor, 4))
    assert (codes.min(), codes.max(), codes.shape) == (-128, 127, tensor.shape)
