"""The price of a deployment, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from compiler.counts import Counts, LinkCount, predict_fused, predict_layer, prefetch_counts, total_counts
from compiler.deployment import LEVELS, Deployment, LayerPlan, Segment
from compiler.ir import Graph, Operator
from compiler.schedule.footprint import plan_grid
from compiler.schedule.legality import scheduled
from compiler.schedule.segments import Striped, striped
from costmodels.energy import standing_uj
from costmodels.pipeline import (
    LayerWork,
    Priced,
    kernel_time,
    prefetch_time,
    price_layer,
    shares_prefetch_link,
)
from costmodels.platform import OperatingPoint, Platform
from costmodels.prefetch import LINK, Copy, Span, walk_layers
from costmodels.transfer import transfer_cycles
from dse.network import signature
from dse.options.candidates import Candidates, measure
from dse.options.fused import FusedChoice, FusedLayerWork, segment_bytes, segment_text
from dse.options.homes import NONE, HomeChoice, Mode, streams
from dse.options.pins import LayerPins
from dse.points import DesignPoint, LayerEstimate, OuterSetting
from dse.task import Task

RESIDENT = ("p/", "q/", "w/")
CAUSES = ("compute", "setup", "contention", "load", "store", "staging")
PREFETCH = "prefetch"  # issuing copies for later layers, waiting for them, queueing behind them


@dataclass(frozen=True)
class PlannedLayer:
    """One planned layer with the homes of its operands, and the later layers that it prefetches for:
    (operator, plan). fused: its segment, and its place there; None for a layer that runs on its own.
    measured: its tiling's traffic, where it is known.
    """

    graph: Graph
    op: Operator
    plan: LayerPlan
    homes: tuple[str, ...]
    params: str
    prefetches: tuple[tuple[Operator, LayerPlan], ...]
    fused: tuple[Striped, int] | None = None
    measured: Candidates | None = None

    @property
    def segment(self) -> Segment | None:
        """The segment that it is a layer of."""
        return None if self.fused is None else self.fused[0].segment


def _candidates(layer: PlannedLayer) -> Candidates:
    """The layer's own tiling, measured."""
    if layer.measured is not None:
        return layer.measured
    space = layer.op.space(layer.graph.by_name)
    grid = plan_grid(space, layer.plan)
    return measure(layer.op, space, layer.plan.engine, layer.plan.layout, layer.plan.order, grid)


@dataclass(frozen=True, eq=False)
class _Price:
    """Of one planned layer, without what prefetches add; the L1 bytes of its tiles; its part in time."""

    priced: Priced
    l1_bytes: int
    span: Span


@dataclass(frozen=True, eq=False)
class _Known:
    """A priced layer, and its part in time."""

    estimate: LayerEstimate
    span: Span


def layer_work(layer: PlannedLayer) -> tuple[LayerWork, int]:
    """What one planned layer does, for the cost model, and the L1 bytes of its tiles (its segment's)."""
    if layer.fused is not None:
        return _fused_work(layer, *layer.fused), 0
    c = _candidates(layer)
    has_params = int(c.params.region_bytes[0]) > 0
    choice = HomeChoice(layer.homes[:-1], layer.homes[-1], layer.params if has_params else NONE)
    sizes = tuple(-(-access.bytes // 4) * 4 for access in (*c.space.inputs, c.space.output))
    mode = Mode(layer.plan.buffering, layer.plan.staging, layer.plan.prefetch > 0)
    stream = streams(c, choice, mode, sizes)
    return replace(stream.work, splits=(layer.plan.split,)), int(stream.l1_bytes[0])


def _fused_work(layer: PlannedLayer, of: Striped, k: int) -> LayerWork:
    """The layer's part in its segment."""
    names = (*layer.op.inputs, layer.op.output)
    choice = FusedChoice(
        engine=layer.plan.engine,
        layout=layer.plan.layout,
        tile=layer.plan.tile,
        homes=dict(zip(names, layer.homes, strict=True)),
        params=layer.params,
        held=layer.op.name in of.segment.held,
        splits=(layer.plan.split,),
    )
    return FusedLayerWork((of,), k).work(choice, of.segment.buffering)


def price_one(platform: Platform, point: OperatingPoint, layer: PlannedLayer) -> _Price:
    """Price of one planned layer."""
    work, l1_bytes = layer_work(layer)
    priced = price_layer(platform, work, point)
    total, staging, after = (
        float(column[0]) for column in (priced.total_cycles, priced.staging_cycles, priced.after_cycles)
    )
    span = Span(staging - after, total - staging, after, shares_prefetch_link(platform, work))
    return _Price(priced, l1_bytes, span)


def planned_layers(graph: Graph, deployment: Deployment) -> list[PlannedLayer]:
    """The layers of a deployment with their plans and homes, in order."""
    graph = scheduled(graph, deployment)
    fused = _fused(graph, deployment)
    return [_planned_layer(graph, deployment, step, fused) for step in range(len(deployment.plans))]


def _fused(graph: Graph, deployment: Deployment) -> dict[int, tuple[Striped, int]]:
    """By the number of a fused layer its segment, and its place there."""
    segments = [striped(graph, segment) for segment in deployment.segments]
    return {step: (of, k) for of in segments for k, step in enumerate(of.segment.steps)}


def _planned_layer(
    graph: Graph, deployment: Deployment, step: int, fused: Mapping[int, tuple[Striped, int]]
) -> PlannedLayer:
    op, homes = graph.operators[step], deployment.home_of
    return PlannedLayer(
        graph,
        op,
        deployment.plans[step],
        (*(homes[name] for name in op.inputs), homes[op.output]),
        deployment.param_home_of[op.name],
        tuple((graph.operators[k], deployment.plans[k]) for k in deployment.prefetches_from[step]),
        fused.get(step),
    )


def estimate_alone(
    platform: Platform, point: OperatingPoint, deployment: Deployment, layer: PlannedLayer
) -> _Known:
    """Cycles by cause, energy and counts of one layer, without what prefetches for later layers add to it."""
    found = price_one(platform, point, layer)
    priced = found.priced
    columns = (
        priced.compute_cycles,
        priced.setup_cycles,
        priced.contention_cycles,
        priced.load_cycles,
        priced.store_cycles,
        priced.staging_cycles,
    )
    # A load is what is left of a total, and so may miss zero by the total's rounding.
    causes = tuple((name, max(0.0, float(column[0]))) for name, column in zip(CAUSES, columns, strict=True))
    causes += ((PREFETCH, 0.0),)
    counts = _own_counts(layer, deployment)
    of = layer.fused and layer.fused[0]
    estimate = LayerEstimate(
        name=layer.op.name,
        kind=layer.op.kind,
        engine=layer.plan.engine,
        tile=" ".join(f"{name}={size}" for name, size in layer.plan.tile),
        order="-".join(layer.plan.order),
        split=",".join(layer.plan.split),
        buffering=layer.plan.buffering,
        homes=" ".join((*layer.homes[:-1], layer.params, layer.homes[-1])),
        cycles=sum(value for _, value in causes),
        energy_uj=float(priced.energy_uj[0]),
        macs=counts.macs,
        calls=counts.calls,
        l1_bytes=found.l1_bytes if of is None else segment_bytes(deployment, of.segment),
        causes=causes,
        binding=_binding(causes, layer.plan.engine),
        links=_links(counts),
        segment="" if of is None else segment_text(of),
    )
    return _Known(estimate, found.span)


def _links(counts: Counts) -> tuple[tuple[str, int, int, int], ...]:
    return tuple((name, link.transfers, link.lines, link.bytes) for name, link in counts.links)


def _with_copies(
    platform: Platform, point: OperatingPoint, layer: PlannedLayer, alone: _Known, started: Sequence[Counts]
) -> _Known:
    """The layer with the copies that it starts for later ones, which still take no time of it.

    alone: it or one that looks and runs like it."""
    own = replace(alone.estimate, name=layer.op.name)
    if not layer.prefetches:
        return replace(alone, estimate=own)
    links = tuple((name, LinkCount(*moved)) for name, *moved in own.links)
    counts = total_counts([Counts(own.calls, own.macs, 0, links), *started])
    copies = _copies(platform, point, layer, started)
    energy_uj = own.energy_uj + sum(moved_uj for _, moved_uj in copies)
    estimate = replace(own, energy_uj=energy_uj, links=_links(counts))
    return _Known(estimate, replace(alone.span, copies=tuple(copy for copy, _ in copies)))


def _own_counts(layer: PlannedLayer, deployment: Deployment) -> Counts:
    """What the layer does itself."""
    if layer.fused is None:
        return predict_layer(layer.graph, layer.op, layer.plan, deployment, layer.measured)
    of, k = layer.fused
    return predict_fused(of, of.segment.first + k, deployment)


def _copies(
    platform: Platform, point: OperatingPoint, layer: PlannedLayer, started: Sequence[Counts]
) -> list[tuple[Copy, float]]:
    """The copies that a layer starts for later ones, with the energy of their bytes in uJ."""
    sizes = np.array([counts.by_link[LINK].bytes for counts in started], np.int64)
    time = prefetch_time(platform, sizes, point)
    columns = (np.broadcast_to(v, sizes.shape).tolist() for v in (time.total, time.mean.issue, time.moved_uj))
    return [
        (Copy(plan.prefetch, elapsed, issue), moved_uj)
        for (_, plan), elapsed, issue, moved_uj in zip(layer.prefetches, *columns, strict=True)
    ]


def _binding(causes: tuple[tuple[str, float], ...], engine: str) -> str:
    name = max(causes, key=lambda cause: cause[1])[0]
    return engine if name == "compute" else name


def _with_prefetches(
    platform: Platform, point: OperatingPoint, known: Sequence[_Known]
) -> Iterator[LayerEstimate]:
    """The layers with the cycles that copies for later layers add, and the energy of waiting for them."""
    if not any(layer.span.copies for layer in known):
        yield from (layer.estimate for layer in known)
        return
    added = walk_layers([layer.span for layer in known])
    for layer, cycles in zip((each.estimate for each in known), added, strict=True):
        if cycles == 0.0:
            yield layer
            continue
        causes = (*layer.causes[:-1], (PREFETCH, cycles))
        waiting = standing_uj(cycles / platform.reference_hz(point) * 1e3, platform.standing_mw(point))
        yield replace(
            layer,
            causes=causes,
            cycles=layer.cycles + cycles,
            energy_uj=layer.energy_uj + float(waiting),
            binding=_binding(causes, layer.engine),
        )


@dataclass
class Estimator:
    """Prices deployments of one task; remembers layers, of which deployments share most.

    Layers that look alike have one price, whatever they start for others.
    """

    task: Task
    _known: dict[object, _Known] = field(default_factory=dict, repr=False)
    _alone: dict[object, _Known] = field(default_factory=dict, repr=False)
    _tilings: dict[object, Candidates] = field(default_factory=dict, repr=False)
    _copied: dict[LayerPlan, Counts] = field(default_factory=dict, repr=False)

    def design_point(self, setting: OuterSetting, deployment: Deployment, source: str) -> DesignPoint:
        """A deployment with its price; all sums over its layers."""
        platform = self.task.platform
        point = platform.point(setting.operating_point)
        layers = tuple(_with_prefetches(platform, point, self._layers(point, deployment)))
        cycles = sum([layer.cycles for layer in layers])
        peaks = {level: deployment.peak_bytes(level) for level in LEVELS}
        boot = sum([b.bytes for b in deployment.buffers if b.name[:2] in RESIDENT])
        engines = [layer.engine for layer in layers]
        return DesignPoint(
            latency_ms=cycles / platform.reference_hz(point) * 1e3,
            latency_cycles=int(np.ceil(cycles)),
            energy_uj=sum([layer.energy_uj for layer in layers]),
            memory_bytes=sum(peaks[level.name] for level in platform.levels if level.on_chip),
            peak_bytes=tuple(peaks.items()),
            boot_bytes=boot,
            boot_ms=boot_ms(platform, point, boot),
            macs=sum([layer.macs for layer in layers]),
            engines=tuple((engine.name, engines.count(engine.name)) for engine in platform.engines),
            source=source,
            setting=setting,
            deployment=deployment,
            layers=layers,
        )

    def spans(self, deployment: Deployment) -> tuple[Span, ...]:
        """The parts of all layers in time, with the copies that they start for later ones."""
        point = self.task.platform.point(deployment.operating_point)
        return tuple(known.span for known in self._layers(point, deployment))

    def _layers(self, point: OperatingPoint, deployment: Deployment) -> list[_Known]:
        """All layers with what they start for later ones."""
        homes, params, operands = deployment.home_of, deployment.param_home_of, self._operands
        plans, segment_of = deployment.plans, deployment.segment_of
        keys = [
            (
                point.name,
                plan,
                tuple([homes[name] for name in operands[plan.operator]]),
                params[plan.operator],
                tuple([plans[later] for later in started]),
                segment_of.get(step),
            )
            for step, (plan, started) in enumerate(zip(plans, deployment.prefetches_from, strict=True))
        ]
        missing = [step for step, key in enumerate(keys) if key not in self._known]
        if missing:
            graph = scheduled(self.task.module.main, deployment)
            fused = _fused(graph, deployment)
            for step in missing:
                layer = _planned_layer(graph, deployment, step, fused)
                self._known[keys[step]] = self._priced(point, deployment, layer)
        return [self._known[key] for key in keys]

    @cached_property
    def _operands(self) -> Mapping[str, tuple[str, ...]]:
        """Inputs and output by operator."""
        return {op.name: (*op.inputs, op.output) for op in self.task.module.main}

    def _priced(self, point: OperatingPoint, deployment: Deployment, layer: PlannedLayer) -> _Known:
        alone = self._priced_alone(point, deployment, layer)
        started = [self._copy_counts(layer.graph, op, plan) for op, plan in layer.prefetches]
        return _with_copies(self.task.platform, point, layer, alone, started)

    def _copy_counts(self, graph: Graph, op: Operator, plan: LayerPlan) -> Counts:
        if plan not in self._copied:
            self._copied[plan] = prefetch_counts(graph, op, plan)
        return self._copied[plan]

    def _priced_alone(self, point: OperatingPoint, deployment: Deployment, layer: PlannedLayer) -> _Known:
        plan, kind = layer.plan, self._kinds[layer.op.name]
        how = (plan.split, plan.buffering, plan.staging, plan.prefetch > 0)
        own: object = (kind, plan.engine, plan.layout, plan.tile, plan.order, how)
        if layer.segment is not None:
            own = plan  # its place in the segment matters
        key = (point.name, own, layer.homes, layer.params, layer.segment)
        if key not in self._alone:
            known = replace(layer, measured=self._tiling(layer))
            self._alone[key] = estimate_alone(self.task.platform, point, deployment, known)
        return self._alone[key]

    @cached_property
    def _kinds(self) -> Mapping[str, str]:
        """By operator the first one that looks like it."""
        graph = self.task.module.main
        found: dict[object, str] = {}
        kinds = {}
        for op in graph:
            sizes = tuple(graph.by_name[name].bytes for name in (*op.inputs, op.output))
            looks = (op.kind, signature(op, op.space(graph.by_name), (), LayerPins()), sizes)
            kinds[op.name] = found.setdefault(looks, op.name)
        return kinds

    def _tiling(self, layer: PlannedLayer) -> Candidates | None:
        """The layer's tiling with its traffic and the time of its kernels, which many homes and operating
        points share; None if fused."""
        plan = layer.plan
        if layer.fused is not None:
            return None
        key = (self._kinds[plan.operator], plan.engine, plan.layout, plan.tile, plan.order, plan.split)
        if key not in self._tilings:
            found = _candidates(layer)
            engine = self.task.platform.engine_of[plan.engine]
            time = kernel_time(engine, found.space.spec, found.classes, (plan.split,))
            self._tilings[key] = replace(found, shaped_kernel=time)
        return self._tilings[key]


def boot_ms(platform: Platform, point: OperatingPoint, boot_bytes: int) -> float:
    """Time of the start-up copies: all resident constants over the way from their origin to L2."""
    if boot_bytes == 0:
        return 0.0
    one = np.array([1])
    seconds = 0.0
    for link in platform.path(platform.constant_origin, "l2"):
        cycles = transfer_cycles(link, one, one, np.array([boot_bytes]))
        seconds += float(cycles[0]) / point.clock_hz[link.clock]
    return seconds * 1e3
