"""The whole front of a task in three objectives, proven to a gap: which points to realise, and the bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dse.points import Bound, OuterSetting
from dse.solver.bottleneck import Caps
from dse.solver.boxes import L1, L2
from dse.solver.heights import most_volume
from dse.solver.labels import merge_alike
from dse.solver.problem import Network
from dse.solver.whole import Effort, WholeFront, whole_front
from dse.solver.width import wide_tensors

# Longer tasks are left to the trials and the bound by half planes.
_MOST_LAYERS = 400
_STATES = 1_000
_LABELS_OF_LAYERS, _FEWEST_LABELS, _MOST_LABELS = 24_000, 100, 600
_REALISED, _LOSS = 120, 0.0005
_BOUND_POINTS = 1_000

Root = tuple[str, int, int]
"""Operating point, numbers of the branch order and of the segmentation."""


@dataclass(frozen=True, eq=False)
class Refinement:
    """`front` of the networks of `roots`."""

    roots: tuple[Root, ...]
    front: WholeFront

    @property
    def chosen(self) -> list[int]:
        """The deployments worth realising: nearly all of the volume."""
        reached = self.front.reached.objectives
        return sorted(most_volume(reached, self.front.reference, _REALISED, _LOSS))

    def setting(self, index: int) -> OuterSetting:
        """The setting that a deployment of the front fills exactly; its position says nothing."""
        reached = self.front.reached
        point, order, fusion = self.roots[reached.network[index]]
        peaks, in_l1 = reached.peaks[index], int(reached.resident[index][2])
        return OuterSetting(
            l1_bytes=int(peaks[L1]) + in_l1,
            arena_bytes=int(peaks[L2]),
            operating_point=point,
            l3_activations=True,
            position=0.0,
            l1_weights_bytes=in_l1,
            branch_order=order,
            fusion=fusion,
        )

    def sharpen(self, bound: Bound) -> Bound:
        """The bound with this front's lower bounds, in the same order whatever came before."""
        least = self.front.least
        _, kept = merge_alike(least, np.zeros(len(least), np.int64), _BOUND_POINTS)
        return replace(bound, points=tuple((row[0], row[1], row[2]) for row in kept.tolist()))


def refinement(roots: Sequence[tuple[Root, Network]], caps: Caps) -> Refinement | None:
    """The whole front of the networks; None where nothing fits, or where they are too long or too wide."""
    networks = [network for _, network in roots]
    layers = sum(len(network.layers) for network in networks)
    if layers > _MOST_LAYERS or any(wide_tensors(network, _STATES) for network in networks):
        return None
    longest = max(len(network.layers) for network in networks)
    labels = min(_MOST_LABELS, max(_FEWEST_LABELS, _LABELS_OF_LAYERS // longest))
    front = whole_front(networks, caps, Effort(labels=labels))
    return None if front is None else Refinement(tuple(root for root, _ in roots), front)
