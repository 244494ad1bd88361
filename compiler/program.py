"""The program of a deployment: loops over transfers and kernel calls, with addresses.

`compiler.lower` makes it; the simulator, the counters and the code generator all walk it, so what one
does the others do. A layer is a loop nest over tiles; at every step some streams fetch the next tile,
the kernel runs, and a finished output tile leaves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

from compiler.deployment import PLAIN
from compiler.fused import FusedLayer, SegmentProgram
from compiler.ir import Access, Operator, Region, TileCall
from compiler.ir.access import Table
from compiler.moves import (
    KernelCall,
    Loop,
    Named,
    OperandView,
    ParamStream,
    Place,
    Prefetch,
    Step,
    Transfer,
    offset_of,
    row_pitches,
)

__all__ = [
    "Copy",
    "FusedLayer",
    "KernelCall",
    "LayerProgram",
    "Loop",
    "OperandView",
    "ParamStream",
    "Place",
    "Prefetch",
    "Program",
    "SegmentProgram",
    "Step",
    "Stream",
    "Transfer",
    "row_pitches",
]


@dataclass(frozen=True)
class Stream:
    """An input or output on its way between its home and L1.

    slots: L1 tile buffers used in turn; empty where the tensor's home is L1 and kernels work in place.
    stage: L2 buffers between L3 and L1: one for `whole`, as many as slots for `tile`, else none.
    line, block: axes from which a transfer's lines and blocks are contiguous (compiler.tiling.traffic).
    """

    access: Access
    home: Place
    slots: tuple[Place, ...]
    staging: str
    stage: tuple[Place, ...]
    depth: int
    line: int
    block: int


@dataclass(frozen=True)
class LayerProgram:
    """One layer: the loop nest in order, outermost first, and its streams.

    It runs so: wait for its own parameters if they were `prefetched`; copy what comes `before`, and wait;
    start the `prefetches` for later layers, and do not wait; the loops; copy what comes `after`, and wait.
    """

    operator: Operator
    engine: str
    layout: str
    loops: tuple[Loop, ...]
    split: tuple[str, ...]
    buffering: int
    inputs: tuple[Stream, ...]
    params: ParamStream | None
    output: Stream
    accumulator: Place | None
    reduction: frozenset[str]
    before: tuple[Transfer, ...]
    after: tuple[Transfer, ...]
    prefetched: bool = False
    prefetches: tuple[Prefetch, ...] = ()

    @property
    def on_npu(self) -> bool:
        """Whether an NPU runs the layer, as jobs on packed parameters."""
        return self.layout != PLAIN

    @cached_property
    def steps(self) -> int:
        total = 1
        for loop in self.loops:
            total *= loop.trips
        return total

    def walk(self) -> Iterator[Step]:
        """All steps in execution order."""
        fetched = [-1] * (len(self.inputs) + 1)
        stored = -1
        previous: tuple[int, ...] | None = None
        for index in product(*(range(loop.trips) for loop in self.loops)):
            level = _changed(previous, index)
            previous = index
            box = {loop.dim: loop.interval(i) for loop, i in zip(self.loops, index, strict=True)}
            call = self._call(index, box)
            loads: list[Transfer] = []
            for k, stream in enumerate(self.inputs):
                if stream.slots and level <= stream.depth:
                    fetched[k] += 1
                    loads += stream_loads(stream, call.inputs[k], fetched[k])
            if self.params is not None and self.params.slots and level <= self.params.depth:
                fetched[-1] += 1
                loads += self._param_loads(call, index, fetched)
            stored += int(call.first)
            stores = stream_stores(self.output, call.output, stored, self.into) if call.last else ()
            yield Step(tuple(loads), self._views(call, index, fetched, stored), stores)

    @cached_property
    def into(self) -> Named | None:
        """Where the output's rows begin in its tensor, should that be known at run time only."""
        if self.output.access.into is None:
            return None
        position = self.inputs[-1]
        return Named(position.slots[0] if position.slots else position.home, self.output.access.into)

    def _param_loads(
        self, call: TileCall, index: tuple[int, ...], fetched: list[int]
    ) -> tuple[Transfer, ...]:
        assert self.params is not None
        if self.params.table is None:
            return param_loads(self.params, self.block(index), fetched[-1])
        names = operand_view(self.inputs[0], call.inputs[0], fetched[0]).place
        rows = range(call.output.low[0], call.output.high[0])
        return row_loads(self.params, self.params.table, [names.at(4 * row) for row in rows], fetched[-1])

    def block(self, index: tuple[int, ...]) -> int:
        """Number of the parameter block that a tile needs."""
        assert self.params is not None
        number = 0
        for dim in self.params.dims:
            for loop, i in zip(self.loops, index, strict=True):
                if loop.dim == dim:
                    number = number * loop.trips + i
        return number

    def _call(self, index: tuple[int, ...], box: Mapping[str, tuple[int, int]]) -> TileCall:
        reductions = [
            (i, loop) for i, loop in zip(index, self.loops, strict=True) if loop.dim in self.reduction
        ]
        return TileCall(
            box=tuple((loop.dim, *box[loop.dim]) for loop in self.loops),
            inputs=tuple(stream.access.region(box) for stream in self.inputs),
            output=self.output.access.region(box),
            first=all(i == 0 for i, _ in reductions),
            last=all(i == loop.trips - 1 for i, loop in reductions),
        )

    def _views(self, call: TileCall, index: tuple[int, ...], fetched: list[int], stored: int) -> KernelCall:
        views = tuple(
            operand_view(stream, region, fetched[k])
            for k, (stream, region) in enumerate(zip(self.inputs, call.inputs, strict=True))
        )
        output = operand_view(self.output, call.output, stored)
        params = weights = None
        if self.params is not None:
            number = self.block(index)
            starts = self.params.starts
            start, size = starts[number], starts[number + 1] - starts[number]
            slots = self.params.slots
            place = slots[fetched[-1] % len(slots)] if slots else self.params.home.at(start)
            if self.params.table is not None and slots:
                size = (call.output.high[0] - call.output.low[0]) * self.params.table.row_bytes
            params = (place, size)
            if self.params.weights is not None:
                begin, end = self.params.weight_starts[number : number + 2]
                weights = (self.params.weights.at(begin), end - begin)
        return KernelCall(call, views, output, params, weights)


@dataclass(frozen=True)
class Copy:
    """A start-up copy from the constants' blob to a resident home."""

    source_offset: int
    target: Place
    bytes: int


@dataclass(frozen=True)
class Program:
    """The whole network. `blob` holds every constant in its emitted layout; `boot` fills the homes.

    states: pairs of an input and an output, at one place, that stay there from run to run.

    layers: in the graph's order. Those of a segment are fused layers behind each other.
    """

    layers: tuple[LayerProgram | FusedLayer, ...]
    inputs: tuple[tuple[str, Place], ...]
    outputs: tuple[tuple[str, Place], ...]
    boot: tuple[Copy, ...]
    blob: bytes
    arena_bytes: tuple[tuple[str, int], ...]
    states: tuple[tuple[str, str], ...] = ()

    @property
    def units(self) -> Iterator[LayerProgram | SegmentProgram]:
        """What runs one after the other: layers, and segments of layers."""
        fused: list[FusedLayer] = []
        for number, layer in enumerate(self.layers):
            if isinstance(layer, LayerProgram):
                yield layer
                continue
            fused.append(layer)
            if layer.last:
                yield SegmentProgram(number + 1 - len(fused), tuple(fused))
                fused = []


def _changed(previous: tuple[int, ...] | None, index: tuple[int, ...]) -> int:
    """Position (from 1) of the outermost loop whose index changed; 0 at the first step."""
    if previous is None:
        return 0
    return next(k for k, (a, b) in enumerate(zip(previous, index, strict=True), start=1) if a != b)


def operand_view(stream: Stream, region: Region, fetch: int) -> OperandView:
    """A dense tile in its slot, or a sub-box of the tensor where it is used in place."""
    size = stream.access.element_bytes
    if stream.slots:
        return OperandView(stream.slots[fetch % len(stream.slots)], row_pitches(region.shape, size))
    pitches = row_pitches(stream.access.shape, size)
    return OperandView(stream.home.at(offset_of(region.low, pitches)), pitches)


def _boxes(stream: Stream, region: Region) -> Iterator[tuple[int, int, int, int]]:
    """(tensor offset, tile offset, lines, line bytes) of each transfer of a tile."""
    size = stream.access.element_bytes
    tensor, tile = row_pitches(stream.access.shape, size), row_pitches(region.shape, size)
    lines = _extent(region.shape[stream.block : stream.line])
    line_bytes = _extent(region.shape[stream.line :]) * size
    for outer in product(*(range(n) for n in region.shape[: stream.block])):
        start = tuple(lo + i for lo, i in zip(region.low, (*outer, *(0,) * len(region.low)), strict=False))
        inner = (*outer, *(0,) * (len(region.low) - len(outer)))
        yield offset_of(start, tensor), offset_of(inner, tile), lines, line_bytes


def _extent(shape: tuple[int, ...]) -> int:
    total = 1
    for n in shape:
        total *= n
    return total


def _pitch(stream: Stream) -> int:
    """Distance between lines of a transfer in the tensor."""
    pitches = row_pitches(stream.access.shape, stream.access.element_bytes)
    return pitches[stream.line - 1] if stream.line > stream.block else 0


def stream_loads(stream: Stream, region: Region, fetch: int) -> tuple[Transfer, ...]:
    """Transfers that bring a tile to its slot, through the stage where the home is L3."""
    slot = stream.slots[fetch % len(stream.slots)]
    if stream.staging != "tile":
        home = stream.stage[0] if stream.staging == "whole" else stream.home
        return _gather(stream, region, home, slot)
    stage = stream.stage[fetch % len(stream.stage)]
    total = _extent(region.shape) * stream.access.element_bytes
    return (*_gather(stream, region, stream.home, stage), Transfer(stage, slot, total, 1, 0, 0))


def _gather(stream: Stream, region: Region, home: Place, slot: Place) -> tuple[Transfer, ...]:
    pitch = _pitch(stream)
    return tuple(
        Transfer(home.at(tensor), slot.at(tile), line, lines, pitch, line if pitch else 0)
        for tensor, tile, lines, line in _boxes(stream, region)
    )


def stream_stores(stream: Stream, region: Region, count: int, into: Named | None) -> tuple[Transfer, ...]:
    """Transfers that take a finished tile home; none where it was written in place.

    into: where the stream's rows begin in the tensor.
    """
    if not stream.slots:
        return ()
    slot = stream.slots[count % len(stream.slots)]
    if stream.staging == "whole":
        return _scatter(stream, region, slot, stream.stage[0], None)
    if stream.staging != "tile":
        return _scatter(stream, region, slot, stream.home, into)
    stage = stream.stage[count % len(stream.stage)]
    total = _extent(region.shape) * stream.access.element_bytes
    return (Transfer(slot, stage, total, 1, 0, 0), *_scatter(stream, region, stage, stream.home, into))


def _scatter(
    stream: Stream, region: Region, slot: Place, home: Place, into: Named | None
) -> tuple[Transfer, ...]:
    return tuple(
        replace(
            move,
            source=move.target,
            target=move.source,
            source_pitch=move.target_pitch,
            target_pitch=move.source_pitch,
            into=into,
        )
        for move in _gather(stream, region, home, slot)
    )


def param_loads(stream: ParamStream, block: int, fetch: int) -> tuple[Transfer, ...]:
    """Transfers that bring a parameter block to its slot."""
    start, size = stream.starts[block], stream.starts[block + 1] - stream.starts[block]
    slot = stream.slots[fetch % len(stream.slots)]
    if stream.staging == "tile":
        stage = stream.stage[fetch % len(stream.stage)]
        return (Transfer(stream.home.at(start), stage, size, 1, 0, 0), Transfer(stage, slot, size, 1, 0, 0))
    home = stream.stage[0] if stream.staging == "whole" else stream.home
    return (Transfer(home.at(start), slot, size, 1, 0, 0),)


def row_loads(stream: ParamStream, table: Table, names: Sequence[Place], fetch: int) -> tuple[Transfer, ...]:
    """Transfers that bring the named rows of a table to a slot, one behind the other."""
    slot = stream.slots[fetch % len(stream.slots)]
    home = stream.stage[0] if stream.staging == "whole" else stream.home
    target = stream.stage[fetch % len(stream.stage)] if stream.staging == "tile" else slot
    rows = tuple(
        Transfer(home, target.at(k * table.row_bytes), table.row_bytes, 1, 0, 0, Named(name, table))
        for k, name in enumerate(names)
    )
    if stream.staging != "tile":
        return rows
    return (*rows, Transfer(target, slot, len(names) * table.row_bytes, 1, 0, 0))
