"""Sweeps with a stand-in for the exploration: what runs, what is skipped, what the summary says."""

from __future__ import annotations

import csv
import json
import threading
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from dse.executors import Executor, InProcess, OnRay
from dse.sweep import Outcome, Status, SweepProgress, SweepRun, SweepStudy, run_sweep


@pytest.fixture
def study(tmp_path: Path) -> SweepStudy:
    models = tuple(tmp_path / f"{name}.onnx" for name in ("one", "two"))
    for model in models:
        model.write_text(model.stem)
    return SweepStudy("s", models, ("siracusa",), ("64kB", "1MB"), (0, 1), ("latency",), 4, 2, "none")


@dataclass(frozen=True)
class Stand:
    """Explores by writing a front; small budgets do not fit, seed `broken` raises."""

    calls: Path
    broken: int | None = None

    def __call__(self, run: SweepRun, directory: Path) -> Outcome:
        with self.calls.open("a", encoding="utf-8") as file:
            file.write(run.id + "\n")
        if run.budget == "64kB":
            return Outcome(Status.INFEASIBLE, "needs 70 kB")
        if run.seed == self.broken:
            raise ValueError("first line\nsecond line")
        directory.mkdir(parents=True)
        point = {"latency_ms": 1.5, "energy_uj": 20.0, "memory_bytes": 3000 + run.seed}
        other = {"latency_ms": 2.5, "energy_uj": 10.0, "memory_bytes": 4000}
        bound = {"hypervolume": 9.0, "hypervolume_gap": None}
        front = {"trials": run.trials, "points": [point, other], "bound": bound}
        (directory / "front.json").write_text(json.dumps(front))
        return Outcome(Status.DONE)

    def called(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []


@pytest.mark.parametrize("executor", [InProcess(), OnRay(2)], ids=["in process", "Ray"])
def test_runs_everything_and_tells_it(study: SweepStudy, tmp_path: Path, executor: Executor) -> None:
    stand, seen = Stand(tmp_path / "calls", broken=1), list[SweepProgress]()
    rows = run_sweep(study, stand, tmp_path / "out", executor, seen.append)
    assert [row.status for row in rows] == ["infeasible", "infeasible", "done", "failed"] * 2
    assert sorted(stand.called()) == sorted(row.id for row in rows)
    assert (rows[2].latency_ms, rows[2].energy_uj, rows[2].memory_bytes) == (1.5, 10.0, 3000)
    assert (rows[2].points, rows[2].trials, rows[2].hypervolume_gap) == (2, 4, None)
    assert rows[0].message == "needs 70 kB"
    assert rows[3].message == "ValueError: first line"
    assert [p.finished for p in seen] == list(range(9))
    with (tmp_path / "out" / "summary.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [line["id"] for line in table] == [row.id for row in rows]
    assert table[2]["energy_uj"] == "10.0"
    assert table[0]["energy_uj"] == table[2]["hypervolume_gap"] == ""


def test_a_finished_run_is_not_run_again(study: SweepStudy, tmp_path: Path) -> None:
    first = run_sweep(study, Stand(tmp_path / "first", broken=1), tmp_path / "out")
    again = Stand(tmp_path / "again")
    rows = run_sweep(study, again, tmp_path / "out")
    assert set(again.called()) == {row.id for row in first if row.status != Status.DONE}
    assert [row.status for row in rows] == ["infeasible", "infeasible", "done", "done"] * 2
    more = Stand(tmp_path / "more")
    run_sweep(replace(study, budgets=("1MB",)), more, tmp_path / "out")
    assert more.called() == []


def test_stop_leaves_the_rest_pending(study: SweepStudy, tmp_path: Path) -> None:
    stop = threading.Event()

    def watch(progress: SweepProgress) -> None:
        if progress.finished == 3:
            stop.set()

    rows = run_sweep(study, Stand(tmp_path / "calls"), tmp_path / "out", None, watch, stop)
    assert [row.status for row in rows].count(Status.PENDING) == 5
    rest = run_sweep(study, Stand(tmp_path / "calls"), tmp_path / "out")
    assert Status.PENDING not in {row.status for row in rest}


def press(_: SweepRun, __: Path) -> Outcome:
    raise KeyboardInterrupt


def test_an_interrupt_inside_a_run_leaves_it_pending(study: SweepStudy, tmp_path: Path) -> None:
    rows = run_sweep(study, press, tmp_path / "out")
    assert {row.status for row in rows} == {Status.PENDING}
    assert (tmp_path / "out" / "summary.csv").exists()


def nothing(outcome: Outcome, _: SweepRun, __: Path) -> Outcome:
    return outcome


def test_a_run_that_says_done_must_have_written_its_front(study: SweepStudy, tmp_path: Path) -> None:
    rows = run_sweep(study, partial(nothing, Outcome(Status.DONE)), tmp_path / "out")
    assert {row.status for row in rows} == {Status.FAILED}
    assert "no front.json" in rows[0].message
