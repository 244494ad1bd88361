"""Two graphs of one model in one memory: prefill runs once, then decode as often as there are tokens.

What both have lies once, at the same addresses: parameter blocks that are byte for byte equal, and the
caches, states of decode, whose first rows prefill makes where they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from compiler.deployment import LEVELS, Deployment, DeploymentError, LayerPlan, PlacedBuffer
from compiler.ir import Graph, Operator
from compiler.ir.operator import BOTH
from compiler.memory import Buffer, DoesNotFit, Problem, allocate
from compiler.schedule.buffers import ALIGNMENT_BYTES
from compiler.schedule.deploy import LevelCapacities

RESIDENT = ("p/", "q/", "w/")
"""How names of buffers of parameters begin that stay for the whole run."""


@dataclass(frozen=True)
class Cache:
    """Names of tensors: `rows` that prefill returns, `state` of decode, whose first rows they are.

    prefill_rows, capacity_rows: of both.
    """

    rows: str
    state: str
    prefill_rows: int
    capacity_rows: int


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

    Resident parameters are there all the time, those that both agree on once. A cache is there from the step
    of prefill on that makes its rows; of the other buffers none of prefill lives beside one of decode. Raises
    DeploymentError where a cache and its rows have different homes.
    """
    _check_caches(prefill, decode, shared.caches)
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


def _check_caches(prefill: Deployment, decode: Deployment, caches: tuple[Cache, ...]) -> None:
    for cache in caches:
        rows, state = prefill.home_of[cache.rows], decode.home_of[cache.state]
        if rows != state:
            raise DeploymentError(f"rows {cache.rows} in {rows} are none of state {cache.state} in {state}")


def _moved(
    deployment: Deployment, places: Mapping[tuple[str, str], int], name_of: Callable[[PlacedBuffer], str]
) -> Deployment:
    buffers = (replace(b, offset=places[b.level, name_of(b)]) for b in deployment.buffers)
    return replace(deployment, buffers=tuple(buffers))


@dataclass(frozen=True)
class _Joint:
    """Buffers of both deployments on one line of time: prefill, decode. same: decode's layer to prefill's."""

    prefill: Deployment
    decode: Deployment
    same: Mapping[str, str]
    caches: tuple[Cache, ...]

    @cached_property
    def _rows(self) -> Mapping[str, PlacedBuffer]:
        """Prefill's buffers of rows of caches, by the name of decode's buffer of the cache."""
        made = {buffer.name: buffer for buffer in self.prefill.buffers}
        return {f"t/{cache.state}": made[f"t/{cache.rows}"] for cache in self.caches}

    def name_of_prefill(self, buffer: PlacedBuffer) -> str:
        states = (state for state, rows in self._rows.items() if rows.name == buffer.name)
        if (state := next(states, None)) is not None:
            return f"decode:{state}"
        return f"prefill:{buffer.name}"

    def name_of_decode(self, buffer: PlacedBuffer) -> str:
        kind, layer = buffer.name[:2], buffer.name[2:]
        if kind in RESIDENT and layer in self.same:
            return f"prefill:{kind}{self.same[layer]}"
        return f"decode:{buffer.name}"

    def buffers(self, level: str) -> Iterator[Buffer]:
        """Of one level, each once."""
        rows = {buffer.name for buffer in self._rows.values()}
        mine = [self._early(b) for b in self.prefill.buffers if b.level == level and b.name not in rows]
        names = {buffer.name for buffer in mine}
        yield from mine
        others = (self._late(b) for b in self.decode.buffers if b.level == level)
        yield from (buffer for buffer in others if buffer.name not in names)

    def _early(self, b: PlacedBuffer) -> Buffer:
        """A buffer of prefill that is no cache."""
        first, last = (0, self._end) if b.name.startswith(RESIDENT) else (b.first, b.last)
        return Buffer(self.name_of_prefill(b), b.bytes, first, last, ALIGNMENT_BYTES)

    def _late(self, b: PlacedBuffer) -> Buffer:
        """A buffer of decode; caches are there since prefill has made rows of them."""
        first, last = self._begin + b.first, self._begin + b.last
        if b.name.startswith(RESIDENT):
            first, last = 0, self._end
        if b.name in self._rows:
            first, last = self._rows[b.name].first, self._end
        return Buffer(self.name_of_decode(b), b.bytes, first, last, ALIGNMENT_BYTES)

    @property
    def _begin(self) -> int:
        """The first step of decode."""
        return len(self.prefill.plans)

    @property
    def _end(self) -> int:
        return self._begin + len(self.decode.plans)
