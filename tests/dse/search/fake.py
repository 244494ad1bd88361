"""A synthetic problem in the shape of the real one: outer choices, an inner front for each, settings that do
not fit, and bounds that hold exactly. Small enough to know its whole front by brute force."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from compiler.deployment import Deployment, LayerPlan, PlacedBuffer
from dse.points import Axis, Bound, DesignPoint, Evaluation, Infeasible, LayerEstimate, OuterSetting, Refined
from dse.points import frozen_choices as choices

L1_BYTES = {"16kB": 16_000, "32kB": 32_000, "64kB": 64_000, "128kB": 128_000}
ARENA_BYTES = {"24kB": 24_000, "48kB": 48_000, "96kB": 96_000, "192kB": 192_000, "384kB": 384_000}
NEED_BYTES = 60_000
STEPS = 7


def point(
    latency_ms: float, energy_uj: float, memory_bytes: int, source: str = "solver", tag: str = "p"
) -> DesignPoint:
    """A design point with these objectives; `tag` tells points of equal price apart."""
    return DesignPoint(
        latency_ms=latency_ms,
        latency_cycles=round(latency_ms * 1000),
        energy_uj=energy_uj,
        memory_bytes=memory_bytes,
        peak_bytes=(("l1", memory_bytes // 4), ("l2", memory_bytes - memory_bytes // 4)),
        boot_bytes=12,
        boot_ms=0.25,
        macs=1000,
        engines=(("cluster", 2), ("npu", 1)),
        source=source,
        setting=OuterSetting(16_000, 48_000, "nominal", False, 0.5),
        deployment=_deployment(tag, memory_bytes),
        layers=(_layer(latency_ms, energy_uj),),
    )


def _deployment(tag: str, memory_bytes: int) -> Deployment:
    plan = LayerPlan("conv", "cluster", "plain", (("y", 8),), ("y",), ("y",), 2, ("direct", "whole", "tile"))
    buffer = PlacedBuffer("l2", "x", 0, memory_bytes, 0, 1)
    return Deployment(tag, "00", "fake", "nominal", (plan,), (("x", "l2"),), (("conv", "l3"),), (buffer,))


def _layer(latency_ms: float, energy_uj: float) -> LayerEstimate:
    causes = (("compute", latency_ms * 700), ("load", latency_ms * 300))
    return LayerEstimate(
        name="conv",
        kind="conv2d",
        engine="cluster",
        tile="y=8",
        order="y",
        split="y",
        buffering=2,
        homes="l2-l2",
        cycles=latency_ms * 1000,
        energy_uj=energy_uj,
        macs=1000,
        calls=4,
        l1_bytes=512,
        causes=causes,
        binding="compute",
        links=(("l2-l1", 4, 8, 1024),),
    )


@dataclass(frozen=True)
class FakeEvaluator:
    """`need_bytes`: least arena without L3."""

    need_bytes: int = NEED_BYTES

    @property
    def axes(self) -> tuple[Axis, ...]:
        return (
            Axis("l1", tuple(L1_BYTES), "cap on L1"),
            Axis("arena", tuple(ARENA_BYTES), "cap on L2"),
            Axis("engines", ("all", "cluster"), "engines; told apart by weights in L1"),
            Axis("point", ("nominal", "low"), "operating point"),
            Axis("l3", ("no", "yes"), "activations off chip"),
        )

    def setting(self, choices: Mapping[str, str], position: float) -> OuterSetting:
        return OuterSetting(
            L1_BYTES[choices["l1"]],
            ARENA_BYTES[choices["arena"]],
            choices["point"],
            choices["l3"] == "yes",
            position,
            8192 * (choices["engines"] == "cluster"),
        )

    def choices(self, setting: OuterSetting) -> Mapping[str, str]:
        return choices(
            l1=next(label for label, size in L1_BYTES.items() if size >= setting.l1_bytes),
            arena=next(label for label, size in ARENA_BYTES.items() if size >= setting.arena_bytes),
            engines="cluster" if setting.l1_weights_bytes else "all",
            point=setting.operating_point,
            l3="yes" if setting.l3_activations else "no",
        )

    def seeds(self) -> tuple[tuple[Mapping[str, str], float], ...]:
        large = choices(l1="128kB", arena="384kB", engines="all", point="nominal", l3="no")
        small = choices(l1="16kB", arena="24kB", engines="all", point="low", l3="yes")
        return ((large, 0.0), (large, 1.0), (small, 1.0))

    def refine(self, spent: Callable[[], float]) -> Refined:
        return Refined()

    def evaluate(self, setting: OuterSetting) -> Evaluation:
        if setting.arena_bytes < self.need_bytes and not setting.l3_activations:
            need = Infeasible("l2", self.need_bytes, setting.arena_bytes, (("x", 40_000),), ("l3",))
            violation = self.need_bytes / setting.arena_bytes - 1
            return Evaluation(setting, None, (), violation, need, None)
        front = inner_front(setting)
        asked = front[round(setting.position * (STEPS - 1))]
        return Evaluation(setting, asked, front, 0.0, None, _bound(front))


def inner_front(setting: OuterSetting) -> tuple[DesignPoint, ...]:
    """Latency up, energy down."""
    npu = setting.l1_weights_bytes == 0
    slow = (1.6 if setting.operating_point == "low" else 1.0) * (1.5 if setting.l3_activations else 1.0)
    latency = (
        slow * (0.5 if npu else 1.0) * (1e6 / setting.l1_bytes) ** 0.3 * (1e6 / setting.arena_bytes) ** 0.4
    )
    hungry = (0.6 if setting.operating_point == "low" else 1.0) * (1.4 if setting.l3_activations else 1.0)
    energy = 50 * hungry * (0.8 if npu else 1.0) * (1e6 / setting.l1_bytes) ** 0.15
    memory = setting.l1_bytes + setting.arena_bytes + (20_000 if npu else 0)
    points = []
    for step in range(STEPS):
        share = step / (STEPS - 1)
        priced = point(
            latency * (1 + 0.6 * share), energy * (1 + 0.5 * (1 - share) ** 2), memory - 500 * step
        )
        points.append(replace(priced, setting=replace(setting, position=share)))
    return tuple(points)


def _bound(front: tuple[DesignPoint, ...]) -> Bound:
    weights = ((1.0, 0.01), (1.0, 0.05), (1.0, 0.2))
    planes = tuple((wl, we, min(wl * p.latency_ms + we * p.energy_uj for p in front)) for wl, we in weights)
    latency, energy = min(p.latency_ms for p in front), min(p.energy_uj for p in front)
    return Bound(latency, energy, min(p.memory_bytes for p in front), planes)


def all_points(evaluator: FakeEvaluator) -> Iterable[DesignPoint]:
    """Every point of the whole space."""
    for labels in itertools.product(*(axis.choices for axis in evaluator.axes)):
        names = (axis.name for axis in evaluator.axes)
        setting = evaluator.setting(dict(zip(names, labels, strict=True)), 0.0)
        yield from evaluator.evaluate(setting).others
