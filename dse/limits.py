"""Memory limits of a task: what the platform has, what the budget allows, what the solver is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from compiler.deployment import L1, L2, L3, WEIGHT_MEMORIES
from dse.points import OuterSetting
from dse.solver.minimum import MinimumMemory
from dse.solver.problem import Setting
from dse.task import Task, TaskError


@dataclass(frozen=True)
class Limits:
    """Caps in bytes by level, and on the sum over the on-chip levels. weight_memory: the one that parameters
    may use."""

    capacities: Mapping[str, int]
    on_chip_levels: tuple[str, ...]
    on_chip_bytes: int
    weight_memory: str | None

    @property
    def l1_bytes(self) -> int:
        return self.capacities.get(L1, 0)

    @property
    def l2_bytes(self) -> int:
        return self.capacities.get(L2, 0)

    @property
    def has_l3(self) -> bool:
        return self.capacities.get(L3, 0) > 0

    @property
    def param_homes(self) -> tuple[str, ...]:
        """Homes that parameters may have."""
        memory = self.weight_memory
        return (L2, L1, *((L3,) if self.has_l3 else ()), *((memory,) if memory else ()))

    def inner(self, setting: OuterSetting, with_memory: bool) -> Setting:
        """The inner solver's setting under an outer one; where the arena leaves less, L1 has less."""
        l1 = max(0, min(setting.l1_bytes, self.l1_bytes, self.on_chip_bytes - setting.arena_bytes))
        weights = min(setting.l1_weights_bytes, l1)
        memory = self.weight_memory
        return Setting(
            l1_cap_bytes=l1,
            arena_bytes=setting.arena_bytes,
            budget_resident_bytes=max(0, self.l2_bytes - setting.arena_bytes),
            wm_capacity_bytes=self.capacities[memory] if memory else 0,
            l1_resident_bytes=weights,
            on_chip_resident_bytes=max(0, self.on_chip_bytes - (l1 - weights) - setting.arena_bytes),
            with_memory=with_memory,
        )

    def roomiest(self) -> Setting:
        """A relaxation of every inner setting: each memory has all the bytes that it could get."""
        memory = self.weight_memory
        l1 = min(self.l1_bytes, self.on_chip_bytes)
        return Setting(
            l1_cap_bytes=2 * l1,
            l1_resident_bytes=l1,
            arena_bytes=min(self.l2_bytes, self.on_chip_bytes),
            budget_resident_bytes=min(self.l2_bytes, self.on_chip_bytes),
            wm_capacity_bytes=self.capacities[memory] if memory else 0,
            on_chip_resident_bytes=self.on_chip_bytes,
        )


def overflow(least: MinimumMemory, setting: Setting) -> float:
    """By what share a deployment exceeds a setting in its worst part; negative where it fits."""
    resident = least.resident_l2_bytes + least.weight_memory_bytes + least.l1_resident_bytes
    parts = [
        (least.arena_bytes, setting.arena_bytes),
        (least.l1_bytes, setting.l1_cap_bytes - setting.l1_resident_bytes),
        (least.l1_resident_bytes, setting.l1_resident_bytes),
        (least.resident_l2_bytes, setting.budget_resident_bytes),
        (resident, resident if setting.on_chip_resident_bytes is None else setting.on_chip_resident_bytes),
    ]
    return max(need / max(there, 1) for need, there in parts) - 1.0


def limits_of(task: Task) -> Limits:
    """Usable bytes of every level under the platform and the budget. Raises TaskError."""
    capped = dict(task.budget.levels)
    capacities: dict[str, int] = {
        level.name: min(level.usable_bytes, capped.get(level.name, level.usable_bytes))
        for level in task.platform.levels
    }
    _check_io_home(task, capacities)
    on_chip = tuple(level.name for level in task.platform.levels if level.on_chip)
    total = sum(capacities[name] for name in on_chip)
    budget = task.budget.on_chip_bytes
    return Limits(
        capacities, on_chip, total if budget is None else min(budget, total), _weight_memory(task, capacities)
    )


def _check_io_home(task: Task, capacities: Mapping[str, int]) -> None:
    homes = [home for home in (L1, L2, L3) if capacities.get(home)]
    if task.io_home in homes:
        return
    why = "the budget leaves it no byte" if task.io_home in capacities else f"{task.platform.name} has none"
    advice = f"; say --io-home {' or '.join(homes)}" if homes else ""
    raise TaskError(f"inputs and outputs cannot be at home in {task.io_home}: {why}{advice}")


def _weight_memory(task: Task, capacities: Mapping[str, int]) -> str | None:
    """The one that pins ask for, else the first that has room."""
    pinned = [
        pin.value for pin in task.pins if pin.decision == "params_home" and pin.value in WEIGHT_MEMORIES
    ]
    return next((name for name in (*pinned, *WEIGHT_MEMORIES) if capacities.get(name, 0) > 0), None)
