"""`dse axes`: the design space as a list of decisions; with a model, how many choices each of them has."""

from __future__ import annotations

import json
import math
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from compiler.frontend import load
from costmodels.platform import load_platform
from dse.axes import AXES, INSIDE_AXES, DesignAxis, InsideAxis, SampledAxis
from dse.cli.quantities import BudgetText
from dse.cli.tables import plain_table
from dse.cli.terminal import Terminal
from dse.evaluator import ProblemEvaluator
from dse.options import LayerOptions
from dse.task import Budget, Task


@dataclass(frozen=True)
class _Choices:
    """least, most: values of an axis for one layer (of a sampled axis: in all); log10: of their product."""

    least: int
    most: int
    log10: float


def main(arguments: Namespace) -> int:
    """Print every axis; with a model, its number of values there."""
    counted = _counted(arguments) if arguments.model is not None else {}
    terminal = Terminal.of()
    if arguments.format == "json":
        terminal.say(json.dumps([_document(axis, counted.get(axis.name)) for axis in AXES]))
        return 0
    terminal.table(_table(counted))
    if counted:
        total = sum(choices.log10 for choices in counted.values())
        terminal.say("")
        terminal.say(f"product over axes and layers: 10^{total:.0f} combinations, of which most do not fit")
    return 0


def _counted(arguments: Namespace) -> dict[str, _Choices]:
    module = load(arguments.model, calibration=arguments.calibration)
    platform = load_platform(arguments.platform)
    budget: BudgetText | None = arguments.budget
    caps = Budget(None) if budget is None else Budget(budget.on_chip_bytes, budget.levels)
    evaluator = ProblemEvaluator(Task(module, platform, caps, io_home=platform.io_home))
    layers = evaluator.problem(platform.point().name, True).options
    found = {axis.name: _over_layers(axis, layers) for axis in INSIDE_AXES}
    return found | {axis.name: _sampled(axis) for axis in evaluator.space.sampled}


def _over_layers(axis: InsideAxis, layers: Sequence[LayerOptions]) -> _Choices:
    counts = [axis.alternatives(layer) for layer in layers]
    return _Choices(min(counts), max(counts), sum(math.log10(max(count, 1)) for count in counts))


def _sampled(axis: SampledAxis) -> _Choices:
    count = len(axis.choices)
    return _Choices(count, count, math.log10(max(count, 1)))


def _table(counted: dict[str, _Choices]) -> Table:
    columns = ("choices",) if counted else ()
    table = plain_table(
        "axis", "for each", "solved", *columns, "decides", left=("axis", "for each", "solved", "decides")
    )
    for axis in AXES:
        cells = (_range(counted.get(axis.name)),) if counted else ()
        table.add_row(axis.name, axis.scope, axis.solved, *cells, axis.decides)
    return table


def _range(choices: _Choices | None) -> str:
    if choices is None:
        return "continuous"
    return str(choices.most) if choices.least == choices.most else f"{choices.least} to {choices.most}"


def _document(axis: DesignAxis, choices: _Choices | None) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": axis.name,
        "scope": axis.scope,
        "solved": axis.solved,
        "decides": axis.decides,
        "effect": axis.effect,
        "pins": list(axis.pins),
    }
    if choices is not None:
        document["choices"] = {"least": choices.least, "most": choices.most}
    return document
