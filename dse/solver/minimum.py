"""The least memory that a network can run in: one exact pass with bottleneck labels."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from dse.solver.labels import expand
from dse.solver.pareto import FloatArray, IntArray, nondominated_in_groups
from dse.solver.problem import L1_TILE, STAGING, TIME, Move, Network, Setting
from dse.solver.space import Space, build_space

_UNLIMITED_BYTES = 1 << 52  # far above any memory, and sums of it are exact in a double


class MinimumMemory(NamedTuple):
    """Least `arena_bytes` + `resident_bytes`; of several the one with the smaller arena."""

    arena_bytes: int
    resident_bytes: int


def minimum_memory(
    network: Network, l1_cap_bytes: int, wm_capacity_bytes: int | None = None, l1_resident_bytes: int = 0
) -> MinimumMemory | None:
    """Smallest max(live + staging) + resident parameter bytes (L2, weight memory, L1) for a cap on L1; None
    if none.

    Parameters that can stream from L3 need not be resident, so that the second term is 0 where there is an
    L3.
    """
    setting = Setting(
        l1_cap_bytes=l1_cap_bytes,
        arena_bytes=_UNLIMITED_BYTES,
        budget_resident_bytes=_UNLIMITED_BYTES,
        wm_capacity_bytes=_UNLIMITED_BYTES if wm_capacity_bytes is None else wm_capacity_bytes,
        l1_resident_bytes=l1_resident_bytes,
        with_memory=True,
    )
    space = build_space(_staging_as_time(network), setting)
    labels = None if space.stuck_layer is not None else _bottlenecks(space)
    if labels is None or len(labels) == 0:
        return None
    best = labels[np.lexsort((labels[:, 0], labels[:, 0] + labels[:, 1]))[0]]
    return MinimumMemory(math.ceil(best[0]), int(best[1]))


def _staging_as_time(network: Network) -> Network:
    """The network whose tables are pruned by staging and memory alone: staging takes the place of time."""
    done: dict[int, tuple[Move, ...]] = {}
    for layer in network.layers:
        if id(layer.moves) not in done:
            done[id(layer.moves)] = tuple(replace(move, rows=_swap(move.rows)) for move in layer.moves)
    return replace(
        network, layers=tuple(replace(layer, moves=done[id(layer.moves)]) for layer in network.layers)
    )


def _swap(rows: FloatArray) -> FloatArray:
    swapped = np.zeros_like(rows)
    swapped[:, TIME] = rows[:, STAGING]
    swapped[:, L1_TILE] = rows[:, L1_TILE]
    return swapped


def _bottlenecks(space: Space) -> FloatArray:
    """Pareto labels (max of live + staging, resident bytes, other capped sums) at the end of the network [p,
    c].
    """
    labels: FloatArray = np.zeros((1, space.columns.count - 1))
    state: IntArray = np.zeros(1, dtype=np.int64)
    for step in space.steps:
        parts = []
        for transition, parent, row in expand(space.tables, step, state):
            costs = space.tables.costs[row]
            peak = np.maximum(labels[parent, 0], step.live_bytes[transition] + costs[:, 0])
            sums = labels[parent, 1:] + costs[:, 2:]
            fits = (sums <= space.columns.caps_bytes).all(axis=1)
            grown = np.concatenate([peak[:, None], sums], axis=1)[fits]
            target = step.target[transition][fits]
            keep = nondominated_in_groups(grown, target)
            parts.append((grown[keep], target[keep]))
        if not parts:
            return labels[:0]
        labels, state = (np.concatenate(column) for column in zip(*parts, strict=True))
        keep = nondominated_in_groups(labels, state)
        labels, state = labels[keep], state[keep]
    return labels
