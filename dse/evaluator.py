"""Evaluation of settings: solve inside, decode, allocate, price. Pure, and the same in every process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from compiler.deployment import L1, L2, L3
from compiler.ir import Graph
from compiler.memory import DoesNotFit
from compiler.ops.engines import npu_blockers
from compiler.schedule import Decisions, LevelCapacities, deploy
from costmodels.engines.npu import NpuEngine
from costmodels.platform import OperatingPoint
from dse.estimate import Estimator
from dse.limits import Limits, limits_of
from dse.network import SOLVER_HOME, Problem, build_problem
from dse.options import Effort, OptionsRequest
from dse.options.pins import check_pins
from dse.points import Axis, Bound, DesignPoint, Evaluation, Infeasible, OuterSetting, frozen_choices
from dse.reachable import least_memory, why_infeasible
from dse.solver.solve import Solution, solve
from dse.task import Task

GAP = 0.01
LABEL_LIMIT = 400
OTHERS = 10
L1_STEPS = 5
ARENA_STEPS = 7
LEVEL_OF_SOLVER = {value: key for key, value in SOLVER_HOME.items() if key != "wmem_mram"}


@dataclass
class ProblemEvaluator:
    """The evaluator of one task. Tables and inner fronts are cached: a cache, never state that shows."""

    task: Task
    effort: Effort = field(default_factory=Effort)
    _problems: dict[tuple[str, str, bool], Problem] = field(default_factory=dict, repr=False)
    _solutions: dict[OuterSetting, Solution] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        names = tuple(engine.name for engine in self.task.platform.engines)
        check_pins(self.task.pins, self.graph, names)

    @property
    def graph(self) -> Graph:
        return self.task.module.main

    @cached_property
    def limits(self) -> Limits:
        """Memory caps of the task, from platform and budget."""
        return limits_of(self.task)

    @cached_property
    def _estimator(self) -> Estimator:
        return Estimator(self.task)

    # -- the space ---------------------------------------------------------------------------------

    @cached_property
    def axes(self) -> tuple[Axis, ...]:
        """What Optuna decides; choices that the task fixes have one entry."""
        engines = [engine.name for engine in self.task.platform.engines]
        policies = ("all", "cluster") if len(engines) > 1 else ("all",)
        points = tuple(point.name for point in self.task.platform.operating_points)
        return (
            Axis("l1", self._l1_labels, "cap on L1, so that layers leave room for each other"),
            Axis(
                "arena", self._arena_labels, "cap on live tensors and stages in L2; the rest may hold weights"
            ),
            Axis("engines", policies, "which engines layers may use"),
            Axis("operating_point", points, "voltage and clocks"),
            Axis(
                "activations", ("l2", "l3") if self.limits.has_l3 else ("l2",), "where activations may live"
            ),
        )

    @cached_property
    def _arena_range(self) -> tuple[int, int]:
        """Least and most useful cap on live tensors and stages, in bytes."""
        least = least_memory(
            self.problem(self._default_point.name, "all", False).network, self.limits.l1_bytes
        )
        roomy = sum(-(-t.bytes // 4) * 4 for t in self.graph.tensors)
        high = max(1, min(self.limits.l2_bytes, self.limits.on_chip_bytes, roomy))
        return min(least.arena_bytes, high), high

    @cached_property
    def _l1_labels(self) -> tuple[str, ...]:
        high = min(self.limits.l1_bytes, self.limits.on_chip_bytes)
        return _ladder(max(1, high // 16), high, L1_STEPS)

    @cached_property
    def _arena_labels(self) -> tuple[str, ...]:
        low, high = self._arena_range
        return _ladder(low, high, ARENA_STEPS)

    @cached_property
    def _default_point(self) -> OperatingPoint:
        return self.task.platform.point()

    def setting(self, choices: Mapping[str, str], position: float) -> OuterSetting:
        """The setting that sampled choices stand for."""
        return OuterSetting(
            l1_bytes=int(choices["l1"]),
            arena_bytes=int(choices["arena"]),
            engines=choices["engines"],
            operating_point=choices["operating_point"],
            l3_activations=choices["activations"] == "l3",
            position=position,
        )

    def seeds(self) -> tuple[tuple[Mapping[str, str], float], ...]:
        """The largest memories first, then every arena with the largest L1 and every L1 with the largest arena."""
        found = []
        last = {axis.name: axis.choices[-1] for axis in self.axes}
        base = last | {
            "engines": "all",
            "operating_point": self._default_point.name,
            "activations": "l2",
        }
        for position in (0.0, 1.0, 0.5):
            found.append((frozen_choices(**base), position))
        for name in ("arena", "l1"):
            for label in reversed(self._axis(name).choices[:-1]):
                found.append((frozen_choices(**{**base, name: label}), 0.0))
        return tuple(found)

    def _axis(self, name: str) -> Axis:
        return next(axis for axis in self.axes if axis.name == name)

    # -- evaluation --------------------------------------------------------------------------------

    def problem(self, point: str, engines: str, l3: bool) -> Problem:
        """The solver's problem under the decisions that change the options."""
        key = (point, engines, l3)
        if key not in self._problems:
            platform = self.task.platform
            names = tuple(engine.name for engine in platform.engines)
            request = OptionsRequest(
                platform=platform,
                point=platform.point(point),
                l1_bytes=min(self.limits.l1_bytes, self.limits.on_chip_bytes),
                homes=(L2, L1, L3) if l3 else self._homes,
                param_homes=self.limits.param_homes,
                engines=names if engines == "all" else (engines,),
                effort=self.effort,
            )
            self._problems[key] = build_problem(
                self.graph, request, self.task.pins, self.task.io_home, self._blockers
            )
        return self._problems[key]

    @property
    def _homes(self) -> tuple[str, ...]:
        pinned = any(
            pin.decision in ("input_home", "output_home") and pin.value == L3 for pin in self.task.pins
        )
        return (L2, L1, L3) if self.task.io_home == L3 or pinned else (L2, L1)

    @cached_property
    def _blockers(self) -> Mapping[str, tuple[str, ...]]:
        npus = [engine for engine in self.task.platform.engines if isinstance(engine, NpuEngine)]
        return {
            op.name: tuple(r for npu in npus for r in npu_blockers(op, npu.constraints)) for op in self.graph
        }

    def evaluate(self, setting: OuterSetting) -> Evaluation:
        """Solve the setting, pick the point at its position, realise it and a spread of the others."""
        solution = self._solve(setting)
        if not solution.feasible:
            return self._nothing(setting)
        wanted, spread = _chosen(solution.points, setting.position)
        realised = [self._realise(setting, solution, index, "solver") for index in spread]
        point = self._realise(setting, solution, wanted, "trial")
        others = tuple(p for p in realised if isinstance(p, DesignPoint))
        bound = self._bound(setting, solution)
        if isinstance(point, DesignPoint):
            return Evaluation(setting, point, others, 0.0, None, bound)
        over = point.need_bytes / max(point.capacity_bytes, 1) - 1.0
        return Evaluation(setting, None, others, max(over, 1e-6), self._does_not_fit(point), bound)

    def infeasible(self) -> Infeasible | None:
        """Why the task has no deployment at all; None if it has one."""
        return why_infeasible(
            self.task, self.limits, self.problem(self._default_point.name, "all", self.limits.has_l3)
        )

    def _solve(self, setting: OuterSetting) -> Solution:
        key = replace(setting, position=0.0)
        if key not in self._solutions:
            problem = self.problem(setting.operating_point, setting.engines, setting.l3_activations)
            inner = self.limits.inner(setting, "memory" in self.task.objectives)
            self._solutions[key] = solve(problem.network, inner, GAP, LABEL_LIMIT)
        return self._solutions[key]

    def _nothing(self, setting: OuterSetting) -> Evaluation:
        """An infeasible setting; the violation is how far its caps are below the least memory."""
        problem = self.problem(setting.operating_point, setting.engines, setting.l3_activations)
        least = least_memory(problem.network, setting.l1_bytes)
        violation = 1.0
        if least.feasible:
            need = least.arena_bytes + least.resident_bytes
            violation = max(1e-6, need / max(setting.arena_bytes, 1) - 1.0)
        return Evaluation(setting, None, (), violation, None, None)

    def _realise(
        self, setting: OuterSetting, solution: Solution, index: int, source: str
    ) -> DesignPoint | DoesNotFit:
        problem = self.problem(setting.operating_point, setting.engines, setting.l3_activations)
        decisions = self._decisions(problem, solution, index)
        capacities = LevelCapacities(self.limits.capacities)
        deployment = deploy(
            self.task.module, self.task.platform.name, setting.operating_point, decisions, capacities
        )
        if isinstance(deployment, DoesNotFit):
            return deployment
        total = sum(deployment.peak_bytes(level) for level in self.limits.on_chip_levels)
        if total > self.limits.on_chip_bytes:
            return DoesNotFit("on_chip", total, self.limits.on_chip_bytes, (), False)
        return self._estimator.design_point(setting, deployment, source)

    def _decisions(self, problem: Problem, solution: Solution, index: int) -> Decisions:
        graph = self.graph
        homes = dict.fromkeys((*graph.inputs, *graph.outputs), self.task.io_home)
        plans, footprints, params = [], [], {}
        for k, op in enumerate(graph.operators):
            options = problem.options[k]
            move, row = int(solution.moves[index, k]), int(solution.refs[index, k])
            choice = options.options[move].choice
            homes[op.output] = choice.output
            params[op.name] = choice.params if choice.params != "-" else L2
            plans.append(options.plan(move, row, op.name))
            footprints.append(options.footprint(move, row))
        return Decisions(tuple(plans), tuple(footprints), homes, params)

    def _bound(self, setting: OuterSetting, solution: Solution) -> Bound:
        low = solution.bound
        ideal = [_least(low.weights, low.bounds, axis) for axis in range(2)]
        planes = tuple(
            (float(w[0]), float(w[1]), float(b))
            for w, b in zip(low.weights, low.bounds, strict=True)
            if len(w) == 2
        )
        return Bound(ideal[0], ideal[1], 0, planes)

    def _does_not_fit(self, found: DoesNotFit) -> Infeasible:
        return Infeasible(found.level, found.need_bytes, found.capacity_bytes, found.largest, ())


def _least(weights: np.ndarray, bounds: np.ndarray, axis: int) -> float:
    """Lower bound of one objective from the half planes that face it alone."""
    alone = (weights[:, axis] > 0) & (np.delete(weights, axis, axis=1) == 0).all(axis=1)
    return float((bounds[alone] / weights[alone, axis]).max(initial=0.0))


def _ladder(low: int, high: int, steps: int) -> tuple[str, ...]:
    """Geometric steps between two sizes in bytes, as labels; multiples of 4, ends included."""
    values = np.geomspace(max(low, 4), max(high, 4), steps)
    rounded = sorted({*(int(v) // 4 * 4 for v in values[1:-1]), low, high})
    return tuple(str(v) for v in rounded)


def _chosen(points: np.ndarray, position: float) -> tuple[int, list[int]]:
    """(index at the epsilon-constraint, spread of others): points are sorted by time."""
    time = points[:, 0]
    cap = time[0] + position * (time[-1] - time[0])
    inside = np.flatnonzero(time <= cap * (1 + 1e-12))
    wanted = int(inside[np.lexsort((inside, points[inside, 1]))[0]]) if position > 0 else 0
    spread = np.unique(np.round(np.linspace(0, len(points) - 1, min(OTHERS, len(points)))).astype(int))
    return wanted, [int(k) for k in spread if k != wanted]
