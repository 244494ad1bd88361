"""Which sums a label has to carry: time, energy, and the parameter memory that is an objective or can run
out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dse.solver.pareto import FloatArray
from dse.solver.problem import Layer, Move, Network, Setting

# Pools of resident parameters, in this order wherever an axis is called "pools".
POOLS = ("L2", "WM", "L1")


@dataclass(frozen=True, eq=False)
class Columns:
    """The label is (time, energy, one sum per row of `pools`).

    `pools` [q, 3] says which pools (L2, weight memory, L1) a sum adds up; `caps_bytes` [q] limits it (inf: no
    limit). The first `objectives` columns of a label are objectives, the others only have to stay below their
    cap.
    """

    pools: FloatArray
    caps_bytes: FloatArray
    objectives: int

    @property
    def count(self) -> int:
        """Length of a label."""
        return 2 + len(self.pools)

    @property
    def free(self) -> FloatArray:
        """[q] caps of the sums that are no objective, inf elsewhere: what a multiplier may charge."""
        caps = self.caps_bytes.copy()
        caps[: self.objectives - 2] = np.inf
        return caps


def resident_bytes(layer: Layer, move: Move) -> tuple[int, int, int]:
    """Bytes that the move's parameters take in each of the POOLS."""
    return layer.resident(move)


def pool_caps_bytes(setting: Setting) -> tuple[FloatArray, FloatArray]:
    """Every limit of the setting as (pools [k, 3], caps [k])."""
    pools, caps = (
        np.eye(3),
        [setting.budget_resident_bytes, setting.wm_capacity_bytes, setting.l1_resident_bytes],
    )
    if setting.on_chip_resident_bytes is not None:
        pools = np.concatenate([pools, np.ones((1, 3))])
        caps.append(setting.on_chip_resident_bytes)
    return pools, np.array(caps, dtype=np.float64)


def choose_columns(network: Network, setting: Setting) -> Columns:
    """The memory objective if asked for, then every limit that the moves' worst case exceeds; equal sums are
    merged.
    """
    pools, caps = pool_caps_bytes(setting)
    usage = _usage_by_layer(network, pools, caps)
    worst = np.array([u.max(axis=0, initial=0) for u in usage]).sum(axis=0)
    everything = np.concatenate(usage)
    kept_pools: list[FloatArray] = [np.ones(3)] if setting.with_memory else []
    kept_caps: list[float] = [np.inf] if setting.with_memory else []
    for pool, cap in zip(pools, caps, strict=True):
        if worst @ pool <= cap or _implied(pool, cap, pools, caps):
            continue
        twin = _same_sum(everything, pool, kept_pools)
        if twin is None:
            kept_pools.append(pool)
            kept_caps.append(cap)
        else:
            kept_caps[twin] = min(kept_caps[twin], cap)
    return Columns(np.array(kept_pools).reshape(-1, 3), np.array(kept_caps), setting.objectives)


def _implied(pool: FloatArray, cap: float, pools: FloatArray, caps: FloatArray) -> bool:
    """True if another limit covers more pools with no more bytes, so that this one never decides."""
    wider = (pools >= pool).all(axis=1) & (pools > pool).any(axis=1)
    return bool((wider & (caps <= cap)).any())


def _same_sum(usage: FloatArray, pool: FloatArray, others: list[FloatArray]) -> int | None:
    for index, other in enumerate(others):
        if np.array_equal(usage @ pool, usage @ other):
            return index
    return None


def _usage_by_layer(network: Network, pools: FloatArray, caps: FloatArray) -> list[FloatArray]:
    """Per layer the pool bytes [m, 3] of the moves that no cap forbids on their own."""
    result = []
    for layer in network.layers:
        result.append(layer.usage[(layer.usage @ pools.T <= caps).all(axis=1)])
    return result
