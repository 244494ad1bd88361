"""What the commands do with a task: explore it to a found front, or price one given deployment."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from compiler.deployment import L1, L2, L3, LEVELS, Deployment, DeploymentError
from compiler.ir import Module
from compiler.schedule.legality import check_deployment
from costmodels.platform import Platform
from dse.baselines import Gain, baselines, compare
from dse.estimate import Estimator
from dse.evaluator import ProblemEvaluator
from dse.executors import Executor
from dse.front import knee
from dse.output.exploration import Exploration
from dse.output.read import Explored
from dse.output.run_record import graph_sha256
from dse.points import DesignPoint, Infeasible, LeastMemory, OuterSetting
from dse.refinement import NORMAL, Refining
from dse.search import Progress, SearchOptions, SearchResult, Storage, explore
from dse.task import Budget, Task


@dataclass
class EvaluatorOf:
    """Makes a task's evaluator once a process. It travels to workers with its tables, which are far quicker
    to read than to find."""

    task: Task
    refining: Refining | None = NORMAL
    _made: list[ProblemEvaluator] = field(default_factory=list, repr=False)

    def __call__(self) -> ProblemEvaluator:
        if not self._made:
            self._made.append(ProblemEvaluator(self.task, refining=self.refining))
        return self._made[0]

    def __reduce__(self) -> tuple[Any, ...]:
        made = self()
        made.prepare()
        return (EvaluatorOf, (self.task, self.refining, [made]))


def explore_task(
    task: Task,
    options: SearchOptions,
    executor: Executor | None = None,
    storage: Storage | None = None,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
    started_seconds: float | None = None,
    refining: Refining | None = NORMAL,
) -> tuple[SearchResult, Exploration | None] | Infeasible:
    """Search a task; Infeasible where it has no deployment at all.

    The exploration is None where the search was stopped before it had met a point, or met none within its
    trials. Raises what `dse.search.explore` raises, and PinError.
    """
    make = EvaluatorOf(task, refining)
    nothing_fits = make().infeasible()
    if nothing_fits is not None:
        return nothing_fits
    result = explore(make, options, executor, storage, progress, stop, started_seconds)
    return result, exploration_of(task, result, make().least_memories())


def exploration_of(
    task: Task, result: SearchResult, least: tuple[LeastMemory, ...] = ()
) -> Exploration | None:
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
        least=least,
    )


def gains_over_baselines(found: Exploration | Explored) -> tuple[Gain, ...]:
    """Every policy of `dse.baselines` on the explored task, beside all points that were met.

    Raises what reading an explored directory raises.
    """
    points = found.points if isinstance(found, Explored) else dict(found.named)
    return compare(baselines(found.task), points)


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


def price_deployment(module: Module, platform: Platform, deployment: Deployment) -> DesignPoint:
    """The price of any deployment of `module`, layer by layer; source "given".

    Its setting says no more than what the deployment uses. Raises DeploymentError where the deployment is
    not legal for the module or does not fit the platform, PlatformError for an unknown operating point.
    """
    check_deployment(module.main, deployment)
    _check_platform(platform, deployment)
    setting = OuterSetting(
        l1_bytes=deployment.peak_bytes(L1),
        arena_bytes=deployment.peak_bytes(L2),
        operating_point=deployment.operating_point,
        l3_activations=L3 in deployment.home_of.values(),
        position=0.0,
    )
    task = Task(module, platform, Budget(None))
    return Estimator(task).design_point(setting, deployment, "given")


def _check_platform(platform: Platform, deployment: Deployment) -> None:
    platform.point(deployment.operating_point)
    for plan in deployment.plans:
        if plan.engine not in platform.engine_of:
            raise DeploymentError(
                f"layer {plan.operator} runs on {plan.engine}; {platform.name} has "
                f"{', '.join(platform.engine_of)}"
            )
    for level in LEVELS:
        there = platform.level_of[level].usable_bytes if level in platform.level_of else 0
        if deployment.peak_bytes(level) > there:
            raise DeploymentError(
                f"{level} needs {deployment.peak_bytes(level)} B, {platform.name} has {there} B"
            )
