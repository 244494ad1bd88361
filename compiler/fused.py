"""The program of a segment: layers that run depth-first, one stripe of rows after the other.

In every stripe each layer in turn rolls its windows to the stripe, fetches what comes from outside, computes
its new rows, channel tile by channel tile, and, if it is the last, stores them. Rows of a tensor are
contiguous, so that every fetch and store of a stripe is one transfer of one line (two with a stage in L2).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product

from compiler.deployment import PLAIN
from compiler.ir import Access, Operator, TileCall
from compiler.moves import (
    KernelCall,
    Loop,
    OperandView,
    ParamStream,
    Place,
    Prefetch,
    Transfer,
    offset_of,
    row_pitches,
)


@dataclass(frozen=True)
class Rows:
    """What `compiler.tiling.stripes.Window` says of one stripe; all in rows."""

    base: int
    start: int
    end: int
    kept: int
    skip: int


@dataclass(frozen=True)
class RollingWindow:
    """Rows of one tensor in L1, by stripe.

    slots: L1 buffers used in turn; empty where the tensor's home is L1 and kernels work in place. home: where
    rows come from or go to; None for a tensor that never leaves the segment. stage: as many L2 buffers as
    slots where the home is L3.
    """

    tensor: str
    row_bytes: int
    rows: tuple[Rows, ...]
    home: Place | None
    slots: tuple[Place, ...]
    stage: tuple[Place, ...] = ()

    def address(self, stripe: int, row: int) -> Place:
        """Where a row is in L1 in a stripe."""
        if not self.slots:
            assert self.home is not None
            return self.home.at(row * self.row_bytes)
        slot = self.slots[stripe % len(self.slots)]
        return slot.at((row - self.rows[stripe].base) * self.row_bytes)

    def rolls(self, stripe: int) -> tuple[Transfer, ...]:
        """The move that brings rows that stay to the front."""
        rows = self.rows[stripe]
        if not self.slots or not rows.kept:
            return ()
        front = self.slots[0]
        size = rows.kept * self.row_bytes
        return (Transfer(front.at(rows.skip * self.row_bytes), front, size, 1, 0, 0),)

    def loads(self, stripe: int) -> tuple[Transfer, ...]:
        """Transfers that bring a stripe's new rows from home."""
        rows = self.rows[stripe]
        if not self.slots or rows.start == rows.end:
            return ()
        return self._through(stripe, inward=True)

    def stores(self, stripe: int) -> tuple[Transfer, ...]:
        """Transfers that take a stripe's new rows home."""
        rows = self.rows[stripe]
        if not self.slots or rows.start == rows.end:
            return ()
        return self._through(stripe, inward=False)

    def _through(self, stripe: int, inward: bool) -> tuple[Transfer, ...]:
        rows = self.rows[stripe]
        assert self.home is not None
        size = (rows.end - rows.start) * self.row_bytes
        far, near = self.home.at(rows.start * self.row_bytes), self.address(stripe, rows.start)
        stage = (self.stage[stripe % len(self.stage)],) if self.stage else ()
        way = (far, *stage, near) if inward else (near, *stage, far)
        return tuple(Transfer(a, b, size, 1, 0, 0) for a, b in pairwise(way))


@dataclass(frozen=True)
class FusedOperand:
    """An operand of a fused layer. unit: positions along its leading axis in a row."""

    access: Access
    window: RollingWindow
    unit: int

    def view(self, call: TileCall, number: int | None, stripe: int) -> OperandView:
        """The operand of a call: input `number`, or the output."""
        region = call.output if number is None else call.inputs[number]
        pitches = row_pitches(self.access.shape, self.access.element_bytes)
        return OperandView(self.window.address(stripe, 0).at(offset_of(region.low, pitches)), pitches)


@dataclass(frozen=True)
class FusedStep:
    """A part of a layer's work in a stripe: what arrives, the call, if there is one, what leaves."""

    loads: tuple[Transfer, ...]
    call: KernelCall | None
    stores: tuple[Transfer, ...]


@dataclass(frozen=True)
class FusedLayer:
    """One layer of a segment.

    row: the row dimension, of which `output.unit` positions are a row. loops: the other dimensions, channel
    tiles outermost first. fetched: the inputs that this layer brings in, for itself and for later layers of
    the segment. held: parameters arrive once, `before` the first stripe, and stay; else block by block in
    every stripe. last: whether its output leaves the segment. accumulator: none, sums are complete.
    """

    operator: Operator
    engine: str
    layout: str
    split: tuple[str, ...]
    buffering: int
    row: str
    loops: tuple[Loop, ...]
    inputs: tuple[FusedOperand, ...]
    fetched: tuple[RollingWindow, ...]
    params: ParamStream | None
    held: bool
    output: FusedOperand
    last: bool
    before: tuple[Transfer, ...]
    prefetches: tuple[Prefetch, ...] = ()
    accumulator: None = None
    after: tuple[Transfer, ...] = ()

    @property
    def on_npu(self) -> bool:
        """Whether an NPU runs the layer, as jobs on packed parameters."""
        return self.layout != PLAIN

    @property
    def stripes(self) -> int:
        return len(self.output.window.rows)

    def walk(self) -> Iterator[FusedStep]:
        """This layer's steps in all stripes."""
        for stripe in range(self.stripes):
            yield from self.stripe(stripe)

    def stripe(self, number: int) -> Iterator[FusedStep]:
        """The steps of a stripe; with two buffers the inputs of the next one are fetched ahead."""
        window = self.output.window
        arriving = [move for each in self.fetched for move in self._arriving(each, number)]
        if not self.last:
            arriving += window.rolls(number)
        rows = window.rows[number]
        if rows.start == rows.end:
            yield FusedStep(tuple(arriving), None, ())
            return
        indices = list(product(*(range(loop.trips) for loop in self.loops)))
        for index in indices:
            block = self.block(index)
            loads = (*arriving, *(() if self.held else self.block_loads(block)))
            arriving = []
            stores = window.stores(number) if self.last and index == indices[-1] else ()
            yield FusedStep(loads, self._call(number, index, block), stores)

    def _arriving(self, window: RollingWindow, stripe: int) -> tuple[Transfer, ...]:
        if self.buffering == 1:
            return (*window.rolls(stripe), *window.loads(stripe))
        first = window.loads(0) if stripe == 0 else ()
        return (*first, *(window.loads(stripe + 1) if stripe + 1 < self.stripes else ()))

    def block(self, index: tuple[int, ...]) -> int:
        """Number of the parameter block of a channel tile."""
        number = 0
        for dim in self.params.dims if self.params else ():
            for loop, i in zip(self.loops, index, strict=True):
                if loop.dim == dim:
                    number = number * loop.trips + i
        return number

    def block_loads(self, block: int) -> tuple[Transfer, ...]:
        """Transfers of one parameter block."""
        params = self.params
        if params is None or not params.slots:
            return ()
        start, size = params.starts[block], params.starts[block + 1] - params.starts[block]
        slot = params.slots[0].at(start if self.held else 0)
        way = (params.home.at(start), *params.stage, slot)
        return tuple(Transfer(a, b, size, 1, 0, 0) for a, b in pairwise(way))

    def _call(self, stripe: int, index: tuple[int, ...], block: int) -> KernelCall:
        rows, unit = self.output.window.rows[stripe], self.output.unit
        tiles = zip(self.loops, index, strict=True)
        box = {loop.dim: loop.interval(i) for loop, i in tiles} | {
            self.row: (rows.start * unit, rows.end * unit)
        }
        call = TileCall(
            box=tuple((dim, *interval) for dim, interval in box.items()),
            inputs=tuple(operand.access.region(box) for operand in self.inputs),
            output=self.output.access.region(box),
        )
        views = tuple(operand.view(call, k, stripe) for k, operand in enumerate(self.inputs))
        params = weights = None
        if self.params is not None:
            start, end = self.params.starts[block : block + 2]
            place = self.params.home.at(start)
            if self.params.slots:
                place = self.params.slots[0].at(start if self.held else 0)
            params = (place, end - start)
            if self.params.weights is not None:
                begin, stop = self.params.weight_starts[block : block + 2]
                weights = (self.params.weights.at(begin), stop - begin)
        return KernelCall(call, views, self.output.view(call, None, stripe), params, weights)


@dataclass(frozen=True)
class SegmentProgram:
    """Layers [first, first + len(layers)) of the network, depth-first."""

    first: int
    layers: tuple[FusedLayer, ...]

    @property
    def stripes(self) -> int:
        return self.layers[0].stripes

    def walk(self) -> Iterator[tuple[FusedLayer, FusedStep]]:
        """All steps in execution order, each with its layer."""
        for stripe in range(self.stripes):
            for layer in self.layers:
                for step in layer.stripe(stripe):
                    yield layer, step
