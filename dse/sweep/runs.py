"""The runs of a study, each with an id that follows from what it is and from nothing else."""

from __future__ import annotations

import hashlib
import re
from dataclasses import astuple, dataclass
from itertools import product
from pathlib import Path

from dse.sweep.study import StudyError, SweepStudy


@dataclass(frozen=True)
class SweepRun:
    """One exploration. platform: a name or the path of a file. budget: as on the command line."""

    id: str
    model: Path
    platform: str
    budget: str
    seed: int
    objectives: tuple[str, ...]
    trials: int
    points: int
    emit: str

    @property
    def arguments(self) -> tuple[str, ...]:
        """The same exploration as arguments of `dse`, without --out."""
        return (
            *("explore", str(self.model), "--platform", self.platform, "--budget", self.budget),
            *("--seed", str(self.seed), "--objectives", ",".join(self.objectives)),
            *("--trials", str(self.trials), "--points", str(self.points), "--emit", self.emit),
        )


def runs_of(study: SweepStudy) -> tuple[SweepRun, ...]:
    """The cross product in the order of the file, seeds innermost.

    Raises StudyError if two runs are the same (copies of a file), OSError if a file vanished.
    """
    product_of_all = product(study.models, study.platforms, study.budgets, study.seeds)
    runs = tuple(_run(study, *choice) for choice in product_of_all)
    by_id: dict[str, SweepRun] = {}
    for run in runs:
        same = by_id.setdefault(run.id, run)
        if same is not run:
            raise StudyError(
                f"{study.name}: {run.model} on {run.platform} is a copy of {same.model}; name one"
            )
    return runs


def _run(study: SweepStudy, model: Path, platform: str, budget: str, seed: int) -> SweepRun:
    parts = (model, platform, budget, seed, study.objectives, study.trials, study.points, study.emit)
    run = SweepRun("", *parts)
    names = (model.stem, Path(platform).stem, budget, f"s{seed}")
    readable = "-".join(re.sub(r"[^A-Za-z0-9_.]+", "_", name) for name in names)
    return SweepRun(f"{readable}-{_digest(run)}", *parts)


def _digest(run: SweepRun) -> str:
    """8 hex digits over contents and options: a changed model makes another run, a moved one does not."""
    contents = [hashlib.sha256(run.model.read_bytes()).hexdigest()]
    platform = run.platform
    if platform.endswith(".toml"):
        platform = hashlib.sha256(Path(platform).read_bytes()).hexdigest()
    what = (*contents, platform, *astuple(run)[3:])
    return hashlib.sha256(repr(what).encode()).hexdigest()[:8]
