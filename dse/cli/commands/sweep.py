"""`dse sweep`: every combination of a study's models, platforms, budgets and seeds."""

from __future__ import annotations

import shutil
import threading
from argparse import ArgumentTypeError, Namespace
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.table import Table

from costmodels.platform import load_platform
from dse.cli.commands import explore
from dse.cli.errors import Ending, Exit, UsageError
from dse.cli.failures import exit_of
from dse.cli.parser import parser
from dse.cli.quantities import budget
from dse.cli.tables import plain_table
from dse.cli.terminal import Terminal
from dse.executors import executor_for
from dse.search.interrupt import interruptible
from dse.sweep import Outcome, Status, SummaryRow, SweepProgress, SweepRun, SweepStudy, read_study, run_sweep


def main(arguments: Namespace) -> int:
    """Run what is not done yet; exit 130 if interrupted, 1 if a run failed."""
    study = read_study(arguments.study, _checked_budget, load_platform)
    out = arguments.out or Path(f"{arguments.study.stem}.sweep")
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} exists and is no directory")
    terminal = Terminal.of(arguments.quiet)
    stop = threading.Event()
    executor = executor_for(arguments.workers, arguments.address)
    with interruptible(stop), _showing(terminal, study) as progress:
        rows = run_sweep(study, run_one, out.absolute(), executor, progress, stop)
    terminal.table(sweep_table(rows))
    terminal.say(f"summary: {out / 'summary.csv'}")
    if stop.is_set():
        return Exit.INTERRUPTED
    return Exit.INTERNAL if any(row.status == Status.FAILED for row in rows) else Exit.DONE


def _checked_budget(text: str) -> object:
    try:
        return budget(text)
    except ArgumentTypeError as error:
        raise ValueError(str(error)) from None


def run_one(run: SweepRun, directory: Path) -> Outcome:
    """Explore one run into `directory`, in any process. What does not fit is an outcome, no error."""
    arguments = parser().parse_args([*run.arguments, "--out", str(directory), "--quiet"])
    try:
        code = explore.run(arguments, Terminal.of(quiet=True), threading.Event())
    except Exception as error:  # sorted by what it means; the sweep reports the rest with its type
        return _outcome(error)
    if code == Exit.INTERRUPTED:
        # Half a search must not pass for a finished run when the sweep is resumed.
        shutil.rmtree(directory, ignore_errors=True)
        raise KeyboardInterrupt
    return Outcome(Status.DONE)


def _outcome(error: Exception) -> Outcome:
    first = (str(error).splitlines() or [""])[0]
    if isinstance(error, Ending) and error.code == Exit.INFEASIBLE:
        return Outcome(Status.INFEASIBLE, first)
    if exit_of(error) is Exit.BAD_INPUT:
        return Outcome(Status.FAILED, first)
    raise error


@contextmanager
def _showing(terminal: Terminal, study: SweepStudy) -> Iterator[Callable[[SweepProgress], None]]:
    """A bar over the runs, and a line for each that is not done."""
    total = len(study.models) * len(study.platforms) * len(study.budgets) * len(study.seeds)
    with terminal.counting(f"sweep {study.name}", total) as advance:
        behind = 0

        def show(progress: SweepProgress) -> None:
            nonlocal behind
            for _ in range(progress.finished - behind):
                advance()
            behind = progress.finished
            row = progress.row
            if row is not None and row.status == Status.FAILED:
                terminal.note(f"{row.id}: {row.message}")

        yield show


def sweep_table(rows: Sequence[SummaryRow]) -> Table:
    """One line for every run, and how many ended how."""
    text = ("run", "status", "why")
    table = plain_table("run", "status", "points", "least ms", "least uJ", "least B", "gap", "why", left=text)
    for row in rows:
        table.add_row(
            row.id,
            row.status,
            _cell(row.points, "d"),
            _cell(row.latency_ms, ".4g"),
            _cell(row.energy_uj, ".4g"),
            _cell(row.memory_bytes, "d"),
            _cell(row.hypervolume_gap, ".1%"),
            row.message,
        )
    counts = Counter(row.status for row in rows)
    table.caption = ", ".join(f"{count} {status}" for status, count in counts.items())
    table.caption_justify = "left"
    return table


def _cell(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
