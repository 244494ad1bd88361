"""`dse explore PREFILL DECODE --tokens P:N`: both graphs of a language model at once."""

from __future__ import annotations

import threading
import time
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from compiler.frontend import Imported, ImportedPair, import_pair
from compiler.ir.tensor import IntArray
from costmodels.platform import Platform, load_platform
from dse.cli.effort import refining_of, trials_of
from dse.cli.errors import Ending, Exit, UsageError
from dse.cli.pins import read_pins
from dse.cli.quantities import BudgetText
from dse.cli.recorded import recorded
from dse.cli.tables import pair_table
from dse.cli.terminal import Terminal
from dse.executors import executor_for
from dse.output import Destination, Layout, golden_inputs, write_exploration
from dse.output.layout import DECODE, PREFILL
from dse.output.platform_text import cluster_cores, platform_text
from dse.output.run_record import RunRecord, run_document
from dse.output.tables import write_history
from dse.output.write import write_json
from dse.pairs import PairExploration, PairTask, Tokens, explore_pair
from dse.pairs.documents import all_lines, half_of, pair_document, write_deployments
from dse.pairs.emit import PairEmitter
from dse.pairs.explore import PairResult
from dse.points import Infeasible
from dse.report import write_report
from dse.search import SearchOptions
from dse.task import Budget, Pin, Task

_ALONE = ("resume", "storage", "golden")
"""Options of one graph that pairs do not have."""


@dataclass(frozen=True)
class _Files:
    """Paths of the two graphs."""

    prefill: Path
    decode: Path

    @classmethod
    def of(cls, arguments: Namespace) -> _Files:
        """From either spelling. Raises UsageError."""
        both = arguments.decode is not None
        if both and arguments.prefill is not None:
            raise UsageError("two graphs and --prefill: the first graph is the prefill graph already")
        if arguments.tokens is None:
            raise UsageError("two graphs need --tokens P:N, the text that they are explored for")
        if not both and arguments.prefill is None:
            raise UsageError("--tokens is for two graphs: dse explore PREFILL.onnx DECODE.onnx --tokens P:N")
        first, second = (arguments.model, arguments.decode) if both else (arguments.prefill, arguments.model)
        return cls(first, second)


def is_pair(arguments: Namespace) -> bool:
    """Whether two graphs are explored together."""
    return arguments.decode is not None or arguments.tokens is not None


def run(arguments: Namespace, terminal: Terminal, stop: threading.Event) -> Exit:
    """One exploration of a pair; raises Ending and typed errors instead of printing them."""
    begin = time.monotonic()
    paths = _Files.of(arguments)
    for name in _ALONE:
        if getattr(arguments, name):
            raise UsageError(f"--{name} is for one graph, not for a pair")
    target = Destination(
        arguments.out or Path(f"{paths.decode.stem}.dse"), lambda path: Layout(path).is_explored
    )
    target.check()
    imported, task = _task(arguments, paths)
    for note in dict.fromkeys((*imported.prefill.module.notes, *imported.decode.module.notes)):
        terminal.note(note)
    with target.staged() as staging:
        seconds = {"import": time.monotonic() - begin}
        result = _search(arguments, task, terminal, stop)
        seconds["search"] = time.monotonic() - begin - seconds["import"]
        found = _found(result)
        emitted = _Writer(arguments, paths, imported, staging).write(found, result, seconds)
    _show(found, target.path, emitted, time.monotonic() - begin, terminal)
    return Exit.INTERRUPTED if stop.is_set() else Exit.DONE


def _task(arguments: Namespace, paths: _Files) -> tuple[ImportedPair, PairTask]:
    """Everything that can be wrong with the input is found here, before any search."""
    platform = load_platform(arguments.platform)
    pins = read_pins(arguments.pin)
    for pin in pins:
        if pin.layer != "*":
            raise UsageError(
                f"--pin {pin.layer}.{pin.decision}: layers of a pair are pinned all at once, with *"
            )
    imported = import_pair(
        paths.prefill, paths.decode, calibration=arguments.calibration, seed=arguments.seed
    )
    prefill, decode = (_half(arguments, each, platform, pins) for each in (imported.prefill, imported.decode))
    return imported, PairTask(prefill, decode, imported.shared, Tokens(*arguments.tokens))


def _half(arguments: Namespace, imported: Imported, platform: Platform, pins: tuple[Pin, ...]) -> Task:
    budget: BudgetText = arguments.budget
    return Task(
        module=imported.module,
        platform=platform,
        budget=Budget(budget.on_chip_bytes, budget.levels),
        objectives=arguments.objectives,
        pins=pins,
        io_home=arguments.io_home or platform.io_home,
        seed=arguments.seed,
    )


def _search(arguments: Namespace, task: PairTask, terminal: Terminal, stop: threading.Event) -> PairResult:
    """Raises Ending where one of the graphs does not fit."""
    options = SearchOptions(
        objectives=task.decode.objectives,
        trials=trials_of(arguments),
        seconds=arguments.time,
        seed=arguments.seed,
        sampler=arguments.sampler,
        points=arguments.points,
    )
    executor = executor_for(arguments.workers, arguments.address)
    with terminal.searching(task.decode.objectives) as progress:
        outcome = explore_pair(task, options, executor, progress, stop, refining_of(arguments))
    if isinstance(outcome, Infeasible):
        raise Ending(outcome.message(), Exit.INFEASIBLE)
    return outcome


def _found(result: PairResult) -> PairExploration:
    if result.found is not None:
        return result.found
    if any(lead.interrupted for lead in result.leads):
        raise Ending("interrupted before anything was found; nothing was written", Exit.INTERRUPTED)
    why = result.why.message() if result.why else "no two deployments agree on what they share"
    raise Ending(f"{why}\nno pair of deployments was found", Exit.INFEASIBLE)


@dataclass(frozen=True)
class _Writer:
    """Writes the directory of a pair and those of its graphs."""

    arguments: Namespace
    paths: _Files
    imported: ImportedPair
    root: Path

    def write(self, found: PairExploration, result: PairResult, seconds: dict[str, float]) -> frozenset[str]:
        """Everything; returns the ids of the pairs whose C was written."""
        layout = Layout(self.root)
        layout.platform.write_text(platform_text(self.arguments.platform), encoding="utf-8")
        layout.front_all.write_text("".join(all_lines(found)), encoding="utf-8")
        begin = time.monotonic()
        emitted = self._projects(found)
        seconds["emit"] = time.monotonic() - begin
        write_json(layout.front, pair_document(found, emitted))
        self._half(PREFILL, self.imported.prefill, self.paths.prefill, found, result, seconds)
        self._half(DECODE, self.imported.decode, self.paths.decode, found, result, seconds)
        write_json(layout.run, self._record(DECODE, self.imported.decode, self.paths.decode, result, seconds))
        return emitted

    def _projects(self, found: PairExploration) -> frozenset[str]:
        """C of the pairs that `--emit` names; returns their ids."""
        wanted = {"front": [name for name, _ in found.chosen_named], "knee": [found.knee_id], "none": []}
        ids = frozenset(wanted[self.arguments.emit])
        if not ids:
            return ids
        prefill, decode = (self._inputs(side) for side in (PREFILL, DECODE))
        emitter = PairEmitter.of(found.task, prefill, decode, cluster_cores(found.task.decode.platform))
        for name, point in found.chosen_named:
            if name in ids:
                emitter.emit(self.root / "points" / name, point)
        return ids

    def _inputs(self, side: str) -> Mapping[str, IntArray]:
        """Golden inputs of one graph alone."""
        imported: Imported = getattr(self.imported, side)
        samples = self.arguments.calibration if side == PREFILL else None
        return golden_inputs(imported.module.main, imported.inputs, samples, self.arguments.seed)

    def _half(
        self,
        side: str,
        imported: Imported,
        path: Path,
        found: PairExploration,
        result: PairResult,
        seconds: dict[str, float],
    ) -> None:
        """The directory of one graph, as if it were explored alone."""
        layout = Layout(self.root / side)
        layout.root.mkdir()
        lead = result.lead(side)
        half = half_of(found, side, lead.bound, ())
        layout.model.write_bytes(imported.qdq)
        layout.platform.write_text(platform_text(self.arguments.platform), encoding="utf-8")
        write_exploration(layout.root, half, self._inputs(side), "none")
        write_deployments(layout.root, half)
        write_history(layout.hypervolume, lead.history)
        write_json(layout.run, self._record(side, imported, path, result, seconds))
        write_report(layout.root)

    def _record(
        self, side: str, imported: Imported, path: Path, result: PairResult, seconds: dict[str, float]
    ) -> object:
        lead = result.lead(side)
        record = RunRecord(
            arguments=recorded(self.arguments),
            seconds=seconds,
            notes=imported.module.notes,
            model_path=str(path.absolute()),
            new_trials=lead.new_trials,
            interrupted=lead.interrupted,
            importances=lead.importances,
            pins=read_pins(self.arguments.pin),
            io_home=self.arguments.io_home or load_platform(self.arguments.platform).io_home,
        )
        return run_document(record, imported.module.main)


def _show(
    found: PairExploration, root: Path, emitted: frozenset[str], seconds: float, terminal: Terminal
) -> None:
    named = found.chosen_named
    folders = [f"{root / 'points' / name}" if name in emitted else None for name, _ in named]
    terminal.table(pair_table(named, found.knee_id, folders))
    tokens = found.task.tokens
    terminal.say(
        f"{len(named)} of {len(found.points)} pairs for {tokens.prompt} tokens of prompt and "
        f"{tokens.generated} generated, {found.assignments} ways to share, in {seconds:.1f} s"
    )
    if found.bound is not None:
        bound = found.bound
        terminal.say(
            f"no pair is below {bound.first_token_ms:.4g} ms to the first token, "
            f"{bound.token_ms * 1e3:.4g} us and {bound.token_uj:.4g} uJ per token, {bound.memory_bytes} B; "
            "each figure for itself"
        )
    for side in (PREFILL, DECODE):
        terminal.say(f"report: {Layout(root / side).report}")
