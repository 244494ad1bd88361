"""summary.csv: one row a run, read from the fronts that the runs wrote."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from dse.sweep.runs import SweepRun


class Status(StrEnum):
    """How a run ended; only `done` is not run again by a resumed sweep."""

    DONE = "done"
    INFEASIBLE = "infeasible"
    FAILED = "failed"
    PENDING = "pending"


@dataclass(frozen=True)
class Outcome:
    """What a run says: its status, and in one line why if it is not done."""

    status: Status
    message: str = ""


@dataclass(frozen=True)
class SummaryRow:
    """A run and what it found; None where it found nothing. Least values are of any point of the front."""

    id: str
    model: str
    platform: str
    budget: str
    seed: int
    status: Status
    trials: int | None = None
    points: int | None = None
    latency_ms: float | None = None
    energy_uj: float | None = None
    memory_bytes: int | None = None
    hypervolume: float | None = None
    hypervolume_gap: float | None = None
    message: str = ""


def row_of(run: SweepRun, outcome: Outcome, front: Path) -> SummaryRow:
    """The row of `run`; for a finished one `front` is its front.json."""
    who = (run.id, run.model.stem, Path(run.platform).stem, run.budget, run.seed)
    if outcome.status != Status.DONE:
        return SummaryRow(*who, outcome.status, message=outcome.message)
    document: dict[str, Any] = json.loads(front.read_text(encoding="utf-8"))
    points, bound = document["points"], document["bound"]
    least = {
        name: min(point[name] for point in points) for name in ("latency_ms", "energy_uj", "memory_bytes")
    }
    return SummaryRow(
        *who,
        Status.DONE,
        trials=document["trials"],
        points=len(points),
        **least,
        hypervolume=bound["hypervolume"],
        hypervolume_gap=bound["hypervolume_gap"],
    )


def write_summary(path: Path, rows: Sequence[SummaryRow]) -> None:
    """Write all rows at once: whoever reads meanwhile sees the old file or the new one."""
    names = [field.name for field in fields(SummaryRow)]
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_cell(getattr(row, name)) for name in names] for row in rows)
    os.replace(part, path)


def _cell(value: object) -> str:
    return "" if value is None else str(value)
