"""`dse explore`: the main job."""

from __future__ import annotations

import os
import shutil
import threading
import time
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from compiler.frontend import Imported, import_model
from compiler.ir.tensor import IntArray
from costmodels.platform import load_platform
from dse.baselines.document import document as gains_document
from dse.cli import pairs
from dse.cli.effort import gap_line, refining_of, trials_of
from dse.cli.errors import Ending, Exit
from dse.cli.pins import read_pins
from dse.cli.quantities import BudgetText
from dse.cli.recorded import recorded
from dse.cli.tables import front_table
from dse.cli.terminal import Terminal
from dse.collector import rare_collections
from dse.executors import executor_for
from dse.output import Destination, Exploration, Layout, golden_inputs, write_exploration
from dse.output.platform_text import platform_text
from dse.output.run_record import RunRecord, run_document
from dse.output.tables import write_history
from dse.output.write import emitted_ids, write_json
from dse.points import Infeasible
from dse.report import write_report
from dse.search import SearchOptions, SearchResult, Storage
from dse.search.interrupt import interruptible
from dse.session import explore_task, gains_over_baselines, identity_of
from dse.task import Budget, Task


@dataclass(frozen=True)
class _Problem:
    """What is asked, read and checked."""

    imported: Imported
    platform_text: str
    task: Task
    inputs: dict[str, IntArray]


def main(arguments: Namespace) -> int:
    """Explore, write the directory, print the front."""
    terminal = Terminal.of(arguments.quiet)
    stop = threading.Event()
    # The first Ctrl-C ends the search and what was found is written; a second one drops everything.
    with interruptible(stop), rare_collections():
        explored = pairs.run if pairs.is_pair(arguments) else run
        return explored(arguments, terminal, stop)


def run(arguments: Namespace, terminal: Terminal, stop: threading.Event) -> Exit:
    """One exploration; raises Ending and typed errors instead of printing them."""
    begin = time.monotonic()
    target = Destination(
        arguments.out or Path(f"{arguments.model.stem}.dse"), lambda path: Layout(path).is_explored
    )
    target.check()
    problem = _problem(arguments)
    if not arguments.resume and Layout(target.path).is_explored:
        terminal.note(f"{target.path} will be replaced; --resume would go on with it")
    for note in problem.imported.module.notes:
        terminal.note(note)
    with target.staged() as staging:
        seconds = {"import": time.monotonic() - begin}
        result, found = _search(arguments, problem.task, target.path, staging, terminal, stop, begin)
        seconds["search"] = time.monotonic() - begin - seconds["import"]
        seconds["trials"] = result.seconds
        notes = (*problem.imported.module.notes, *_write(arguments, problem, found, staging, terminal))
        seconds["total"] = time.monotonic() - begin
        seconds["emit"] = seconds["total"] - seconds["import"] - seconds["search"]
        _write_record(arguments, problem, result, notes, seconds, staging)
        write_history(Layout(staging).hypervolume, result.history)
        write_json(Layout(staging).baselines, gains_document(gains_over_baselines(found)))
        write_report(staging)
    _show(arguments, found, target.path, seconds["total"], terminal, stop.is_set())
    return Exit.INTERRUPTED if stop.is_set() else Exit.DONE


def _problem(arguments: Namespace) -> _Problem:
    """Everything that can be wrong with the input is found here, before any search."""
    platform = load_platform(arguments.platform)
    pins = read_pins(arguments.pin)
    budget: BudgetText = arguments.budget
    imported = import_model(
        arguments.model,
        calibration=arguments.calibration,
        seed=arguments.seed,
        prefill=arguments.prefill,
    )
    task = Task(
        module=imported.module,
        platform=platform,
        budget=Budget(budget.on_chip_bytes, budget.levels),
        objectives=arguments.objectives,
        pins=pins,
        io_home=arguments.io_home or platform.io_home,
        seed=arguments.seed,
    )
    graph = imported.module.main
    samples = arguments.golden or (arguments.calibration if arguments.prefill is None else None)
    inputs = golden_inputs(graph, imported.inputs, samples, arguments.seed)
    return _Problem(imported, platform_text(arguments.platform), task, inputs)


def _search(
    arguments: Namespace,
    task: Task,
    before: Path,
    staging: Path,
    terminal: Terminal,
    stop: threading.Event,
    begin_seconds: float,
) -> tuple[SearchResult, Exploration]:
    """The found front. Raises Ending where nothing fits or nothing was found."""
    options = SearchOptions(
        objectives=task.objectives,
        trials=trials_of(arguments),
        seconds=arguments.time,
        seed=arguments.seed,
        sampler=arguments.sampler,
        points=arguments.points,
    )
    storage = _storage(arguments, task, before, staging)
    executor = executor_for(arguments.workers, arguments.address)
    with terminal.searching(task.objectives) as progress:
        refining = refining_of(arguments)
        outcome = explore_task(task, options, executor, storage, progress, stop, begin_seconds, refining)
    if isinstance(outcome, Infeasible):
        raise Ending(outcome.message(), Exit.INFEASIBLE)
    result, found = outcome
    if result.new_trials == 0:
        terminal.note(f"the study has {result.trials} trials already, {options.trials} were asked for")
    if found is None:
        raise _nothing_found(result)
    return result, found


def _nothing_found(result: SearchResult) -> Ending:
    if result.interrupted:
        return Ending("interrupted before anything was found; nothing was written", Exit.INTERRUPTED)
    why = result.infeasible.message() if result.infeasible else "every trial failed to fit"
    return Ending(f"{why}\nnone of {result.trials} trials found a deployment", Exit.INFEASIBLE)


def _storage(arguments: Namespace, task: Task, before: Path, staging: Path) -> Storage:
    """The study's place in the new directory; with --resume it starts as the old directory's."""
    old, new = Layout(before), Layout(staging)
    if arguments.resume:
        for source, target in ((old.journal, new.journal), (old.study_points, new.study_points)):
            if source.is_file():
                shutil.copyfile(source, target)
    name = f"{task.module.name}@{task.platform.name}" if arguments.storage else "study"
    return Storage(staging, name, arguments.storage, identity_of(task), arguments.resume, known_as=before)


def _write(
    arguments: Namespace, problem: _Problem, found: Exploration, staging: Path, terminal: Terminal
) -> tuple[str, ...]:
    """The directory without run.json and report; returns notes."""
    layout = Layout(staging)
    layout.model.write_bytes(problem.imported.qdq)
    layout.platform.write_text(problem.platform_text, encoding="utf-8")
    count = len(emitted_ids(found, arguments.emit))
    with terminal.counting("emit", count) as done:
        processes = min(2, os.cpu_count() or 1)
        unproven = write_exploration(staging, found, problem.inputs, arguments.emit, processes, done)
    if not unproven:
        return ()
    note = (
        f"C of {', '.join(unproven)} is not proven: too many tiles to simulate, and no C compiler to run it; "
        "install one and use `dse run`"
    )
    terminal.note(note)
    return (note,)


def _write_record(
    arguments: Namespace,
    problem: _Problem,
    result: SearchResult,
    notes: tuple[str, ...],
    seconds: dict[str, float],
    staging: Path,
) -> None:
    record = RunRecord(
        arguments=recorded(arguments),
        seconds=seconds,
        notes=notes,
        model_path=str(arguments.model.absolute()),
        new_trials=result.new_trials,
        interrupted=result.interrupted,
        importances=result.importances,
        pins=problem.task.pins,
        io_home=problem.task.io_home,
    )
    write_json(Layout(staging).run, run_document(record, problem.task.module.main))


def _show(
    arguments: Namespace, found: Exploration, root: Path, seconds: float, terminal: Terminal, stopped: bool
) -> None:
    named, emitted = found.named[: len(found.chosen)], emitted_ids(found, arguments.emit)
    folders = [f"{root / 'points' / name}" if name in emitted else None for name, _ in named]
    terminal.table(front_table(named, found.knee_id, folders))
    quality = found.quality(found.front)
    whole = found.quality(found.points).gap
    gap = "" if quality.gap is None else f", at most {100 * quality.gap:.1f}% from the bound"
    gap += "" if whole is None else f" (all points: {100 * whole:.1f}%)"
    gap += "; a weak bound, homes of many tensors open" if found.bound and found.bound.relaxed else ""
    terminal.say(
        f"{len(named)} of {len(found.points)} points after {found.trials} trials in {seconds:.1f} s{gap}"
    )
    if arguments.gap is not None:
        terminal.say(gap_line(arguments, whole, stopped))
    terminal.say(f"report: {Layout(root).report}")
