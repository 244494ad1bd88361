"""The deployment: one frozen value that says everything that the emitted C does.

A deployment names, for one graph on one platform: for every layer the engine, tile, loop order, split
over cores, buffering and staging; for every tensor and every layer's parameters the home level; for
every buffer its address. What is not in here does not influence the C.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

L1, L2, L3 = "l1", "l2", "l3"
WEIGHT_MEMORIES = ("wmem_sram", "wmem_mram")
LEVELS = (L1, L2, L3, *WEIGHT_MEMORIES)
DIRECT, WHOLE, TILE = "direct", "whole", "tile"
FUSED = "fused"
PLAIN = "plain"
LAYOUTS = (PLAIN, "neureka", "ne16")


class DeploymentError(ValueError):
    """A deployment that cannot be read or does not belong to its graph; one clear line."""


@dataclass(frozen=True)
class LayerPlan:
    """How one layer runs.

    layout: how the engine wants its parameter blocks: "plain" on cores, or an NPU's packing.
    tile: size by dimension (every dimension of the operator's space). order: loop order, outermost
    first. split: dimensions divided over the cores. buffering: 1 or 2 L1 slots a stream.
    staging, one entry each for every input, then parameters, then output: "direct" where the home is
    on the L1 side of L3, else how L3 reaches L1 through L2: "whole" tensor before (after) the layer,
    or "tile" by tile.
    In a segment the streams between its layers are "fused", and what comes from L3 goes through L2 stripe by
    stripe ("tile").
    prefetch: how many layers ahead of this one the copy of its parameters from L3 to their whole stage is
    started, to run under what computes there; 0: when the layer itself starts.
    """

    operator: str
    engine: str
    layout: str
    tile: tuple[tuple[str, int], ...]
    order: tuple[str, ...]
    split: tuple[str, ...]
    buffering: int
    staging: tuple[str, ...]
    prefetch: int = 0

    @cached_property
    def sizes(self) -> Mapping[str, int]:
        return MappingProxyType(dict(self.tile))

    @cached_property
    def _hash(self) -> int:
        return hash(tuple(getattr(self, name) for name in self.__dataclass_fields__))

    def __hash__(self) -> int:
        """Found once: plans are the keys of everything that deployments share."""
        return self._hash

    @property
    def on_npu(self) -> bool:
        """Whether an NPU runs the layer, as jobs on packed parameters."""
        return self.layout != PLAIN

    def __reduce__(self) -> tuple[type[LayerPlan], tuple[Any, ...]]:
        return (LayerPlan, tuple(getattr(self, name) for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Segment:
    """Layers [first, last) run depth-first: for one stripe of rows of the last one's output after the other.

    rows: of the output in a stripe. mode: rows that stripes share are computed again ("recompute"), or stay
    in L1 ("line"). buffering: 1 or 2 L1 buffers for each tensor that comes in or leaves, 1 with "line". held:
    layers whose parameters are fetched once, before the first stripe; those of the others arrive block by
    block in every stripe. The layers' plans tile channels only.
    """

    first: int
    last: int
    rows: int
    mode: str
    buffering: int
    held: tuple[str, ...]

    @property
    def steps(self) -> range:
        """The numbers of its layers."""
        return range(self.first, self.last)

    def __reduce__(self) -> tuple[type[Segment], tuple[Any, ...]]:
        return (Segment, tuple(getattr(self, name) for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class PlacedBuffer:
    """`bytes` at `offset` of a level, alive in the half-open interval [first, last) of layer steps."""

    level: str
    name: str
    offset: int
    bytes: int
    first: int
    last: int


@dataclass(frozen=True)
class Deployment:
    """Decisions and addresses of a whole graph. `homes` and `param_homes` name levels.

    Tensors between the layers of a segment have their home in L1, as rows.
    """

    model: str
    model_sha256: str
    platform: str
    operating_point: str
    plans: tuple[LayerPlan, ...]
    homes: tuple[tuple[str, str], ...]
    param_homes: tuple[tuple[str, str], ...]
    buffers: tuple[PlacedBuffer, ...]
    segments: tuple[Segment, ...] = ()

    @cached_property
    def segment_of(self) -> Mapping[int, Segment]:
        """The segment of each fused layer, by its number."""
        return MappingProxyType({step: segment for segment in self.segments for step in segment.steps})

    @cached_property
    def plan_of(self) -> Mapping[str, LayerPlan]:
        """The plan of each layer."""
        return MappingProxyType({plan.operator: plan for plan in self.plans})

    @cached_property
    def home_of(self) -> Mapping[str, str]:
        """Home level of each tensor."""
        return MappingProxyType(dict(self.homes))

    @cached_property
    def param_home_of(self) -> Mapping[str, str]:
        """Home level of each layer's parameters."""
        return MappingProxyType(dict(self.param_homes))

    @cached_property
    def placed(self) -> Mapping[tuple[str, str], PlacedBuffer]:
        """Buffers by (level, name)."""
        return MappingProxyType({(b.level, b.name): b for b in self.buffers})

    @cached_property
    def prefetches_from(self) -> tuple[tuple[int, ...], ...]:
        """By layer the numbers of the later ones whose parameters begin to arrive under it, in order."""
        found: list[list[int]] = [[] for _ in self.plans]
        for number, plan in enumerate(self.plans):
            if plan.prefetch:
                found[number - plan.prefetch].append(number)
        return tuple(map(tuple, found))

    def peak_bytes(self, level: str) -> int:
        """Highest byte that a level's arena uses."""
        return self._peaks.get(level, 0)

    @cached_property
    def _peaks(self) -> Mapping[str, int]:
        peaks: dict[str, int] = {}
        for buffer in self.buffers:
            end = buffer.offset + buffer.bytes
            if end > peaks.get(buffer.level, 0):
                peaks[buffer.level] = end
        return MappingProxyType(peaks)

    def to_json(self) -> str:
        """Canonical JSON text."""
        content = asdict(self)
        segments = content.pop("segments")
        # What knows nothing of segments must not read a deployment that has some.
        head = {"schema": 2, **content, "segments": segments} if segments else {"schema": 1, **content}
        return json.dumps(head, indent=1) + "\n"

    def __reduce__(self) -> tuple[type[Deployment], tuple[Any, ...]]:
        return (Deployment, tuple(getattr(self, name) for name in self.__dataclass_fields__))


def _plan(data: Mapping[str, Any]) -> LayerPlan:
    return LayerPlan(
        operator=str(data["operator"]),
        engine=str(data["engine"]),
        layout=str(data["layout"]),
        tile=tuple((str(name), int(size)) for name, size in data["tile"]),
        order=tuple(map(str, data["order"])),
        split=tuple(map(str, data["split"])),
        buffering=int(data["buffering"]),
        staging=tuple(map(str, data["staging"])),
        prefetch=int(data.get("prefetch", 0)),  # files from before there was any do not say
    )


def _buffer(data: Mapping[str, Any]) -> PlacedBuffer:
    numbers = (int(data[name]) for name in ("offset", "bytes", "first", "last"))
    return PlacedBuffer(str(data["level"]), str(data["name"]), *numbers)


def _segment(data: Mapping[str, Any]) -> Segment:
    first, last, rows = (int(data[name]) for name in ("first", "last", "rows"))
    held = tuple(map(str, data["held"]))
    return Segment(first, last, rows, str(data["mode"]), int(data["buffering"]), held)


def deployment_from_json(text: str) -> Deployment:
    """Read what `Deployment.to_json` wrote; raises DeploymentError with the reason."""
    try:
        data = json.loads(text)
        if data.get("schema") not in (1, 2):
            raise DeploymentError(f"deployment has schema {data.get('schema')}, this version reads 1 and 2")
        return Deployment(
            model=str(data["model"]),
            model_sha256=str(data["model_sha256"]),
            platform=str(data["platform"]),
            operating_point=str(data["operating_point"]),
            plans=tuple(map(_plan, data["plans"])),
            homes=tuple((str(name), str(level)) for name, level in data["homes"]),
            param_homes=tuple((str(name), str(level)) for name, level in data["param_homes"]),
            buffers=tuple(map(_buffer, data["buffers"])),
            segments=tuple(map(_segment, data.get("segments", ()))),
        )
    except DeploymentError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DeploymentError(f"not a deployment file: {type(error).__name__} {error}") from error
