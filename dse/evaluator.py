"""Evaluation of settings: solve inside, decode, allocate, price. Pure, and the same in every process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product

from compiler.deployment import L1, L2, L3
from compiler.ir import Graph
from compiler.memory import DoesNotFit
from compiler.ops.engines import npu_blockers
from compiler.schedule import Decisions, Deployer, LevelCapacities
from compiler.schedule.order import branch_orders
from costmodels.engines.npu import NpuEngine
from dse.estimate import Estimator
from dse.front import merge_bounds
from dse.front.bound import bound_of_region
from dse.limits import Limits, limits_of, overflow
from dse.network import Problem, build_problem, near_problem, reordered_problem
from dse.options import Effort, OptionsRequest, Sets
from dse.options.pin_check import check_pins
from dse.outer import Needs, OuterSpace, Seed, outer_space
from dse.points import Axis, Bound, DesignPoint, Evaluation, Infeasible, OuterSetting
from dse.reachable import caps_of, why_infeasible
from dse.solver.minimum import minimum_memory
from dse.solver.solve import Solution, bound_setting, solve
from dse.spread import asked_for, position_of, spread
from dse.task import Task

GAP = 0.01
LABEL_LIMIT = 600
OTHERS = 10
LEAST_VIOLATION = 1e-6
_UNLIMITED_BYTES = 1 << 40


@dataclass
class ProblemEvaluator:
    """The evaluator of one task. Tables and inner fronts are cached: a cache, never state that shows.

    Raises TaskError for pins and homes that model and platform do not have.
    """

    task: Task
    effort: Effort = field(default_factory=Effort)
    _problems: dict[tuple[str, bool, int], Problem] = field(default_factory=dict, repr=False)
    _tilings: dict[object, Sets] = field(default_factory=dict, repr=False)
    _solutions: dict[OuterSetting, Solution] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        check_pins(self.task.pins, self.graph, self.task.platform, self.task.io_home)
        self.limits  # noqa: B018  raises TaskError for a home that the platform does not have

    @property
    def graph(self) -> Graph:
        return self.task.module.main

    @cached_property
    def graphs(self) -> tuple[Graph, ...]:
        """The graph in every order of its branches that is tried; its own first."""
        return branch_orders(self.graph)

    @cached_property
    def limits(self) -> Limits:
        """Memory caps of the task, from platform and budget."""
        return limits_of(self.task)

    @cached_property
    def _estimator(self) -> Estimator:
        return Estimator(self.task)

    @cached_property
    def _deployer(self) -> Deployer:
        return Deployer(self.task.module, self.task.platform.name, LevelCapacities(self.limits.capacities))

    # -- the space ---------------------------------------------------------------------------------

    @property
    def axes(self) -> tuple[Axis, ...]:
        """What Optuna decides."""
        return self.space.axes

    def setting(self, choices: Mapping[str, str], position: float) -> OuterSetting:
        """The setting that sampled choices stand for; a missing choice is the only one there is."""
        return self.space.setting(choices, position)

    def seeds(self) -> tuple[Seed, ...]:
        """Choices worth trying first."""
        return self.space.seeds()

    @cached_property
    def space(self) -> OuterSpace:
        """Everything that the search decides."""
        near = self.problem(self._default_point, False).network
        return outer_space(
            self.limits, near, self._needs, self._points, self._default_point, len(self.graphs)
        )

    @cached_property
    def _points(self) -> tuple[str, ...]:
        pinned = [pin.value for pin in self.task.pins if pin.decision == "operating_point"]
        return tuple(pinned[-1:]) or tuple(point.name for point in self.task.platform.operating_points)

    @cached_property
    def _default_point(self) -> str:
        default = self.task.platform.point().name
        return default if default in self._points else self._points[0]

    @cached_property
    def _needs(self) -> Needs:
        """Least memory with activations on chip, and wherever the platform allows them, where that fits."""
        caps = caps_of(self.limits)
        levels = (L2, L3) if self.limits.has_l3 else (L2,)
        networks = {level: self.problem(self._default_point, level == L3).network for level in levels}
        found = {level: minimum_memory(network, caps) for level, network in networks.items()}
        return tuple((level, need) for level, need in found.items() if need is not None)

    # -- the inner problem -------------------------------------------------------------------------

    def problem(self, point: str, far: bool, order: int = 0) -> Problem:
        """The solver's problem at an operating point; `far`: activations may also live in L3.

        order: number of the graph in `graphs`. The default point comes first, whatever is asked for: its
        fronts say which tilings are looked at.
        """
        if order:
            return self._reordered(point, far, order)
        if point != self._default_point:
            self.problem(self._default_point, True)
        if (point, far, 0) not in self._problems:
            l1_bytes = self.task.platform.level_of[L1].usable_bytes
            self._problems[point, far, 0] = (
                self._build(point, l1_bytes, self._tilings)
                if far
                else near_problem(self.problem(point, True))
            )
        return self._problems[point, far, 0]

    def _reordered(self, point: str, far: bool, order: int) -> Problem:
        if (point, far, order) not in self._problems:
            steps = [self.graph.operators.index(op) for op in self.graphs[order]]
            self._problems[point, far, order] = reordered_problem(self.problem(point, far), steps)
        return self._problems[point, far, order]

    def _problem_of(self, setting: OuterSetting) -> Problem:
        return self.problem(setting.operating_point, setting.l3_activations, setting.branch_order)

    def _build(self, point: str, l1_bytes: int, tilings: dict[object, Sets]) -> Problem:
        request = OptionsRequest(
            platform=self.task.platform,
            point=self.task.platform.point(point),
            l1_bytes=l1_bytes,
            homes=(L2, L1, L3) if self.limits.has_l3 else (L2, L1),
            param_homes=self.limits.param_homes,
            effort=self.effort,
        )
        return build_problem(self.graph, request, self.task.pins, self.task.io_home, self._blockers, tilings)

    @cached_property
    def _blockers(self) -> Mapping[str, tuple[str, ...]]:
        npus = [engine for engine in self.task.platform.engines if isinstance(engine, NpuEngine)]
        return {
            op.name: tuple(r for npu in npus for r in npu_blockers(op, npu.constraints)) for op in self.graph
        }

    def infeasible(self) -> Infeasible | None:
        """Why the task has no deployment at all; None if it has one.

        Raises TaskError where pins contradict each other.
        """
        if self._needs:
            return None
        problem = self.problem(self._default_point, True)
        if not all(layer.moves for layer in problem.network.layers):
            problem = self._build(self._default_point, _UNLIMITED_BYTES, {})
        return why_infeasible(self.task, self.limits, problem)

    # -- evaluation --------------------------------------------------------------------------------

    def evaluate(self, setting: OuterSetting) -> Evaluation:
        """Solve the setting, realise the point at its position and a spread of the others.

        Where the point itself does not survive allocation, the quickest of the others stands in.
        """
        solution = self.solution(setting)
        if not solution.feasible:
            return Evaluation(setting, None, (), self._violation(setting), None, self._bound_for(setting))
        objectives = solution.objectives("memory" in self.task.objectives)
        wanted = asked_for(objectives, setting.position)
        others = spread(objectives, wanted, OTHERS)
        own = [replace(setting, position=position_of(objectives, index)) for index in others]
        made = [self.realise(setting, solution, wanted)]
        made += [self.realise(at, solution, index) for at, index in zip(own, others, strict=True)]
        points = [point for point in made if isinstance(point, DesignPoint)]
        if points:
            asked = replace(points[0], source="trial")
            return Evaluation(setting, asked, tuple(points[1:]), 0.0, None, self._bound_for(setting))
        found = next(point for point in made if isinstance(point, DoesNotFit))
        over = max(found.need_bytes / max(found.capacity_bytes, 1) - 1.0, LEAST_VIOLATION)
        why = Infeasible(found.level, found.need_bytes, found.capacity_bytes, found.largest, ())
        return Evaluation(setting, None, (), over, why, self._bound_for(setting))

    def solution(self, setting: OuterSetting) -> Solution:
        """The inner front of a setting, whatever its position."""
        key = replace(setting, position=0.0)
        if key not in self._solutions:
            problem = self._problem_of(setting)
            inner = self.limits.inner(setting, "memory" in self.task.objectives)
            self._solutions[key] = solve(problem.network, inner, GAP, LABEL_LIMIT)
        return self._solutions[key]

    def _violation(self, setting: OuterSetting) -> float:
        """By how much the deployment of least memory exceeds an infeasible setting, in the worst part."""
        least = dict(self._needs).get(L3 if setting.l3_activations else L2)
        if least is None:
            return 1.0
        return max(LEAST_VIOLATION, overflow(least, self.limits.inner(setting, True)))

    def realise(self, setting: OuterSetting, solution: Solution, index: int) -> DesignPoint | DoesNotFit:
        """A point of an inner front as an allocated, validated, priced deployment."""
        decisions = self._decisions(setting, solution, index)
        deployment = self._deployer.deploy(setting.operating_point, decisions)
        if isinstance(deployment, DoesNotFit):
            return deployment
        total = sum(deployment.peak_bytes(level) for level in self.limits.on_chip_levels)
        if total > self.limits.on_chip_bytes:
            return DoesNotFit("on_chip", total, self.limits.on_chip_bytes, (), False)
        return self._estimator.design_point(setting, deployment, "solver")

    def _decisions(self, setting: OuterSetting, solution: Solution, index: int) -> Decisions:
        problem, graph = self._problem_of(setting), self.graphs[setting.branch_order]
        homes = dict.fromkeys((*graph.inputs, *graph.outputs), self.task.io_home)
        plans, footprints, params = [], [], {}
        for k, op in enumerate(graph.operators):
            options = problem.options[k]
            move, row = int(solution.moves[index, k]), int(solution.refs[index, k])
            choice = options.options[move].choice
            homes[op.output] = choice.output
            params[op.name] = choice.params if choice.params != "-" else L2
            plan, need = options.planned(move, row, op.name)
            plans.append(plan)
            footprints.append(need)
        return Decisions(tuple(plans), tuple(footprints), homes, params)

    # -- the bound ---------------------------------------------------------------------------------

    @cached_property
    def bound(self) -> Bound | None:
        """What no deployment of the whole explored space can beat: relaxed to the largest caps everywhere.

        None where nothing fits.
        """
        merged: Bound | None = None
        for bound in self._bounds():
            merged = merge_bounds(merged, bound)
        return merged

    def _bounds(self) -> Iterator[Bound]:
        """Of every operating point and order."""
        for point, order in product(self._points, range(len(self.graphs))):
            network = self.problem(point, True, order).network
            least = minimum_memory(network, caps_of(self.limits))
            if least is not None:
                region = bound_setting(network, self.limits.roomiest())
                yield bound_of_region(region, least.floor_bytes)

    def _bound_for(self, setting: OuterSetting) -> Bound | None:
        """The bound travels once, with the first seed."""
        return self.bound if setting == self.setting(*self.seeds()[0]) else None
