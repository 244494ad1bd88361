"""Decisions to a deployment: allocate every level, validate, and say why where it does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from compiler.deployment import Deployment, PlacedBuffer
from compiler.ir import Module
from compiler.memory import DoesNotFit, Problem, allocate
from compiler.schedule.buffers import Decisions, deployment_buffers
from compiler.schedule.order import in_order

UNLIMITED_BYTES = 1 << 40


@dataclass(frozen=True)
class LevelCapacities:
    """Bytes that a deployment may use by level (capacity less what the platform reserves)."""

    bytes: Mapping[str, int] = field(default_factory=dict)
    node_budget: int = 2000

    def of(self, level: str) -> int:
        """Capacity of a level; a level that the platform does not have holds nothing."""
        return self.bytes.get(level, 0)


def deploy(
    module: Module,
    platform: str,
    operating_point: str,
    decisions: Decisions,
    capacities: LevelCapacities,
) -> Deployment | DoesNotFit:
    """Allocate all levels of a deployment; the first level that does not fit is the answer instead."""
    graph = in_order(module.main, [plan.operator for plan in decisions.plans])
    placed: list[PlacedBuffer] = []
    for level, buffers in deployment_buffers(graph, decisions).items():
        result = allocate(Problem(level, capacities.of(level), buffers), capacities.node_budget)
        if isinstance(result, DoesNotFit):
            return result
        placed += [
            PlacedBuffer(level, buffer.name, offset, buffer.size_bytes, buffer.first, buffer.last)
            for buffer, offset in zip(buffers, result.offsets, strict=True)
        ]
    return Deployment(
        model=module.name,
        model_sha256=module.sha256,
        platform=platform,
        operating_point=operating_point,
        plans=decisions.plans,
        homes=tuple(sorted(decisions.homes.items())),
        param_homes=tuple(sorted(decisions.param_homes.items())),
        buffers=tuple(placed),
    )
