"""The nouns of a search: settings asked for, design points found, and why there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from compiler.deployment import Deployment

OBJECTIVES = ("latency", "energy", "memory")


@dataclass(frozen=True)
class OuterSetting:
    """The coordinating decisions of one trial: everything that the inner solver takes as given.

    l1_bytes: cap on L1, of which l1_weights_bytes are set aside for resident parameters. arena_bytes: cap on
    live tensors and stages in L2. operating_point: of the platform. l3_activations: whether tensors may live
    in L3. position in [0, 1]: which point of the inner front is asked for, 0 the fastest, 1 the other end,
    as an epsilon-constraint on latency (linear between the front's least and largest latency). branch_order:
    number among `compiler.schedule.order.branch_orders` of the graph, 0 the graph's own. fusion: number of
    the segmentation, 0 the one without segments; with segments, layers run in the graph's own order.
    """

    l1_bytes: int
    arena_bytes: int
    operating_point: str
    l3_activations: bool
    position: float
    l1_weights_bytes: int = 0
    branch_order: int = 0
    fusion: int = 0


@dataclass(frozen=True)
class LayerEstimate:
    """One layer of a design point, as predicted. Cycles are in the reference clock.

    causes: cycles by cause (compute, load, store, l3, ...), which add up to `cycles`. binding: the cause
    that binds. links: (link, transfers, lines, bytes). macs, calls: counts that the C counts too.
    segment: the layers with which it runs depth-first, and how; empty for a layer on its own.
    """

    name: str
    kind: str
    engine: str
    tile: str
    order: str
    split: str
    buffering: int
    homes: str
    cycles: float
    energy_uj: float
    macs: int
    calls: int
    l1_bytes: int
    causes: tuple[tuple[str, float], ...]
    binding: str
    links: tuple[tuple[str, int, int, int], ...]
    segment: str = ""


@dataclass(frozen=True)
class DesignPoint:
    """An allocated, validated deployment with its price.

    peak_bytes by level (l1, l2, l3, wmem_sram, wmem_mram); memory_bytes: sum over the on-chip levels.
    engines: number of layers by engine. source: "trial" or "solver".
    """

    latency_ms: float
    latency_cycles: int
    energy_uj: float
    memory_bytes: int
    peak_bytes: tuple[tuple[str, int], ...]
    boot_bytes: int
    boot_ms: float
    macs: int
    engines: tuple[tuple[str, int], ...]
    source: str
    setting: OuterSetting
    deployment: Deployment
    layers: tuple[LayerEstimate, ...]

    def objective(self, name: str) -> float:
        """Value of "latency" (ms), "energy" (uJ) or "memory" (bytes)."""
        return {"latency": self.latency_ms, "energy": self.energy_uj, "memory": float(self.memory_bytes)}[
            name
        ]


@dataclass(frozen=True)
class LeastMemory:
    """Least on-chip bytes of any deployment, whatever the budget, with activations no farther than a level.

    layer_by_layer: without segments; fused: of all segmentations, None where none are offered. ends_bytes: of
    the network's inputs, or outputs if they are larger, where they are on chip: nothing can need less.
    """

    activations: str
    layer_by_layer: int | None
    fused: int | None
    ends_bytes: int


@dataclass(frozen=True)
class Infeasible:
    """Why nothing fits: the level that overflows, the bytes needed and there, the heaviest tensors, levers.

    level "on_chip" stands for the sum that `--budget` caps. need_bytes is the least that any deployment
    reachable under the given decisions needs.
    """

    level: str
    need_bytes: int
    capacity_bytes: int
    largest: tuple[tuple[str, int], ...]
    levers: tuple[str, ...]

    def message(self) -> str:
        """Two or three clear lines for the terminal."""
        heavy = ", ".join(f"{name} {size} B" for name, size in self.largest)
        lines = [
            f"does not fit: {self.level} needs {self.need_bytes} B, there are {self.capacity_bytes} B",
            f"largest: {heavy}" if heavy else "",
            *(f"try: {lever}" for lever in self.levers),
        ]
        return "\n".join(line for line in lines if line)


@dataclass(frozen=True)
class Bound:
    """What no deployment of the explored space can beat.

    ideal: least latency (ms), energy (uJ), memory (bytes). half_planes: rows (w_latency, w_energy, least)
    with w_latency*latency_ms + w_energy*energy_uj >= least for every deployment under some memory cap.
    points: rows (latency_ms, energy_uj, memory_bytes); every deployment is weakly dominated by one of them,
    which need not be attainable. Empty where no such points are known. relaxed: the homes of some tensors
    were left open, because too many are live at once to follow them all: the bound is weaker.
    """

    latency_ms: float
    energy_uj: float
    memory_bytes: int
    half_planes: tuple[tuple[float, float, float], ...] = ()
    points: tuple[tuple[float, float, float], ...] = ()
    relaxed: bool = False

    @property
    def corners(self) -> tuple[tuple[float, float, float], ...]:
        """The points, or the ideal where there are none."""
        return self.points or ((self.latency_ms, self.energy_uj, float(self.memory_bytes)),)


@dataclass(frozen=True)
class Evaluation:
    """What one setting gave: the point asked for (or None), all points that the inner solver met, the bound.

    violation: 0 where feasible, else a relative overflow > 0 (an Optuna constraint value).
    """

    setting: OuterSetting
    point: DesignPoint | None
    others: tuple[DesignPoint, ...]
    violation: float
    infeasible: Infeasible | None
    bound: Bound | None


@dataclass(frozen=True)
class Refined:
    """What a look at the whole space gives, beside trials: points to add, and a bound that holds for all of
    it; None where there is none."""

    points: tuple[DesignPoint, ...] = ()
    bound: Bound | None = None


@dataclass(frozen=True)
class Axis:
    """One parameter that Optuna samples: ordered choices (labels for people, values for settings)."""

    name: str
    choices: tuple[str, ...]
    what: str


class Evaluator(Protocol):
    """Evaluates settings of one task; pure: the same setting gives the same evaluation in any process."""

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Categorical parameters, in a fixed order; besides these there is the float "position" in [0, 1]."""

    def setting(self, choices: Mapping[str, str], position: float) -> OuterSetting:
        """The setting that sampled choices stand for."""

    def choices(self, setting: OuterSetting) -> Mapping[str, str]:
        """The reverse of `setting`. A setting off the axes' ladders gets the choices that come closest."""

    def seeds(self) -> tuple[tuple[Mapping[str, str], float], ...]:
        """Choices worth trying first (heuristics, ends of the front)."""

    def evaluate(self, setting: OuterSetting) -> Evaluation:
        """Solve inside, allocate, validate, price."""

    def refine(self, spent: Callable[[], float]) -> Refined:
        """Look at the whole space once; depends on nothing that was evaluated before. `spent`, asked now and
        then, says which share of the time is over: from `dse.refinement.LOOKED` on what was found is
        realised, from 1 on what is realised is the answer."""


def frozen_choices(**choices: str) -> Mapping[str, str]:
    """A read-only mapping of choices."""
    return MappingProxyType(dict(choices))
