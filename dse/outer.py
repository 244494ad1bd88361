"""The outer space: what Optuna decides about a task, as ladders of sizes and a few alternatives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from compiler.deployment import L2, L3
from dse.axes.sampled import (
    ArenaCap,
    BranchOrder,
    FarthestActivations,
    Fusion,
    L1Cap,
    L1Weights,
    OperatingPointAxis,
    SampledAxis,
)
from dse.limits import Limits
from dse.points import Axis, OuterSetting, frozen_choices
from dse.solver.columns import resident_bytes
from dse.solver.minimum import MinimumMemory
from dse.solver.problem import STAGING, Network

L1_STEPS = 5
ARENA_STEPS = 7

Seed = tuple[Mapping[str, str], float]


@dataclass(frozen=True)
class Need:
    """Least memory with activations no farther than a level, under one segmentation (its number)."""

    level: str
    fusion: int
    least: MinimumMemory


Needs = tuple[Need, ...]


@dataclass(frozen=True)
class OuterSpace:
    """Every sampled axis with its labels; the roomiest is what a seed takes unless it says otherwise.

    needs: least memory by the farthest level where activations may live and by segmentation, where it fits.
    """

    l1: L1Cap
    arena: ArenaCap
    l1_weights: L1Weights
    points: OperatingPointAxis
    activations: FarthestActivations
    branch_orders: BranchOrder
    fusions: Fusion
    default_point: str
    needs: Needs

    @property
    def sampled(self) -> tuple[SampledAxis, ...]:
        """Every sampled axis but the position, with its labels for this task."""
        return (
            self.l1,
            self.arena,
            self.l1_weights,
            self.points,
            self.activations,
            self.branch_orders,
            self.fusions,
        )

    @property
    def axes(self) -> tuple[Axis, ...]:
        """What Optuna decides; what the task leaves no choice in is not an axis."""
        return tuple(axis.parameter for axis in self.sampled if len(axis.choices) > 1)

    @property
    def _base(self) -> dict[str, str]:
        """The roomiest labels: what stands where nothing else is said."""
        return {
            self.l1.name: self.l1.choices[-1],
            self.arena.name: self.arena.choices[-1],
            self.l1_weights.name: self.l1_weights.choices[0],
            self.points.name: self.default_point,
            self.activations.name: L2,
            self.branch_orders.name: self.branch_orders.choices[0],
            self.fusions.name: str(min((need.fusion for need in self.needs), default=0)),
        }

    def setting(self, choices: Mapping[str, str], position: float) -> OuterSetting:
        """The setting that sampled choices stand for; a missing choice is the only one there is."""
        labels = self._base | dict(choices)
        setting = OuterSetting(0, 0, self.default_point, False, position)
        for axis in self.sampled:
            setting = axis.apply(setting, labels[axis.name])
        return setting

    def choices(self, setting: OuterSetting) -> Mapping[str, str]:
        """The reverse of `setting`, for any one: sizes between two rungs of a ladder take the larger rung."""
        axes = (axis for axis in self.sampled if len(axis.choices) > 1)
        return frozen_choices(**{axis.name: axis.label(setting) for axis in axes})

    def seeds(self) -> tuple[Seed, ...]:
        """The least memory, the roomiest settings, both ladders down at once, then one at a time.

        The least memory goes first because it fits where anything does.
        """
        found = [(self._choices(**_labels(need)), 0.0) for need in self.needs]
        found += [(self._choices(), 0.0), (self._choices(), 1.0)]
        found += [(self._roomy(need), 0.0) for need in self.needs if need.fusion]
        for point, label in product(self.points.choices, self.l1_weights.choices):
            found.append((self._choices(operating_point=point, l1_weights=label), 0.5))
        found += [(self._choices(branch_order=label), 0.0) for label in self.branch_orders.choices[1:]]
        ladders = (self.l1.choices, self.arena.choices)
        for share in np.linspace(1, 0, max(map(len, ladders)))[1:-1]:
            l1, arena = (labels[round(share * (len(labels) - 1))] for labels in ladders)
            found.append((self._choices(l1=l1, arena=arena), 0.0))
        found += [(self._choices(arena=label), 0.0) for label in self.arena.choices[-2::-1]]
        found += [(self._choices(l1=label), 0.0) for label in self.l1.choices[-2::-1]]
        return tuple(seed for number, seed in enumerate(found) if seed not in found[:number])

    def _roomy(self, need: Need) -> Mapping[str, str]:
        """A segmentation with no more L2 than it needs: the rest is for L1, where segments live."""
        return self._choices(**{k: v for k, v in _labels(need).items() if k != "l1"})

    def _needs_l3(self, choices: Mapping[str, str]) -> bool:
        """Whether these sizes are below what activations on chip need at least, but not below the rest."""
        if all(need.level != L3 for need in self.needs):
            return False
        fusion, l1, arena = int(choices["fusion"]), int(choices["l1"]), int(choices["arena"])
        near = next((n.least for n in self.needs if (n.level, n.fusion) == (L2, fusion)), None)
        return near is None or l1 < near.l1_total_bytes or arena < near.arena_bytes

    def _choices(self, **wanted: str) -> Mapping[str, str]:
        base = self._base | wanted
        if "activations" not in wanted and self._needs_l3(base):
            base["activations"] = L3
        names = {axis.name for axis in self.axes}
        return frozen_choices(**{k: v for k, v in base.items() if k in names})


def _labels(need: Need) -> dict[str, str]:
    return {
        "activations": need.level,
        "fusion": str(need.fusion),
        "l1": str(need.least.l1_total_bytes),
        "arena": str(need.least.arena_bytes),
        "l1_weights": str(need.least.l1_resident_bytes),
    }


def outer_space(
    limits: Limits,
    network: Network,
    needs: Needs,
    points: tuple[str, ...],
    default_point: str,
    orders: int = 1,
    fusions: int = 1,
) -> OuterSpace:
    """The space of a task.

    network: without activations in L3. points: operating points to choose from. orders: number of orders of
    the layers. fusions: number of segmentations.
    """
    l1_high = min(limits.l1_bytes, limits.on_chip_bytes)
    arena_high = min(limits.l2_bytes, limits.on_chip_bytes, _most_arena_bytes(network))
    return OuterSpace(
        l1=L1Cap(_ladder({need.least.l1_total_bytes for need in needs}, l1_high, L1_STEPS)),
        arena=ArenaCap(_ladder({need.least.arena_bytes for need in needs}, arena_high, ARENA_STEPS)),
        l1_weights=L1Weights(_l1_weights(l1_high, network, needs)),
        points=OperatingPointAxis(points),
        activations=FarthestActivations((L2, L3) if limits.has_l3 else (L2,)),
        branch_orders=BranchOrder(tuple(map(str, range(orders)))),
        fusions=Fusion(tuple(map(str, range(fusions)))),
        default_point=default_point,
        needs=needs,
    )


def _most_arena_bytes(network: Network) -> int:
    """No deployment has more live + staging bytes in L2: a larger arena changes nothing."""
    ranges = network.live_ranges()
    most = 0
    for step, layer in enumerate(network.layers):
        operands = [network.tensors[number] for number in (*layer.inputs, layer.output)]
        others = sum(
            t.size_bytes for t, (low, high) in zip(network.tensors, ranges, strict=True) if low <= step < high
        ) - sum(t.size_bytes for t in operands)
        needs = [
            sum(t.size_bytes for t, home in zip(operands, homes, strict=True) if home == "L2")
            + int(move.rows[:, STAGING].max())
            for move in layer.moves
            for homes in [(*move.homes_in, move.home_out)]
            if all(home in t.homes for t, home in zip(operands, homes, strict=True))
        ]
        most = max(most, others + max(needs, default=0))
    return most


def _l1_weights(room_bytes: int, network: Network, needs: Needs) -> tuple[str, ...]:
    """None, a quarter, a half of L1; what the least memory keeps there; never less than pins ask for."""
    labels = {0, room_bytes // 4 // 4 * 4, room_bytes // 2 // 4 * 4}
    labels |= {need.least.l1_resident_bytes for need in needs}
    forced = [[resident_bytes(layer, move)[2] for move in layer.moves] for layer in network.layers]
    pinned = sum(min(sizes, default=0) for sizes in forced)
    return tuple(str(size) for size in sorted({max(size, pinned) for size in labels}))


def _ladder(least: Iterable[int], high: int, steps: int) -> tuple[str, ...]:
    """Ascending sizes in bytes, as labels: the least ones, then geometric steps up to `high`.

    `high` itself is always there; with nothing feasible it is alone.
    """
    least = {size for size in least if size <= high}
    start = min(least, default=high)
    grid = np.geomspace(max(start, 4), max(high, 4), steps) if start < high else np.array([])
    inner = {int(v) // 4 * 4 for v in grid[1:-1]}
    return tuple(str(v) for v in sorted({*least, *inner, high}))
