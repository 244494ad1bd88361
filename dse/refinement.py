"""The whole front of a task in three objectives, proven to a gap: which points to realise, and the bound."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from dse.points import Bound, OuterSetting
from dse.solver.bottleneck import Caps
from dse.solver.boxes import L1, L2
from dse.solver.heights import most_volume
from dse.solver.labels import merge_alike
from dse.solver.problem import Network
from dse.solver.whole import Effort, WholeFront, whole_front
from dse.solver.width import wide_tensors

_BOUND_POINTS = 2_000

LOOKED = 0.9
"""Share of the time after which a refinement looks no further: realising what was found takes time, too."""

Root = tuple[str, int, int]
"""Operating point, numbers of the branch order and of the segmentation."""


@dataclass(frozen=True)
class Refining:
    """How much to spend on the whole front. No clock takes part.

    layers (of all networks together), states (live homes of a step): beyond these trials and half planes have
    to do. labels_of_layers: labels of a step times layers, within fewest_labels and most_labels. splits,
    sums: of the branch and bound; gap: at which it ends. points: how many are realised at most, where
    leaving out the rest loses more than a share `loss` of the volume. with_ends: those that are the worst in
    an objective, too; they add little volume, but reports measure the gap up to somewhat beyond them.
    """

    layers: int = 200
    states: int = 1_000
    labels_of_layers: int = 12_000
    fewest_labels: int = 100
    most_labels: int = 300
    splits: int = 500
    sums: int = 100_000_000
    gap: float = 0.006
    points: int = 120
    loss: float = 0.0005
    with_ends: bool = False

    def effort(self, longest: int) -> Effort:
        """The solver's effort for networks of at most `longest` layers."""
        labels = min(self.most_labels, max(self.fewest_labels, self.labels_of_layers // longest))
        return Effort(gap=self.gap, labels=labels, splits=self.splits, sums=self.sums)


NORMAL = Refining()
"""Small networks only: on the others the stage costs as much as all trials, for a few per cent of gap."""

FULL = Refining(layers=2_000, splits=5_000, sums=10_000_000_000, gap=0.004, points=400, loss=0.0002)
"""Larger networks too, and more of it: one to three minutes for MobileNetV1."""

_LEFT = 0.1  # of a gap that is asked for, for points that are not realised and bounds that are merged

REFININGS: Mapping[str, Refining | None] = MappingProxyType({"auto": NORMAL, "full": FULL, "none": None})
"""What `--refine` offers."""


def refining_to(gap: float) -> Refining:
    """What goes on until the gap of all points is at most `gap`, a share of the volume, or it is stopped."""
    ends = replace(FULL, splits=sys.maxsize, sums=sys.maxsize, points=_BOUND_POINTS, with_ends=True)
    return replace(ends, gap=(1.0 - _LEFT) * gap, loss=_LEFT / 2 * gap)


@dataclass(frozen=True, eq=False)
class Refinement:
    """`front` of the networks of `roots`."""

    roots: tuple[Root, ...]
    front: WholeFront
    refining: Refining

    @property
    def chosen(self) -> list[int]:
        """The deployments worth realising, those that matter most first: nearly all of the volume."""
        reached, most = self.front.reached.objectives, self.refining
        chosen = most_volume(reached, self.front.reference, most.points, most.loss)
        ends = reached.argmax(axis=0).tolist() if most.with_ends else []
        return list(dict.fromkeys([*ends, *chosen]))

    def setting(self, index: int, has_l3: bool) -> OuterSetting:
        """The setting that a deployment of the front fills, allocation aside; its position says nothing."""
        reached = self.front.reached
        point, order, fusion = self.roots[reached.network[index]]
        peaks, in_l1 = reached.peaks[index], int(reached.resident[index][2])
        return OuterSetting(
            l1_bytes=int(peaks[L1]) + in_l1,
            arena_bytes=int(peaks[L2]),
            operating_point=point,
            l3_activations=has_l3,
            position=0.0,
            l1_weights_bytes=in_l1,
            branch_order=order,
            fusion=fusion,
        )

    def sharpen(self, bound: Bound) -> Bound:
        """The bound with this front's lower bounds, of which as few are kept as the documents can carry."""
        least = self.front.least
        _, kept = merge_alike(least, np.zeros(len(least), np.int64), _BOUND_POINTS)
        return replace(bound, points=tuple((row[0], row[1], row[2]) for row in kept.tolist()))


def refinement(
    roots: Sequence[tuple[Root, Network]],
    caps: Caps,
    refining: Refining = NORMAL,
    stopped: Callable[[], bool] = lambda: False,
) -> Refinement | None:
    """The whole front of the networks; None where nothing fits, or where they are too long or too wide.

    `stopped` is asked now and then: what is known by then is the answer, and as true as any.
    """
    networks = [network for _, network in roots]
    layers = sum(len(network.layers) for network in networks)
    if layers > refining.layers or any(wide_tensors(network, refining.states) for network in networks):
        return None
    effort = refining.effort(max(len(network.layers) for network in networks))
    front = whole_front(networks, caps, effort, stopped=stopped)
    return None if front is None else Refinement(tuple(root for root, _ in roots), front, refining)
