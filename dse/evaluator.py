"""Evaluation of settings: solve inside, decode, allocate, price. Pure, and the same in every process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import product, takewhile

import numpy as np

from compiler.deployment import L1, L2, L3, Deployment, LayerPlan, Segment
from compiler.ir import Graph
from compiler.memory import DoesNotFit
from compiler.ops.engines import npu_blockers
from compiler.schedule import Decisions, Deployer, LevelCapacities
from compiler.schedule.footprint import Footprint
from compiler.schedule.order import branch_orders
from costmodels.engines.npu import NpuEngine
from dse.estimate import Estimator
from dse.front import merge_bounds
from dse.front.bound import bound_of_region
from dse.limits import Limits, limits_of, overflow
from dse.network import Problem, build_problem, fused_problem, near_problem, reordered_problem
from dse.options import Effort, OptionsRequest, Sets
from dse.options.pin_check import check_pins
from dse.options.pins import LayerPins, Place, layer_pins
from dse.outer import Need, Needs, OuterSpace, Seed, outer_space
from dse.points import Axis, Bound, DesignPoint, Evaluation, Infeasible, LeastMemory, OuterSetting, Refined
from dse.prefetching import Woven, prefetching
from dse.reachable import caps_of, least_of, why_infeasible
from dse.refinement import LOOKED, NORMAL, Refinement, Refining, refinement
from dse.segmentation import Runs, segmentations
from dse.segments import Segments
from dse.solver.bottleneck import NO_CAPS, Caps
from dse.solver.minimum import MinimumMemory
from dse.solver.pareto import IntArray
from dse.solver.solve import Solution, bound_setting, solve
from dse.solver.tables import TableCache
from dse.solver.width import wide_tensors
from dse.spread import asked_for, position_of, spread
from dse.task import Task

GAP = 0.01
LABEL_LIMIT = 600
OTHERS = 16
LEAST_VIOLATION = 1e-6
_UNLIMITED_BYTES = 1 << 40
# Nodes of an exact allocation; on deep networks greedy comes first, and is within 0.2 % of its memory
# (microLlama64) at a sixth of the time.
NODES, _DEEP_LAYERS = 2_000, 100
# Half planes of deep networks hardly move with more (measured on microLlama; see docs/search.md).
_BOUND_STATES = 64
# What travels to other processes: what each would have to find again. Other caches name things by identity.
_TRAVELLING = ("task", "effort", "refining", "_problems", "_plains", "_tilings", "_segmented", "_needs")


@dataclass
class ProblemEvaluator:
    """The evaluator of one task. Tables and inner fronts are cached: a cache, never state that shows.

    refining: how much to spend on the whole front; None for not at all. Raises TaskError for pins and homes
    that model and platform do not have.
    """

    task: Task
    effort: Effort = field(default_factory=Effort)
    refining: Refining | None = NORMAL
    _problems: dict[tuple[str, bool, int, int], Problem] = field(default_factory=dict, repr=False)
    _tilings: dict[object, Sets] = field(default_factory=dict, repr=False)
    _woven: Woven = field(default_factory=dict, repr=False)
    _plains: dict[tuple[str, bool, int, int], Problem] = field(default_factory=dict, repr=False)
    _leasts: dict[tuple[int, Caps], MinimumMemory | None] = field(default_factory=dict, repr=False)
    _solutions: dict[OuterSetting, Solution] = field(default_factory=dict, repr=False)
    _tables: TableCache = field(default_factory=TableCache, repr=False)

    def __post_init__(self) -> None:
        check_pins(self.task.pins, self.graph, self.task.platform, self.task.io_home)
        self.limits  # noqa: B018  raises TaskError for a home that the platform does not have

    def __getstate__(self) -> dict[str, object]:
        return {name: self.__dict__[name] for name in _TRAVELLING if name in self.__dict__}

    def __setstate__(self, state: dict[str, object]) -> None:
        fresh = {"_woven": {}, "_leasts": {}, "_solutions": {}, "_tables": TableCache()}
        self.__dict__.update({**state, **fresh})

    def prepare(self) -> None:
        """Find what all settings need: options of every layer at every operating point, segmentations."""
        self._needs  # noqa: B018
        for point in self._points:
            self.problem(point, True)

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
    def _deployers(self) -> tuple[Deployer, ...]:
        """What allocates: each is asked where those before it did not fit. Deep networks try greedy first."""
        budgets = (NODES,) if len(self.graph.operators) <= _DEEP_LAYERS else (0, NODES)
        levels = [LevelCapacities(self.limits.capacities, budget) for budget in budgets]
        return tuple(Deployer(self.task.module, self.task.platform.name, each) for each in levels)

    # -- the space ---------------------------------------------------------------------------------

    @property
    def axes(self) -> tuple[Axis, ...]:
        """What Optuna decides."""
        return self.space.axes

    def setting(self, choices: Mapping[str, str], position: float) -> OuterSetting:
        """The setting that sampled choices stand for; a missing choice is the only one there is."""
        return self.space.setting(choices, position)

    def choices(self, setting: OuterSetting) -> Mapping[str, str]:
        """The choices that come closest to any setting and leave it no less room."""
        return self.space.choices(setting)

    def seeds(self) -> tuple[Seed, ...]:
        """Choices worth trying first."""
        return self.space.seeds()

    @cached_property
    def space(self) -> OuterSpace:
        """Everything that the search decides."""
        near = self.problem(self._default_point, False).network
        counts = len(self.graphs), len(self.segmentations)
        return outer_space(self.limits, near, self._needs, self._points, self._default_point, *counts)

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
        cases = [(L2, fusion) for fusion in range(len(self.segmentations))]
        cases += [(L3, 0)] if self.limits.has_l3 else []
        found = ((*case, self.least_memory(*case)) for case in cases)
        return tuple(Need(level, fusion, least) for level, fusion, least in found if least is not None)

    def least_memory(self, level: str, fusion: int, caps: Caps | None = None) -> MinimumMemory | None:
        """Least memory with activations no farther than a level, within caps (by default the task's)."""
        within = caps or caps_of(self.limits)
        if level == L3:
            return self._least(self._default_point, 0, fusion, within)
        known = self._segmented[fusion][1]
        if known is not None and within.hold(known.l1_total_bytes, known.l2_total_bytes, known.total_bytes):
            return known
        return least_of(self.problem(self._default_point, False, 0, fusion), within)

    def _least(self, point: str, order: int, fusion: int, caps: Caps | None = None) -> MinimumMemory | None:
        """Least memory within caps with activations anywhere.

        Other operating points look at no other tilings than the default one, so that its answer is a bound
        for all; only where a prefetch is pinned, its size may be another.
        """
        problem, within = self.problem(point, True, order, fusion), caps or caps_of(self.limits)
        if problem.least is not problem.network:
            problem = self.problem(self._default_point, True, order, fusion)
        key = (id(problem), within)
        if key not in self._leasts:
            self._leasts[key] = least_of(problem, within)
        return self._leasts[key]

    def least_memories(self) -> tuple[LeastMemory, ...]:
        """Least memory layer by layer and fused, with activations on chip, and wherever they may be."""
        graph, on_chip = self.graph, self.limits.on_chip_levels
        ports = [{graph.storage[name] for name in names} for names in (graph.inputs, graph.outputs)]
        sizes = [sum(graph.by_name[name].bytes for name in names) for names in ports]
        ends = max(sizes) if self.task.io_home in on_chip else 0
        found = []
        for level in (L2, L3) if self.limits.has_l3 else (L2,):
            alone, *fused = (
                self.least_memory(level, number, NO_CAPS) for number in range(len(self.segmentations))
            )
            totals = [need.total_bytes for need in fused if need is not None]
            single = None if alone is None else alone.total_bytes
            found.append(LeastMemory(level, single, min(totals, default=None), ends))
        return tuple(found)

    # -- the inner problem -------------------------------------------------------------------------

    def problem(self, point: str, far: bool, order: int = 0, fusion: int = 0) -> Problem:
        """The solver's problem at an operating point; `far`: activations may also live in L3.

        order: number of the graph in `graphs`. fusion: number of the segmentation; its layers run in the
        graph's own order. The default point comes first, whatever is asked for: its fronts say which tilings
        are looked at.
        """
        key = (point, far, 0 if fusion else order, fusion)
        if key not in self._problems:
            self._problems[key] = self._prefetching(point, self._plain(*key))
        return self._problems[key]

    def _prefetching(self, point: str, problem: Problem) -> Problem:
        if not self.limits.has_l3:
            return problem  # prefetched parameters live in L3
        return prefetching(problem, self.task.platform, self.task.platform.point(point), self._woven)

    def _plain(self, point: str, far: bool, order: int = 0, fusion: int = 0) -> Problem:
        """The problem without prefetches."""
        key = (point, far, order, fusion)
        if key not in self._plains:
            self._plains[key] = self._make(*key)
        return self._plains[key]

    def _make(self, point: str, far: bool, order: int, fusion: int) -> Problem:
        if not far:
            return near_problem(self._plain(point, True, order, fusion))
        if fusion:
            segments = {run: self._segments.options(point, *run) for run in self.segmentations[fusion]}
            return fused_problem(self._plain(point, True), segments)
        if order:
            steps = [self.graph.operators.index(op) for op in self.graphs[order]]
            return reordered_problem(self._plain(point, True), steps)
        if point != self._default_point:
            self._plain(self._default_point, True)
        return self._build(point, self.task.platform.level_of[L1].usable_bytes, self._tilings)

    def _problem_of(self, setting: OuterSetting) -> Problem:
        far = setting.l3_activations
        return self.problem(setting.operating_point, far, setting.branch_order, setting.fusion)

    def _build(self, point: str, l1_bytes: int, tilings: dict[object, Sets]) -> Problem:
        request = self._request(point, l1_bytes)
        return build_problem(self.graph, request, self.task.pins, self.task.io_home, self._blockers, tilings)

    def _request(self, point: str, l1_bytes: int) -> OptionsRequest:
        return OptionsRequest(
            platform=self.task.platform,
            point=self.task.platform.point(point),
            l1_bytes=l1_bytes,
            homes=(L2, L1, L3) if self.limits.has_l3 else (L2, L1),
            param_homes=self.limits.param_homes,
            effort=self.effort,
        )

    # -- segments ----------------------------------------------------------------------------------

    @cached_property
    def segmentations(self) -> tuple[Runs, ...]:
        """Runs of layers to fuse: none, then those that need less memory, the least last."""
        return tuple(found for found, _ in self._segmented)

    @cached_property
    def _segmented(self) -> tuple[tuple[Runs, MinimumMemory | None], ...]:
        """Segmentations with their least memory, activations on chip and no caps, each less than the last."""
        point, pins = self._default_point, self._layer_pins
        near = self._plain(point, False)
        alone = least_of(self.problem(point, False), NO_CAPS)
        kept: list[tuple[Runs, MinimumMemory | None]] = [((), alone)]
        if alone is None or not any(each.fusible for each in pins):
            return tuple(kept)
        least_bytes = alone.total_bytes
        least = partial(self._segments.least, point)
        for found in segmentations(self.graph, near.network, least, [each.fusible for each in pins])[1:]:
            fused = fused_problem(near, {run: self._segments.options(point, *run) for run in found})
            need = least_of(self._prefetching(point, fused), NO_CAPS)
            if need is not None and need.total_bytes < least_bytes:
                kept.append((found, need))
                least_bytes = need.total_bytes
        return tuple(kept)

    @cached_property
    def _layer_pins(self) -> tuple[LayerPins, ...]:
        graph, pins = self.graph, self.task.pins
        ends = frozenset((*graph.inputs, *graph.outputs))
        spaces = (op.space(graph.by_name) for op in graph)
        return tuple(
            layer_pins(pins, Place(op, space, self.task.platform, ends))
            for op, space in zip(graph, spaces, strict=True)
        )

    @cached_property
    def _segments(self) -> Segments:
        l1_bytes = self.task.platform.level_of[L1].usable_bytes
        ends = dict.fromkeys((*self.graph.inputs, *self.graph.outputs), self.task.io_home)
        request = partial(self._request, l1_bytes=l1_bytes)
        return Segments(self.graph, request, self._layer_pins, self._blockers, ends)

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
            plain = self._build(self._default_point, _UNLIMITED_BYTES, {})
            self._woven.clear()  # `plain` does not live on
            return why_infeasible(self.task, self.limits, self._prefetching(self._default_point, plain))
        fused = [self.problem(self._default_point, True, 0, k) for k in range(1, len(self.segmentations))]
        return why_infeasible(self.task, self.limits, problem, fused)

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
        # Segments run in the graph's own order.
        key = replace(setting, position=0.0, branch_order=0 if setting.fusion else setting.branch_order)
        if key not in self._solutions:
            problem = self._problem_of(setting)
            inner = self.limits.inner(setting, "memory" in self.task.objectives)
            self._solutions[key] = solve(problem.network, inner, GAP, LABEL_LIMIT, cache=self._tables)
        return self._solutions[key]

    def _violation(self, setting: OuterSetting) -> float:
        """By how much the deployment of least memory exceeds an infeasible setting, in the worst part."""
        level = L3 if setting.l3_activations else L2
        inner = self.limits.inner(setting, True)
        over = [
            overflow(need.least, inner)
            for need in self._needs
            if need.level == level and need.fusion == (setting.fusion if level == L2 else 0)
        ]
        return max(LEAST_VIOLATION, min(over, default=1.0))

    def realise(self, setting: OuterSetting, solution: Solution, index: int) -> DesignPoint | DoesNotFit:
        """A point of an inner front as an allocated, validated, priced deployment."""
        problem = self._problem_of(setting)
        return self._realised(setting, problem, solution.moves[index], solution.refs[index])

    def _realised(
        self, setting: OuterSetting, problem: Problem, moves: IntArray, refs: IntArray
    ) -> DesignPoint | DoesNotFit:
        graph = self.graphs[0 if setting.fusion else setting.branch_order]
        decisions = self._decisions(graph, problem, moves, refs)
        deployment = self._deployed(setting.operating_point, decisions)
        if isinstance(deployment, DoesNotFit):
            return deployment
        return self._estimator.design_point(setting, deployment, "solver")

    def _deployed(self, point: str, decisions: Decisions) -> Deployment | DoesNotFit:
        *quick, thorough = self._deployers
        for deployer in quick:
            found = self._within_budget(deployer.deploy(point, decisions))
            if not isinstance(found, DoesNotFit):
                return found
        return self._within_budget(thorough.deploy(point, decisions))

    def _within_budget(self, deployment: Deployment | DoesNotFit) -> Deployment | DoesNotFit:
        """Levels fit already; so must their sum."""
        if isinstance(deployment, DoesNotFit):
            return deployment
        total = sum(deployment.peak_bytes(level) for level in self.limits.on_chip_levels)
        fits = total <= self.limits.on_chip_bytes
        return deployment if fits else DoesNotFit("on_chip", total, self.limits.on_chip_bytes, (), False)

    def _decisions(self, graph: Graph, problem: Problem, moves: IntArray, refs: IntArray) -> Decisions:
        """Of the moves and references of the steps of an inner solution."""
        homes = dict.fromkeys((*graph.inputs, *graph.outputs), self.task.io_home)
        plans: list[LayerPlan] = []
        footprints: list[Footprint] = []
        segments: list[Segment] = []
        params: dict[str, str] = {}
        for k, options in enumerate(problem.options):
            step = problem.steps[k]
            move, row = int(moves[step]), int(refs[step])
            if k in problem.segments:
                fused = problem.segments[k].fused(move, row)
                homes.update(fused.homes)
                params.update(fused.param_homes)
                plans, footprints = [*plans, *fused.plans], [*footprints, *fused.footprints]
                segments.append(fused.segment)
                continue
            op, taken = graph.operators[len(plans)], problem.taken[k][move]
            choice = options.options[taken.option].choice
            homes[op.output] = choice.output
            params[op.name] = L3 if taken.prefetched else choice.params if choice.params != "-" else L2
            plan, need = options.planned(taken.option, row, op.name, taken.prefetched)
            plans.append(plan)
            footprints.append(need)
        return Decisions(tuple(plans), tuple(footprints), homes, params, tuple(segments))

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

    @property
    def _ways(self) -> tuple[tuple[int, int], ...]:
        """(branch order, segmentation) of every inner problem of an operating point."""
        orders = [(order, 0) for order in range(len(self.graphs))]
        return (*orders, *((0, fusion) for fusion in range(1, len(self.segmentations))))

    def _bounds(self) -> Iterator[Bound]:
        """Of every operating point, order and segmentation."""
        for point, way in product(self._points, self._ways):
            network, least = self.problem(point, True, *way).network, self._least(point, *way)
            if least is not None:
                region = bound_setting(network, self.limits.roomiest(), _BOUND_STATES)
                bound = bound_of_region(region, least.floor_bytes)
                yield replace(bound, relaxed=bool(wide_tensors(network, _BOUND_STATES)))

    def _bound_for(self, setting: OuterSetting) -> Bound | None:
        """The bound travels once, with the first seed."""
        return self.bound if setting == self.setting(*self.seeds()[0]) else None

    # -- the whole space ---------------------------------------------------------------------------

    def refine(self, spent: Callable[[], float] = lambda: 0.0) -> Refined:
        """The front of all operating points, orders and segmentations together, where memory is an objective.

        The points are those that survive allocation. Depends on the task only, unless `spent` says that
        time is over: then the front and the bound are those known by then.
        """
        found = self._refinement(lambda: spent() >= LOOKED)
        if found is None or self.bound is None:
            return Refined()
        chosen = takewhile(lambda _: spent() < 1.0, found.chosen)
        made = [self._refined(found, index) for index in chosen]
        points = tuple(point for point in made if isinstance(point, DesignPoint))
        return Refined(points, found.sharpen(self.bound))

    def _refinement(self, stopped: Callable[[], bool]) -> Refinement | None:
        if self.refining is None or "memory" not in self.task.objectives or not self._needs:
            return None
        roots = [(point, order, fusion) for point, (order, fusion) in product(self._points, self._ways)]
        networks = [(root, self.problem(root[0], True, *root[1:]).network) for root in roots]
        return refinement(networks, caps_of(self.limits), self.refining, stopped)

    def _refined(self, found: Refinement, index: int) -> DesignPoint | DoesNotFit:
        """A deployment of the whole front."""
        reached, setting = found.front.reached, found.setting(index, self.limits.has_l3)
        problem = self.problem(setting.operating_point, True, setting.branch_order, setting.fusion)
        moves, rows = np.array(reached.moves[index]), reached.rows[index]
        steps = zip(problem.network.layers, moves, rows, strict=True)
        refs = np.array([layer.moves[move].refs[row] for layer, move, row in steps])
        return self._realised(setting, problem, moves, refs)
