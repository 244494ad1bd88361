"""Running a study: what is finished is skipped, what fails does not stop the rest."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dse.executors import Executor, InProcess
from dse.search.interrupt import interruptible
from dse.sweep.runs import SweepRun, runs_of
from dse.sweep.study import SweepStudy
from dse.sweep.summary import Outcome, Status, SummaryRow, row_of, write_summary

RunOne = Callable[[SweepRun, Path], Outcome]
"""Explores one run into a directory; picklable. It writes front.json last, and only if it is done."""

_DONE = Outcome(Status.DONE)
_PENDING = Outcome(Status.PENDING)


@dataclass(frozen=True)
class SweepProgress:
    """`finished` of `total` runs are behind; `row` is the latest, None before the first."""

    finished: int
    total: int
    row: SummaryRow | None


def run_sweep(
    study: SweepStudy,
    run_one: RunOne,
    out: Path,
    executor: Executor | None = None,
    progress: Callable[[SweepProgress], None] | None = None,
    stop: threading.Event | None = None,
) -> tuple[SummaryRow, ...]:
    """Run everything of `study` that has no `out/runs/<id>/front.json`, keeping `out/summary.csv` up to date.

    Rows are in the order of the study. An exception of `run_one` becomes the row's message. Setting `stop`
    or Ctrl-C ends the sweep after the run at hand; the others stay pending. On a cluster `out` and the models
    must be reachable under the same path from everywhere. Raises ExecutorError, OSError.
    """
    stop = stop or threading.Event()
    runs = runs_of(study)
    outcomes = {run: _DONE if _front(out, run).is_file() else _PENDING for run in runs}
    state = _State(out, outcomes, progress or (lambda _: None))
    state.report(None)
    todo = [run for run in runs if outcomes[run] is _PENDING]
    work = partial(partial, _run_one, run_one, out)
    if todo:
        with interruptible(stop), (executor or InProcess()).open(work) as pool:
            _follow(todo, pool.map(todo), state, stop)
    return state.rows()


def _follow(
    todo: Sequence[SweepRun], results: Iterator[Outcome], state: _State, stop: threading.Event
) -> None:
    try:
        for run, outcome in zip(todo, results, strict=True):
            state.finish(run, outcome)
            if stop.is_set():
                return
    except KeyboardInterrupt:  # the second Ctrl-C: the run at hand stays pending too
        stop.set()


@dataclass
class _State:
    out: Path
    outcomes: dict[SweepRun, Outcome]
    progress: Callable[[SweepProgress], None]

    def finish(self, run: SweepRun, outcome: Outcome) -> None:
        self.outcomes[run] = outcome
        self.report(run)

    def report(self, run: SweepRun | None) -> None:
        rows = {row.id: row for row in self.rows()}
        self.out.mkdir(parents=True, exist_ok=True)
        write_summary(self.out / "summary.csv", tuple(rows.values()))
        finished = sum(row.status != Status.PENDING for row in rows.values())
        self.progress(SweepProgress(finished, len(rows), rows[run.id] if run else None))

    def rows(self) -> tuple[SummaryRow, ...]:
        return tuple(row_of(run, outcome, _front(self.out, run)) for run, outcome in self.outcomes.items())


def _directory(out: Path, run: SweepRun) -> Path:
    return out / "runs" / run.id


def _front(out: Path, run: SweepRun) -> Path:
    return _directory(out, run) / "front.json"


def _run_one(run_one: RunOne, out: Path, run: SweepRun) -> Outcome:
    """In the worker: whatever goes wrong in one run is that run's message."""
    try:
        outcome = run_one(run, _directory(out, run))
    except Exception as error:  # the sweep goes on with the other runs
        reason = str(error).strip().splitlines()
        return Outcome(Status.FAILED, f"{type(error).__name__}: {reason[0] if reason else 'no reason given'}")
    if outcome.status == Status.DONE and not _front(out, run).is_file():
        return Outcome(Status.FAILED, "done, but no front.json was written")
    return outcome
