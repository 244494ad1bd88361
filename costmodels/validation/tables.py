"""The project's own tables of measurements: strict reading of `costmodels/calibration` into dataclasses."""

from __future__ import annotations

import csv
import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal, TypeVar

from costmodels.facts import HOW

Use = Literal["fitted", "held-out", "assumed"]
"""Whether a constant was fitted on a row, none was, or the row's circumstances themselves are assumptions."""
T = TypeVar("T")


class TableError(Exception):
    """A table that cannot be used: file, line, column, what is wrong and what would be right."""


@dataclass(frozen=True)
class Source:
    """Where rows are from. how: one of `costmodels.facts.HOW`; licence: of the source, not of the figures."""

    source: str
    how: str
    what: str
    reference: str
    licence: str


@dataclass(frozen=True)
class Measurement:
    """What was measured. source: a `Source`."""

    id: str
    group: str
    use: Use
    source: str


@dataclass(frozen=True)
class Row(Measurement):
    """A measurement of time."""

    measured_cycles: float


@dataclass(frozen=True)
class Remark:
    """Why the prediction of a row is off, as far as it is known."""

    id: str
    group: str
    remark: str


@dataclass(frozen=True)
class NotExpressed:
    """A measurement that the model has no terms for, and why."""

    id: str
    group: str
    source: str
    measured: str
    unit: str
    reason: str


def read_table(name: str, cls: type[T]) -> tuple[T, ...]:
    """All rows of a table as instances of a dataclass whose fields are its columns. Raises TableError."""
    resource = resources.files("costmodels") / "calibration" / f"{name}.csv"
    return parse_table(resource.read_text(encoding="utf-8"), f"{name}.csv", cls)


def parse_table(text: str, file: str, cls: type[T]) -> tuple[T, ...]:
    """Rows of a CSV text; `file` names it in errors. Raises TableError."""
    hints = typing.get_type_hints(cls)
    wanted = [field.name for field in dataclasses.fields(typing.cast(Any, cls))]
    reader = csv.DictReader(text.splitlines())
    if sorted(reader.fieldnames or ()) != sorted(wanted):
        raise TableError(f"{file}: columns are {reader.fieldnames}, must be {wanted}")
    return tuple(
        cls(**{name: _cell(cells, name, hints[name], f"{file}:{line}") for name in wanted})
        for line, cells in enumerate(reader, start=2)
    )


def remarks() -> Mapping[tuple[str, str], str]:
    """Remarks by group and row. Raises TableError for two on one row."""
    rows = read_table("remarks", Remark)
    found = {(row.group, row.id): row.remark for row in rows}
    if len(found) < len(rows):
        raise TableError("remarks.csv: a row has two remarks, must have one")
    return found


def sources() -> Mapping[str, Source]:
    """Sources by name. Raises TableError for a source whose `how` is unknown."""
    found = {source.source: source for source in read_table("sources", Source)}
    for source in found.values():
        if source.how not in HOW:
            raise TableError(f"sources.csv: {source.source} is {source.how!r}, must be one of {HOW}")
    return found


def _cell(cells: Mapping[str, str | None], name: str, hint: Any, where: str) -> object:
    text = cells[name]
    try:
        return _value(text, hint)
    except (ValueError, TypeError):
        raise TableError(f"{where}: {name} is {text!r}, must be {hint}") from None


def _value(text: str | None, hint: Any) -> object:
    if text is None:
        raise ValueError
    if hint is bool:
        return {"yes": True, "no": False}.get(text) if text in ("yes", "no") else _refuse()
    options = typing.get_args(hint)
    if options:
        return text if text in options else _refuse()
    return hint(text)


def _refuse() -> object:
    raise ValueError
