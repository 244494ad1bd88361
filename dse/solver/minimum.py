"""The least memory that a network can run in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dse.solver.bottleneck import (
    ARENA,
    EVERYTHING,
    L1,
    NO_CAPS,
    Bottlenecks,
    Caps,
    Counted,
    Found,
    unlimited_space,
)
from dse.solver.columns import POOLS, resident_bytes
from dse.solver.problem import Network
from dse.solver.width import free_homes, pin_homes

# Labels a step: of the first answer, and of the exact pass, which drops what cannot beat it.
_BEAM, _MOST_LABELS = 64, 5_000


@dataclass(frozen=True)
class MinimumMemory:
    """A deployment of least memory. l1_bytes, arena_bytes: peaks without resident parameters; the latter in
    L2, weight memory and L1.

    floor_bytes: no deployment within the caps has a smaller sum; the sum itself unless the network was too
    wide or the search too long for an exact answer.
    """

    l1_bytes: int
    arena_bytes: int
    resident_l2_bytes: int
    weight_memory_bytes: int
    l1_resident_bytes: int
    floor_bytes: int

    @property
    def l1_total_bytes(self) -> int:
        """All of L1."""
        return self.l1_bytes + self.l1_resident_bytes

    @property
    def l2_total_bytes(self) -> int:
        """All of L2."""
        return self.arena_bytes + self.resident_l2_bytes

    @property
    def total_bytes(self) -> int:
        """Sum over the on-chip memories."""
        return self.l1_total_bytes + self.l2_total_bytes + self.weight_memory_bytes


def minimum_memory(
    network: Network,
    caps: Caps = NO_CAPS,
    counted: Counted = EVERYTHING,
    wide: tuple[int, ...] = (),
) -> MinimumMemory | None:
    """The deployment within `caps` whose sum over the `counted` memories is least; None if there is none.

    Of several the one with the smallest arena, if that is counted. Tensors `wide` (see `dse.solver.width`)
    are pinned to their first home: the answer is that of the pinned network, the floor that of the given one.
    """
    search = Bottlenecks.of(pin_homes(network, wide), caps, counted)
    if search is None:
        return None
    found = search.run(_BEAM, caps.total)
    within = caps.total if found is None else float(search.total(found.labels)[0])
    best = found if found and found.complete else search.run(_MOST_LABELS, within)
    if best is None:
        return None
    floor = search.total(best.labels)[0] if best.complete else search.total(search.root)[0]
    if wide:
        free = Bottlenecks.of(free_homes(network, wide), caps, counted)
        floor = 0.0 if free is None else free.total(free.root)[0]
    return _answer(network, search, best, int(floor))


def stuck_layer(network: Network) -> int | None:
    """The first layer that cannot run however much memory there is; None if all can."""
    return unlimited_space(network, [np.ones(len(POOLS))]).stuck_layer


def _answer(network: Network, search: Bottlenecks, best: Found, floor_bytes: int) -> MinimumMemory:
    tables = search.space.tables
    pools = np.zeros(len(POOLS), np.int64)
    for layer, row in zip(network.layers, best.rows.tolist(), strict=True):
        pools += resident_bytes(layer, layer.moves[int(tables.move[row])])
    l2, memory, l1 = pools.tolist()
    label = best.labels[0]
    return MinimumMemory(math.ceil(label[L1]), math.ceil(label[ARENA]), l2, memory, l1, floor_bytes)
