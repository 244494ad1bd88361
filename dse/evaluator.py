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
from dse.estimate import Estimator
from dse.front import merge_bounds
from dse.limits import Limits, limits_of
from dse.network import Problem, build_problem, near_problem
from dse.options import Effort, OptionsRequest, Sets
from dse.options.pins import check_pins
from dse.points import Axis, Bound, DesignPoint, Evaluation, Infeasible, OuterSetting, frozen_choices
from dse.reachable import Caps, Least, caps_of, least_memory, why_infeasible
from dse.solver.certificate import Region
from dse.solver.solve import Solution, bound_setting, solve
from dse.task import Task

GAP = 0.01
LABEL_LIMIT = 400
OTHERS = 10
L1_STEPS = 5
ARENA_STEPS = 7


@dataclass
class ProblemEvaluator:
    """The evaluator of one task. Tables and inner fronts are cached: a cache, never state that shows."""

    task: Task
    effort: Effort = field(default_factory=Effort)
    _problems: dict[str, Problem] = field(default_factory=dict, repr=False)
    _near: dict[str, Problem] = field(default_factory=dict, repr=False)
    _tilings: dict[object, Sets] = field(default_factory=dict, repr=False)
    _solutions: dict[OuterSetting, Solution] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        platform = self.task.platform
        engines = tuple(engine.name for engine in platform.engines)
        points = tuple(point.name for point in platform.operating_points)
        check_pins(self.task.pins, self.graph, engines, points)

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
        """What Optuna decides; what the task leaves no choice in is not an axis."""
        activations = (L2, L3) if self.limits.has_l3 else (L2,)
        axes = (
            Axis("l1", self._l1_labels, "cap on L1, so that layers leave room for each other"),
            Axis(
                "arena", self._arena_labels, "cap on live tensors and stages in L2; the rest may hold weights"
            ),
            Axis("l1_weights", self._l1_weights_labels, "bytes of L1 set aside for resident parameters"),
            Axis("operating_point", self._points, "voltage and clocks"),
            Axis("activations", activations, "the farthest level where activations may live"),
        )
        return tuple(axis for axis in axes if len(axis.choices) > 1)

    @cached_property
    def _points(self) -> tuple[str, ...]:
        pinned = [pin.value for pin in self.task.pins if pin.decision == "operating_point"]
        return tuple(pinned[-1:]) or tuple(point.name for point in self.task.platform.operating_points)

    @cached_property
    def _default_point(self) -> str:
        default = self.task.platform.point().name
        return default if default in self._points else self._points[0]

    @cached_property
    def _needs(self) -> tuple[Least, Least]:
        """Least memory with activations on chip, and wherever the platform allows them."""
        caps = caps_of(self.limits)
        near = least_memory(self.problem(self._default_point, False).network, caps)
        if not self.limits.has_l3:
            return near, near
        return near, least_memory(self.problem(self._default_point, True).network, caps)

    @cached_property
    def _l1_labels(self) -> tuple[str, ...]:
        high = min(self.limits.l1_bytes, self.limits.on_chip_bytes)
        return _ladder({need.l1_bytes for need in self._needs if need.feasible}, high, L1_STEPS)

    @cached_property
    def _arena_labels(self) -> tuple[str, ...]:
        roomy = sum(-(-t.bytes // 4) * 4 for t in self.graph.tensors)
        high = min(self.limits.l2_bytes, self.limits.on_chip_bytes, roomy)
        return _ladder({need.arena_bytes for need in self._needs if need.feasible}, high, ARENA_STEPS)

    @cached_property
    def _l1_weights_labels(self) -> tuple[str, ...]:
        """None, a quarter, a half of L1; and what pins on "l1" ask for."""
        room = min(self.limits.l1_bytes, self.limits.on_chip_bytes)
        sizes = {0, room // 4 // 4 * 4, room // 2 // 4 * 4}
        problem = self.problem(self._default_point, False)
        forced = [o for o in problem.options if o.options and all(p.choice.params == L1 for p in o.options)]
        pinned = sum(min(p.resident[2] for p in o.options) for o in forced)
        return tuple(str(size) for size in sorted({max(size, pinned) for size in sizes}))

    def setting(self, choices: Mapping[str, str], position: float) -> OuterSetting:
        """The setting that sampled choices stand for; a missing choice is the only one there is."""
        return OuterSetting(
            l1_bytes=int(choices.get("l1", self._l1_labels[-1])),
            arena_bytes=int(choices.get("arena", self._arena_labels[-1])),
            engines="all",
            operating_point=choices.get("operating_point", self._default_point),
            l3_activations=choices.get("activations", L2) == L3,
            position=position,
            l1_weights_bytes=int(choices.get("l1_weights", self._l1_weights_labels[0])),
        )

    def seeds(self) -> tuple[tuple[Mapping[str, str], float], ...]:
        """The least memory first, then the roomiest setting, then the ladder of arenas and of L1 caps."""
        names = {axis.name for axis in self.axes}
        near, far = self._needs

        def choices(**wanted: str) -> Mapping[str, str]:
            base = {
                "l1": self._l1_labels[-1],
                "arena": self._arena_labels[-1],
                "l1_weights": self._l1_weights_labels[0],
                "operating_point": self._default_point,
                "activations": L2,
            }
            return frozen_choices(**{k: v for k, v in {**base, **wanted}.items() if k in names})

        found = [(choices(), position) for position in (0.0, 1.0, 0.5)]
        for need, level in ((near, L2), (far, L3)):
            if need.feasible:
                least = {"l1": str(need.l1_bytes), "arena": str(need.arena_bytes), "activations": level}
                found.append((choices(**least), 0.0))
        for label in self._l1_weights_labels[1:]:
            found.append((choices(l1_weights=label), 0.0))
        for label in self._arena_labels[-2::-1]:
            found.append((choices(arena=label), 0.0))
        for label in self._l1_labels[-2::-1]:
            found.append((choices(l1=label), 0.0))
        return tuple(found)

    # -- evaluation --------------------------------------------------------------------------------

    def problem(self, point: str, far: bool) -> Problem:
        """The solver's problem at an operating point; `far`: activations may also live in L3."""
        if point not in self._problems:
            platform = self.task.platform
            request = OptionsRequest(
                platform=platform,
                point=platform.point(point),
                l1_bytes=platform.level_of[L1].usable_bytes,
                homes=(L2, L1, L3) if self.limits.has_l3 else (L2, L1),
                param_homes=self.limits.param_homes,
                effort=self.effort,
            )
            self._problems[point] = build_problem(
                self.graph, request, self.task.pins, self.task.io_home, self._blockers, self._tilings
            )
            self._near[point] = near_problem(self._problems[point])
        return (self._problems if far else self._near)[point]

    @cached_property
    def _blockers(self) -> Mapping[str, tuple[str, ...]]:
        npus = [engine for engine in self.task.platform.engines if isinstance(engine, NpuEngine)]
        return {
            op.name: tuple(r for npu in npus for r in npu_blockers(op, npu.constraints)) for op in self.graph
        }

    def infeasible(self) -> Infeasible | None:
        """Why the task has no deployment at all; None if it has one."""
        if any(need.feasible for need in self._needs):
            return None
        return why_infeasible(self.task, self.limits, self.problem(self._default_point, self.limits.has_l3))

    def evaluate(self, setting: OuterSetting) -> Evaluation:
        """Solve the setting, pick the point at its position, realise it and a spread of the others."""
        solution = self._solve(setting)
        if not solution.feasible:
            return self._nothing(setting)
        wanted, spread = _chosen(solution.points, setting.position)
        realised = [self._realise(setting, solution, index, "solver") for index in spread]
        point = self._realise(setting, solution, wanted, "trial")
        others = tuple(p for p in realised if isinstance(p, DesignPoint))
        bound = self._bound_for(setting)
        if isinstance(point, DesignPoint):
            return Evaluation(setting, point, others, 0.0, None, bound)
        over = point.need_bytes / max(point.capacity_bytes, 1) - 1.0
        return Evaluation(setting, None, others, max(over, 1e-6), self._does_not_fit(point), bound)

    def _solve(self, setting: OuterSetting) -> Solution:
        key = replace(setting, position=0.0)
        if key not in self._solutions:
            problem = self.problem(setting.operating_point, setting.l3_activations)
            inner = self.limits.inner(setting, "memory" in self.task.objectives)
            self._solutions[key] = solve(problem.network, inner, GAP, LABEL_LIMIT)
        return self._solutions[key]

    def _nothing(self, setting: OuterSetting) -> Evaluation:
        """An infeasible setting; the violation is how far its caps are below the least memory."""
        problem = self.problem(setting.operating_point, setting.l3_activations)
        least = least_memory(problem.network, Caps(l1=setting.l1_bytes))
        violation = 1.0
        if least.feasible:
            need = least.arena_bytes + least.resident_bytes
            violation = max(1e-6, need / max(setting.arena_bytes, 1) - 1.0)
        return Evaluation(setting, None, (), violation, None, self._bound_for(setting))

    def _realise(
        self, setting: OuterSetting, solution: Solution, index: int, source: str
    ) -> DesignPoint | DoesNotFit:
        problem = self.problem(setting.operating_point, setting.l3_activations)
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

    @cached_property
    def bound(self) -> Bound:
        """What no deployment of the whole explored space can beat: relaxed to the largest caps everywhere."""
        merged: Bound | None = None
        for point in self._points:
            network = self.problem(point, self.limits.has_l3).network
            merged = merge_bounds(merged, self._bound_of(bound_setting(network, self.limits.roomiest())))
        if merged is None:
            raise ValueError(f"platform {self.task.platform.name} has no operating point")
        return merged

    def _bound_of(self, region: Region) -> Bound:
        ideal = [_least(region.weights, region.bounds, axis) for axis in range(2)]
        rows = zip(region.weights, region.bounds, strict=True)
        planes = tuple((float(w[0]), float(w[1]), float(b)) for w, b in rows)
        memory = min(need.total_bytes for need in self._needs if need.feasible)
        return Bound(ideal[0], ideal[1], memory, planes)

    def _bound_for(self, setting: OuterSetting) -> Bound | None:
        """The bound travels once, with the first seed."""
        return self.bound if setting == self.setting(*self.seeds()[0]) else None

    def _does_not_fit(self, found: DoesNotFit) -> Infeasible:
        return Infeasible(found.level, found.need_bytes, found.capacity_bytes, found.largest, ())


def _least(weights: np.ndarray, bounds: np.ndarray, axis: int) -> float:
    """Lower bound of one objective from the half planes that face it alone."""
    alone = (weights[:, axis] > 0) & (np.delete(weights, axis, axis=1) == 0).all(axis=1)
    return float((bounds[alone] / weights[alone, axis]).max(initial=0.0))


def _ladder(least: set[int], high: int, steps: int) -> tuple[str, ...]:
    """Ascending sizes in bytes, as labels: the least ones, then geometric steps up to `high`.

    `high` itself is always there; with nothing feasible it is alone.
    """
    start = max(least, default=high)
    grid = np.geomspace(max(start, 4), max(high, 4), steps) if start < high else np.array([])
    inner = {int(v) // 4 * 4 for v in grid[1:-1]}
    return tuple(str(v) for v in sorted({*(v for v in least if v <= high), *inner, high}))


def _chosen(points: np.ndarray, position: float) -> tuple[int, list[int]]:
    """(index at the epsilon-constraint, spread of others): points are sorted by time."""
    time = points[:, 0]
    cap = time[0] + position * (time[-1] - time[0])
    inside = np.flatnonzero(time <= cap * (1 + 1e-12))
    wanted = int(inside[np.lexsort((inside, points[inside, 1]))[0]]) if position > 0 else 0
    spread = np.unique(np.round(np.linspace(0, len(points) - 1, min(OTHERS, len(points)))).astype(int))
    return wanted, [int(k) for k in spread if k != wanted]
