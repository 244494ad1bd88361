"""One exploration from task to found front: what `dse explore` and `dse sweep` both do."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dse.evaluator import ProblemEvaluator
from dse.executors import Executor
from dse.front import knee
from dse.output.exploration import Exploration
from dse.output.run_record import graph_sha256
from dse.points import Infeasible
from dse.search import Progress, SearchOptions, SearchResult, Storage, explore
from dse.task import Task


@dataclass
class EvaluatorOf:
    """Makes a task's evaluator once a process; only the task travels to workers."""

    task: Task
    _made: list[ProblemEvaluator] = field(default_factory=list, repr=False)

    def __call__(self) -> ProblemEvaluator:
        if not self._made:
            self._made.append(ProblemEvaluator(self.task))
        return self._made[0]

    def __reduce__(self) -> tuple[Any, ...]:
        return (EvaluatorOf, (self.task,))


def explore_task(
    task: Task,
    options: SearchOptions,
    executor: Executor | None = None,
    storage: Storage | None = None,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
) -> tuple[SearchResult, Exploration | None] | Infeasible:
    """Search a task; Infeasible where it has no deployment at all.

    The exploration is None where the search was stopped before it had met a point, or met none within its
    trials. Raises what `dse.search.explore` raises, and PinError.
    """
    make = EvaluatorOf(task)
    nothing_fits = make().infeasible()
    if nothing_fits is not None:
        return nothing_fits
    result = explore(make, options, executor, storage, progress, stop)
    return result, exploration_of(task, result)


def exploration_of(task: Task, result: SearchResult) -> Exploration | None:
    """The found front as the writers want it; None without points."""
    if not result.points:
        return None
    place = {id(point): index for index, point in enumerate(result.points)}
    return Exploration(
        task=task,
        points=result.points,
        chosen=tuple(sorted(place[id(point)] for point in result.front)),
        knee=knee(result.points, task.objectives),
        trials=result.trials,
        bound=result.bound,
    )


def identity_of(task: Task) -> tuple[tuple[str, str], ...]:
    """What a stored study must agree on to be resumed with this task."""
    levels = ",".join(f"{name}={size}" for name, size in task.budget.levels)
    platform = hashlib.sha256(repr(task.platform).encode()).hexdigest()[:12]
    pins = ",".join(f"{pin.layer}.{pin.decision}={pin.value}" for pin in task.pins)
    return (
        ("model", graph_sha256(task.module.main)),
        ("platform", f"{task.platform.name} {platform}"),
        ("budget", f"{task.budget.on_chip_bytes},{levels}"),
        ("pins", pins),
        ("io_home", task.io_home),
    )
