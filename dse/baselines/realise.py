"""Policies to design points: decisions by rule, then the allocator, validator and pricer of every point."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from compiler.deployment import DIRECT, L1, L2, L3, PLAIN, TILE, WEIGHT_MEMORIES, WHOLE, Deployment, LayerPlan
from compiler.memory import DoesNotFit
from compiler.schedule import Decisions, LevelCapacities, deploy, footprint
from costmodels.engines.npu import NpuEngine
from costmodels.pipeline import kernel_time
from dse.baselines.policies import POLICIES, Engines, Policy, Weights
from dse.baselines.tiles import best_tile
from dse.estimate import Estimator
from dse.limits import Limits, limits_of
from dse.network import signature
from dse.options import Candidates, Effort, OptionsRequest, Sets, layer_sets
from dse.options.homes import NONE, HomeChoice, Mode, streams
from dse.options.pins import LayerPins, Place, engine_blockers, layer_pins
from dse.points import DesignPoint, OuterSetting
from dse.task import Task


@dataclass(frozen=True)
class Baseline:
    """What a policy comes to. point: None where it has no deployment; `why` then says so in one line."""

    policy: Policy
    point: DesignPoint | None
    why: str = ""


class NoWay(Exception):
    """A policy whose rules leave a layer nothing; one clear line."""


def baselines(task: Task, policies: Sequence[Policy] = POLICIES) -> tuple[Baseline, ...]:
    """Every policy realised on a task, under its budget and its pins; a pin goes before the rule.

    Pure: the same task gives the same points. Raises TaskError for a task that contradicts itself.
    """
    bench = _Bench(task)
    return tuple(bench.baseline(policy) for policy in policies)


@dataclass(frozen=True, eq=False)
class _Layer:
    """One layer with all its tilings; equal layers share them."""

    place: Place
    pins: LayerPins
    sets: Sets
    tensor_bytes: tuple[int, ...]

    def engine(self, rule: Engines) -> str:
        """The first engine that can, accelerators before cores. Raises NoWay."""
        engines = self.place.platform.engines
        npus = [e for e in engines if isinstance(e, NpuEngine) and rule is Engines.FIRST]
        cores = [e for e in engines if not isinstance(e, NpuEngine)]
        able = [e.name for e in (*npus, *cores) if not engine_blockers(self.place.op, e)]
        allowed = [name for name in able if self.pins.engine in (None, name)]
        if not allowed:
            raise NoWay(f"pins leave layer {self.place.op.name} no engine of the rule")
        return allowed[0]

    def candidates(self, engine: str) -> Candidates:
        """Its tilings on an engine in the first loop order. Raises NoWay."""
        there = {c.order: c for c in self.sets if c.engine == engine}
        orders = [order for order in self.place.space.orders if order in there]
        if not orders:
            raise NoWay(f"layer {self.place.op.name} has no tile for {engine}")
        return there[orders[0]]


@dataclass
class _Bench:
    """One task with the tilings of its layers, which all policies share."""

    task: Task
    effort: Effort = field(default_factory=Effort)

    @cached_property
    def limits(self) -> Limits:
        return limits_of(self.task)

    @cached_property
    def estimator(self) -> Estimator:
        return Estimator(self.task)

    @cached_property
    def operating_point(self) -> str:
        pinned = [pin.value for pin in self.task.pins if pin.decision == "operating_point"]
        return (*pinned, self.task.platform.point().name)[0]

    @cached_property
    def layers(self) -> tuple[_Layer, ...]:
        graph, platform = self.task.module.main, self.task.platform
        room = platform.level_of[L1].usable_bytes
        request = OptionsRequest(platform, platform.point(self.operating_point), room, (), (), self.effort)
        ends = frozenset((*graph.inputs, *graph.outputs))
        known: dict[object, Sets] = {}
        layers = []
        for op in graph.operators:
            place = Place(op, op.space(graph.by_name), platform, ends)
            pins = layer_pins(self.task.pins, place)
            reasons = tuple(r for engine in platform.engines for r in engine_blockers(op, engine))
            key = signature(op, place.space, reasons, pins)
            if key not in known:
                known[key] = layer_sets(op, place.space, request, pins)
            accesses = (*place.space.inputs, place.space.output)
            sizes = tuple(-(-access.bytes // 4) * 4 for access in accesses)
            layers.append(_Layer(place, pins, known[key], sizes))
        return tuple(layers)

    def baseline(self, policy: Policy) -> Baseline:
        """A policy's point; of its ways to place the weights the first that fits."""
        why = ""
        for params in self._weight_homes(policy):
            try:
                made = self._realise(policy, params)
            except NoWay as error:
                made = str(error)
            if isinstance(made, DesignPoint):
                return Baseline(policy, made)
            why = made
        return Baseline(policy, None, why or f"{self.task.platform.name} has no memory for such weights")

    # -- weights -----------------------------------------------------------------------------------

    def _weight_homes(self, policy: Policy) -> Iterator[Mapping[str, str]]:
        """Homes of the parameters by layer, in the order in which the policy tries them."""
        near: Mapping[str, str] = {}
        if policy.weights is Weights.WEIGHT_MEMORY:
            if self.limits.weight_memory is None:
                return
            near = self._in_weight_memory(policy, self.limits.weight_memory)
        levels = {Weights.L2: (L2,), Weights.L3: (L3,)}.get(policy.weights, (L2, L3))
        for level in levels:
            if level == L2 or self.limits.has_l3:
                homes = {layer.place.op.name: near.get(layer.place.op.name, level) for layer in self.layers}
                yield homes | self._pinned_weights

    @cached_property
    def _pinned_weights(self) -> dict[str, str]:
        pinned = {layer.place.op.name: layer.pins.params_home for layer in self.layers}
        return {name: home for name, home in pinned.items() if home is not None}

    def _in_weight_memory(self, policy: Policy, memory: str) -> dict[str, str]:
        """Layers whose weights `memory` takes, one after the other."""
        left = self.limits.capacities[memory]
        found = {}
        for layer in self.layers:
            c = layer.candidates(layer.engine(policy.engines))
            size = int(c.weights.region_bytes.max(initial=0))
            if c.layout != PLAIN and layer.place.op.has_weights and size <= left:
                found[layer.place.op.name] = memory
                left -= size
        return found

    # -- points ------------------------------------------------------------------------------------

    def _realise(self, policy: Policy, params: Mapping[str, str]) -> DesignPoint | str:
        """The deployment with the tiles that L1 and the budget leave room for, or why there is none.

        Tiles may fill L1; where the budget over all on-chip levels is then exceeded, they get that much less.
        """
        room = min(self.limits.l1_bytes, self.limits.on_chip_bytes)
        while True:
            made = self._deploy(policy, params, room)
            if isinstance(made, DoesNotFit):
                return f"{made.level} needs {made.need_bytes} B, there are {made.capacity_bytes} B"
            total = sum(made.peak_bytes(level) for level in self.limits.on_chip_levels)
            if total <= self.limits.on_chip_bytes:
                return self._priced(made)
            left = made.peak_bytes(L1) - (total - self.limits.on_chip_bytes)
            if left <= 0:
                return f"on-chip memories need {total} B, there are {self.limits.on_chip_bytes} B"
            room = left

    def _priced(self, deployment: Deployment) -> DesignPoint:
        l1, l2 = deployment.peak_bytes(L1), deployment.peak_bytes(L2)
        off_chip = L3 in deployment.home_of.values()
        setting = OuterSetting(l1, l2, self.operating_point, off_chip, 0.0)
        return self.estimator.design_point(setting, deployment, "baseline")

    def _deploy(self, policy: Policy, params: Mapping[str, str], room: int) -> Deployment | DoesNotFit:
        graph, task = self.task.module.main, self.task
        homes = {t.name: L2 for t in graph.tensors} | dict.fromkeys(
            (*graph.inputs, *graph.outputs), task.io_home
        )
        plans = tuple(self._plan(layer, policy, homes, params, room) for layer in self.layers)
        needs = tuple(
            footprint(layer.place.op, layer.place.space, plan)
            for layer, plan in zip(self.layers, plans, strict=True)
        )
        decisions = Decisions(plans, needs, homes, dict(params))
        capacities = LevelCapacities(self.limits.capacities)
        return deploy(task.module, task.platform.name, self.operating_point, decisions, capacities)

    def _plan(
        self,
        layer: _Layer,
        policy: Policy,
        homes: Mapping[str, str],
        params: Mapping[str, str],
        room: int,
    ) -> LayerPlan:
        """A layer by the rules. Raises NoWay."""
        op = layer.place.op
        c = layer.candidates(layer.engine(policy.engines))
        has_params = int(c.params.region_bytes.max(initial=0)) > 0
        choice = HomeChoice(
            tuple(homes[name] for name in op.inputs),
            homes[op.output],
            params[op.name] if has_params else NONE,
        )
        unread = choice.params in WEIGHT_MEMORIES and c.layout == PLAIN
        if unread or not layer.pins.allows(choice):
            raise NoWay(f"pins want other homes of layer {op.name}")
        buffering = layer.pins.buffering or policy.buffering
        mode = Mode(buffering, _staging(choice))
        need = streams(c, choice, mode, layer.tensor_bytes).l1_bytes
        single = streams(c, choice, Mode(1, mode.staging), layer.tensor_bytes).l1_bytes
        tiling = best_tile(policy.tiles, c, single - c.accumulator_bytes, need, room)
        if tiling is None:
            raise NoWay(
                f"the least tile of layer {op.name} needs {int(need.min())} B of l1, {room} B are left"
            )
        return self._planned(layer, c, tiling, mode)

    def _planned(self, layer: _Layer, c: Candidates, tiling: int, mode: Mode) -> LayerPlan:
        splits = (layer.pins.split,) if layer.pins.split else c.space.spec.splits
        engine = self.task.platform.engine_of[c.engine]
        quickest = int(kernel_time(engine, c.space.spec, c.classes, splits).split[tiling])
        tile = zip(c.space.dims, c.grid.tiles[tiling].tolist(), strict=True)
        return LayerPlan(
            operator=layer.place.op.name,
            engine=c.engine,
            layout=c.layout,
            tile=tuple((dim.name, size) for dim, size in tile),
            order=c.order,
            split=splits[quickest],
            buffering=mode.buffering,
            staging=mode.staging,
        )


def _staging(choice: HomeChoice) -> tuple[str, ...]:
    """Weights come from L3 layer by layer, activations tile by tile."""
    *inputs, params, output = choice.streams
    near = [TILE if home == L3 else DIRECT for home in (*inputs, output)]
    return (*near[:-1], WHOLE if params == L3 else DIRECT, near[-1])
