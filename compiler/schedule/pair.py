"""Two graphs of one model in one memory: prefill runs once, then decode as often as there are tokens.

What both read lies once, at the same addresses: parameter blocks that are byte for byte equal, and the
caches, which decode keeps from run to run and which the rows of prefill are copied into between the two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from compiler.deployment import LEVELS, Deployment, LayerPlan, PlacedBuffer
from compiler.ir import Graph, Operator
from compiler.ir.operator import BOTH
from compiler.memory import Buffer, DoesNotFit, Problem, allocate
from compiler.schedule.buffers import ALIGNMENT_BYTES
from compiler.schedule.deploy import LevelCapacities

RESIDENT = ("p/", "q/", "w/")
"""How names of buffers of parameters begin that stay for the whole run."""

HANDOVER_STEPS = 1
"""Between the two graphs: rows of prefill and the caches that get them are both there."""


@dataclass(frozen=True)
class Cache:
    """Names of tensors: `rows` that prefill returns, `past` that decode reads, `row` that decode returns.

    past_rows, prefill_rows: extents of the axis along which it grows, the last but one of all three.
    """

    rows: str
    past: str
    row: str
    prefill_rows: int
    past_rows: int


@dataclass(frozen=True)
class SharedLayer:
    """A layer of each graph with equal parameters. dims: whose tiles select blocks of them."""

    prefill: str
    decode: str
    dims: tuple[str, ...]

    def blocks(self, deployment: Deployment, layer: str) -> object:
        """Home, packing and tiles of the parameters of one of the two: where equal, the blocks are."""
        plan = deployment.plan_of[layer]
        return deployment.param_home_of[layer], plan.layout, self.tile(plan)

    def tile(self, plan: LayerPlan) -> tuple[tuple[str, int], ...]:
        """Tile sizes that select blocks."""
        return tuple((name, plan.sizes[name]) for name in self.dims)


@dataclass(frozen=True)
class Shared:
    """What two graphs of a model have in common."""

    layers: tuple[SharedLayer, ...]
    caches: tuple[Cache, ...]

    def agreed(self, prefill: Deployment, decode: Deployment) -> tuple[SharedLayer, ...]:
        """The layers whose parameters are the same blocks in the same level in both deployments."""
        return tuple(
            each
            for each in self.layers
            if each.blocks(prefill, each.prefill) == each.blocks(decode, each.decode)
        )


def shared_layers(prefill: Graph, decode: Graph) -> tuple[SharedLayer, ...]:
    """Every two layers with equal parameters, each layer once, in the order of decode."""
    waiting: dict[object, list[str]] = {}
    for op in prefill:
        waiting.setdefault(_parameters(prefill, op), []).append(op.name)
    found = []
    for op in decode:
        key = _parameters(decode, op)
        if key is not None and waiting.get(key):
            found.append(SharedLayer(waiting[key].pop(0), op.name, key[1]))
    return tuple(found)


def _parameters(graph: Graph, op: Operator) -> tuple[str, tuple[str, ...], bytes] | None:
    """Identity of a layer's parameters: kind, dimensions that select blocks, digest; None without any."""
    space = op.space(graph.by_name)
    block = op.param_block("plain", BOTH, space.whole, True)
    dims = () if space.table else tuple(space.param_dims)
    return (op.kind, dims, hashlib.sha256(block).digest()) if block else None


@dataclass(frozen=True)
class Together:
    """Both deployments with addresses that do not collide, and what they need as one: bytes by level.

    resident_bytes: parameters that stay, those of both graphs once. agreed: whose parameters are one block.
    """

    prefill: Deployment
    decode: Deployment
    peak_bytes: tuple[tuple[str, int], ...]
    resident_bytes: int
    agreed: tuple[SharedLayer, ...]


def place_together(
    prefill: Deployment, decode: Deployment, shared: Shared, capacities: LevelCapacities
) -> Together | DoesNotFit:
    """Addresses for both deployments in one memory; the first level that does not fit is the answer instead.

    Resident parameters are there all the time, those that both agree on once. Of prefill's other buffers none
    lives beside one of decode's, but for caches and the rows that they get.
    """
    agreed = shared.agreed(prefill, decode)
    joint = _Joint(prefill, decode, {each.decode: each.prefill for each in agreed}, shared.caches)
    places: dict[tuple[str, str], int] = {}
    peaks: dict[str, int] = dict.fromkeys(LEVELS, 0)
    resident = 0
    for level in LEVELS:
        buffers = tuple(joint.buffers(level))
        found = allocate(Problem(level, capacities.of(level), buffers), capacities.node_budget)
        if isinstance(found, DoesNotFit):
            return found
        peaks[level] = found.peak_bytes
        for buffer, offset in zip(buffers, found.offsets, strict=True):
            places[level, buffer.name] = offset
            resident += buffer.size_bytes if buffer.name.split(":", 1)[1].startswith(RESIDENT) else 0
    return Together(
        _moved(prefill, places, joint.name_of_prefill),
        _moved(decode, places, joint.name_of_decode),
        tuple(peaks.items()),
        resident,
        agreed,
    )


def _moved(
    deployment: Deployment, places: Mapping[tuple[str, str], int], name_of: Callable[[PlacedBuffer], str]
) -> Deployment:
    buffers = (replace(b, offset=places[b.level, name_of(b)]) for b in deployment.buffers)
    return replace(deployment, buffers=tuple(buffers))


@dataclass(frozen=True)
class _Joint:
    """Buffers of both deployments on one line of time: prefill, the handover, decode. same: decode's layer to
    prefill's."""

    prefill: Deployment
    decode: Deployment
    same: Mapping[str, str]
    caches: tuple[Cache, ...]

    def name_of_prefill(self, buffer: PlacedBuffer) -> str:
        return f"prefill:{buffer.name}"

    def name_of_decode(self, buffer: PlacedBuffer) -> str:
        kind, layer = buffer.name[:2], buffer.name[2:]
        if kind in RESIDENT and layer in self.same:
            return f"prefill:{kind}{self.same[layer]}"
        return f"decode:{buffer.name}"

    def buffers(self, level: str) -> Iterator[Buffer]:
        """Of one level, each once."""
        mine = [self._early(b) for b in self.prefill.buffers if b.level == level]
        names = {buffer.name for buffer in mine}
        yield from mine
        others = (self._late(b) for b in self.decode.buffers if b.level == level)
        yield from (buffer for buffer in others if buffer.name not in names)

    def _early(self, b: PlacedBuffer) -> Buffer:
        """A buffer of prefill; rows for the caches are there until they are handed over."""
        name, rows = self.name_of_prefill(b), {f"t/{cache.rows}" for cache in self.caches}
        if b.name.startswith(RESIDENT):
            return Buffer(name, b.bytes, 0, self._end, ALIGNMENT_BYTES)
        return Buffer(name, b.bytes, b.first, self._begin if b.name in rows else b.last, ALIGNMENT_BYTES)

    def _late(self, b: PlacedBuffer) -> Buffer:
        """A buffer of decode; caches stay from the handover on."""
        name, begin, pasts = self.name_of_decode(b), self._begin, {f"t/{cache.past}" for cache in self.caches}
        if b.name.startswith(RESIDENT):
            return Buffer(name, b.bytes, 0, self._end, ALIGNMENT_BYTES)
        if b.name in pasts:
            return Buffer(name, b.bytes, begin - HANDOVER_STEPS, self._end, ALIGNMENT_BYTES)
        return Buffer(name, b.bytes, begin + b.first, begin + b.last, ALIGNMENT_BYTES)

    @property
    def _begin(self) -> int:
        """The first step of decode."""
        return len(self.prefill.plans) + HANDOVER_STEPS

    @property
    def _end(self) -> int:
        return self._begin + len(self.decode.plans)
