"""Reads an explored directory back."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from compiler.frontend import load
from compiler.ir import Module
from compiler.ir.tensor import IntArray
from costmodels.platform import Platform, load_platform
from dse.output.documents import point_of
from dse.output.errors import OutputError
from dse.output.golden import read_arrays
from dse.output.layout import DECODE, PREFILL, SCHEMA, Layout
from dse.output.run_record import graph_sha256
from dse.points import DesignPoint
from dse.search.history import Mark
from dse.task import Budget, Pin, Task

Plain = Mapping[str, Any]


@dataclass(frozen=True)
class Explored:
    """An explored directory; what is large is read when it is first asked for."""

    layout: Layout
    front: Plain
    run: Plain

    @cached_property
    def points(self) -> Mapping[str, DesignPoint]:
        """Every point of front_all.jsonl by id. Raises OutputError."""
        found: dict[str, DesignPoint] = {}
        text = _text(self.layout.front_all)
        for number, line in enumerate(text.splitlines(), start=1):
            try:
                row = json.loads(line)
                found[str(row["id"])] = point_of(row)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise OutputError(f"{self.layout.front_all}: line {number} is damaged ({error})") from error
        return found

    @cached_property
    def platform(self) -> Platform:
        """The platform as it was when it was explored. Raises PlatformError."""
        return load_platform(self.layout.platform)

    @cached_property
    def module(self) -> Module:
        """The explored model, read again. Raises ModelError, OutputError if it is another one."""
        model = self.front["model"]
        module = replace(load(self.layout.model), name=model["name"], sha256=model["sha256"])
        if graph_sha256(module.main) != self.run["graph_sha256"]:
            raise OutputError(
                f"{self.layout.model} is not the explored model as this version reads it; explore again"
            )
        return module

    @property
    def baselines(self) -> tuple[Plain, ...]:
        """Entries of baselines.json (see `dse.baselines.document`); none where that is missing.

        Raises OutputError.
        """
        path = self.layout.baselines
        return tuple(_document(path)["baselines"]) if path.is_file() else ()

    @cached_property
    def history(self) -> tuple[Mark, ...]:
        """The rows of hypervolume.csv; none where that is missing. Raises OutputError."""
        path = self.layout.hypervolume
        if not path.is_file():
            return ()
        try:
            rows = list(csv.DictReader(_text(path).splitlines()))
            return tuple(
                Mark(
                    int(row["trials"]),
                    float(row["seconds"]),
                    int(row["points"]),
                    float(row["hypervolume"]),
                    float(row["share"]),
                )
                for row in rows
            )
        except (KeyError, TypeError, ValueError) as error:
            raise OutputError(f"{path}: damaged ({error})") from error

    @property
    def task(self) -> Task:
        """What was explored. Raises ModelError, PlatformError, OutputError."""
        budget = dict(self.front["budget"])
        on_chip = budget.pop("on_chip")
        return Task(
            module=self.module,
            platform=self.platform,
            budget=Budget(on_chip, tuple(budget.items())),
            objectives=tuple(self.front["objectives"]),
            pins=tuple(Pin(*map(str, pin)) for pin in self.run["pins"]),
            io_home=str(self.run["io_home"]),
            seed=int(self.front["seed"]),
        )

    @property
    def golden(self) -> dict[str, IntArray]:
        """Codes of the golden input, by graph input. Raises OutputError."""
        arrays = read_arrays(self.layout.golden)
        return {str(name): arrays[f"input{k}"] for k, name in enumerate(arrays["names"])}

    def point(self, point_id: str) -> DesignPoint:
        """The point with this id. Raises OutputError with the ids that there are."""
        found = self.points.get(point_id)
        if found is None:
            ids = list(self.points)
            raise OutputError(
                f"{self.layout.front_all} has no point {point_id!r}; ids are {ids[0]} to {ids[-1]}"
            )
        return found


def open_explored(directory: Path) -> Explored:
    """Open what `dse explore` wrote. Raises OutputError."""
    layout = Layout(directory)
    if not layout.is_explored:
        raise OutputError(f"{directory} is no output directory of dse explore (no front.json and run.json)")
    front = _document(layout.front)
    if "graphs" in front:
        raise OutputError(
            f"{directory} holds pairs of two graphs, of which this looks at one: "
            f"say {directory / PREFILL} or {directory / DECODE}"
        )
    return Explored(layout, front, _document(layout.run))


def halves(directory: Path) -> tuple[Path, ...]:
    """The directories of the graphs of a pair; the directory itself where it holds one graph."""
    layout = Layout(directory)
    if layout.is_explored and "graphs" in _document(layout.front):
        return directory / PREFILL, directory / DECODE
    return (directory,)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OutputError(f"{path}: cannot be read ({error})") from error


def _document(path: Path) -> Plain:
    try:
        data = json.loads(_text(path))
    except ValueError as error:
        raise OutputError(f"{path}: not JSON ({error})") from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise OutputError(f"{path}: its schema is not {SCHEMA}, which this version reads")
    return data
