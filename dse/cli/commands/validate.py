"""`dse validate`: the cost model against every measured row, with errors."""

from __future__ import annotations

import csv
import io
import json
from argparse import Namespace
from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Any

from rich.table import Table
from rich.text import Text

from costmodels.facts import Fact
from costmodels.provenance import WEAK
from costmodels.validation import Comparison, GroupError, Validation, validate
from dse.cli.tables import plain_table, sourced_table
from dse.cli.terminal import Terminal

_COLUMNS = (
    *("group", "id", "use", "predicted", "measured", "unit"),
    *("error", "variant", "how", "source", "reason", "rests_on"),
)
REMARK_COLUMNS = 60
"""Of the table's first column, which names of rows fill as well."""


def main(arguments: Namespace) -> int:
    """Print every row and the errors by group (with --groups only these), or all of it as JSON or CSV."""
    found, terminal = validate(), Terminal.of()
    if arguments.format == "json":
        terminal.say(json.dumps(_document(found)))
    elif arguments.format == "csv":
        terminal.say(_csv(found).rstrip("\n"))
    else:
        _print(found, terminal, not arguments.groups)
    return 0


def _print(found: Validation, terminal: Terminal, rows: bool) -> None:
    if rows:
        terminal.table(_rows_table(found.comparisons))
        terminal.say("")
    terminal.table(_groups_table(found.groups()))
    terminal.say("")
    if rows:
        terminal.say("What the headlines rest on:")
        terminal.table(sourced_table(tuple(_assumptions(found))))
        terminal.say("")
    terminal.table(_reasons_table(found))
    terminal.say("")
    compared, rest = len(found.comparisons), len(found.not_expressed)
    terminal.say(f"{compared} rows compared, {rest} that the model has no terms for")


def _rows_table(comparisons: tuple[Comparison, ...]) -> Table:
    text = ("row", "use", "how", "model", "unit")
    table = plain_table("row", "use", "how", "model", "predicted", "measured", "unit", "error", left=text)
    for number, item in enumerate(comparisons):
        if number == 0 or comparisons[number - 1].group != item.group:
            table.add_row(Text(item.group, style="bold"))
        figures = _figure(item.predicted, item.unit), _figure(item.measured, item.unit), item.unit
        table.add_row(
            f"  {item.id}", item.use, item.source.how, _model(item), *figures, f"{100 * item.error:+.2f}%"
        )
        for line in wrap(item.remark, REMARK_COLUMNS):
            table.add_row(Text(f"      {line}", style="dim"))
    return table


def _groups_table(groups: tuple[GroupError, ...]) -> Table:
    table = plain_table(
        "group", "use", "rows", "mean", "worst", "", "worst row", left=("group", "use", "worst row")
    )
    for group in groups:
        worst = f"{100 * group.worst:.2f}%", _difference(group)
        table.add_row(
            group.group, group.use, str(group.rows), f"{100 * group.mean:.2f}%", *worst, group.worst_id
        )
    return table


def _model(item: Comparison) -> str:
    """The variant, marked where its energy or the workload rests on what nobody can cite."""
    return f"{item.variant} ({', '.join(item.weak)})" if item.weak else item.variant


def _figure(value: float, unit: str) -> str:
    return f"{value:.0f}" if unit == "cycles" else f"{value:.4g}"


def _difference(group: GroupError) -> str:
    sign = "-" if group.worst_difference < 0 else "+"
    return f"{sign}{_figure(abs(group.worst_difference), group.unit)} {group.unit}"


def _reasons_table(found: Validation) -> Table:
    table = plain_table("not expressed", "rows", "why", left=("not expressed", "why"))
    counted: dict[tuple[str, str], int] = {}
    for row, _ in found.not_expressed:
        counted[row.group, row.reason] = counted.get((row.group, row.reason), 0) + 1
    for (group, reason), rows in counted.items():
        table.add_row(group, str(rows), reason)
    return table


def _assumptions(found: Validation) -> Iterator[tuple[str, Sequence[Fact]]]:
    """What headlines are predicted from: the workloads, then what of their platforms nobody can cite."""
    platforms: dict[str, dict[str, Fact]] = {}
    for name, stated in found.stated.items():
        yield f"{name} on {stated.workload.platform}", stated.facts
        weak = {fact.key: fact for fact in stated.platform_facts if fact.how in WEAK}
        platforms.setdefault(stated.workload.platform, {}).update(weak)
    for platform, facts in platforms.items():
        yield f"{platform}: recalled or assumed", tuple(facts.values())


def _document(found: Validation) -> dict[str, Any]:
    return {
        "rows": [{name: value for name, value in row.items() if value != ""} for row in _records(found)],
        "groups": [
            {
                "group": group.group,
                "use": group.use,
                "rows": group.rows,
                "mean_error": group.mean,
                "worst_error": group.worst,
                "worst_row": group.worst_id,
                "unit": group.unit,
            }
            for group in found.groups()
        ],
        "assumptions": [
            {"workload": name, "key": fact.key, "value": fact.value, "how": fact.how, "source": fact.source}
            for name, stated in found.stated.items()
            for fact in (*stated.facts, *stated.platform_facts)
        ],
    }


def _csv(found: Validation) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_records(found))
    return file.getvalue()


def _records(found: Validation) -> Iterator[dict[str, Any]]:
    """One record a row; those that are not expressed have a reason instead of a prediction, those that are
    off beside it.
    """
    for item in found.comparisons:
        figures = item.predicted, item.measured, item.unit, item.error, item.variant
        source = item.source.how, item.source.reference
        yield dict(
            zip(
                _COLUMNS,
                (item.group, item.id, item.use, *figures, *source, item.remark, " ".join(item.weak)),
                strict=True,
            )
        )
    for row, origin in found.not_expressed:
        cells = (
            row.group,
            row.id,
            "not expressed",
            "",
            row.measured,
            row.unit,
            "",
            "",
            origin.how,
            origin.reference,
        )
        yield dict(zip(_COLUMNS, (*cells, row.reason, ""), strict=True))
