"""The lock-step pipeline walked step by step: what the closed form of `costmodels.overlap` must equal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class StepTimes:
    """One tile: its computation, the load before it and the store after it, each with its issue cycles."""

    compute: float
    load: float = 0.0
    store: float = 0.0
    load_issue: float = 0.0
    store_issue: float = 0.0


def walk_steps(steps: Sequence[StepTimes], double: bool, duplex: bool = True) -> float:
    """Cycles of a layer's steps, single- or double-buffered; `duplex`: loads and stores move together."""
    if not steps:
        return 0.0
    if not double:
        return sum(step.load + step.compute + step.store for step in steps)
    nothing = StepTimes(0.0)
    total = steps[0].load + steps[-1].store
    for before, step, after in zip((nothing, *steps[:-1]), steps, (*steps[1:], nothing), strict=True):
        busy = step.compute + after.load_issue + before.store_issue
        moving = max(after.load, before.store) if duplex else after.load + before.store
        total += max(busy, moving)
    return total
