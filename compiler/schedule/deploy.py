"""Decisions to a deployment: allocate every level, validate, and say why where it does not fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from compiler.deployment import Deployment, PlacedBuffer
from compiler.ir import Module
from compiler.memory import Buffer, DoesNotFit, Problem, allocate
from compiler.schedule.buffers import BufferMaker, Decisions
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


@dataclass(frozen=True)
class Deployer:
    """Makes deployments of one module for one platform, by name; remembers buffers that they share."""

    module: Module
    platform: str
    capacities: LevelCapacities

    _makers: dict[tuple[str, ...], BufferMaker] = field(default_factory=dict, repr=False)
    _placed: dict[tuple[str, str, int, int, int, int], PlacedBuffer] = field(default_factory=dict, repr=False)

    def _buffers(self, decisions: Decisions) -> Mapping[str, tuple[Buffer, ...]]:
        """Buffers by level, of the layers in the order of their plans."""
        order = tuple([plan.operator for plan in decisions.plans])
        if order not in self._makers:
            self._makers[order] = BufferMaker(in_order(self.module.main, order))
        return self._makers[order].buffers(decisions)

    def _placed_at(
        self, level: str, buffers: Sequence[Buffer], offsets: Sequence[int]
    ) -> Iterator[PlacedBuffer]:
        """Buffers at their places, where most are in some other deployment too."""
        known = self._placed
        for buffer, offset in zip(buffers, offsets, strict=True):
            key = level, buffer.name, offset, buffer.size_bytes, buffer.first, buffer.last
            placed = known.get(key)
            if placed is None:
                placed = known[key] = PlacedBuffer(*key)
            yield placed

    def deploy(self, operating_point: str, decisions: Decisions) -> Deployment | DoesNotFit:
        """Allocate all levels of a deployment; the first level that does not fit is the answer instead."""
        placed: list[PlacedBuffer] = []
        for level, buffers in self._buffers(decisions).items():
            problem = Problem(level, self.capacities.of(level), buffers)
            result = allocate(problem, self.capacities.node_budget)
            if isinstance(result, DoesNotFit):
                return result
            placed += self._placed_at(level, buffers, result.offsets)
        return Deployment(
            model=self.module.name,
            model_sha256=self.module.sha256,
            platform=self.platform,
            operating_point=operating_point,
            plans=decisions.plans,
            homes=tuple(sorted(decisions.homes.items())),
            param_homes=tuple(sorted(decisions.param_homes.items())),
            buffers=tuple(placed),
            segments=decisions.segments,
        )


def deploy(
    module: Module,
    platform: str,
    operating_point: str,
    decisions: Decisions,
    capacities: LevelCapacities,
) -> Deployment | DoesNotFit:
    """One deployment; see `Deployer.deploy`."""
    return Deployer(module, platform, capacities).deploy(operating_point, decisions)
