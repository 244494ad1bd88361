"""Homes, buffering and staging of one layer: which combinations exist, and what each needs and moves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np

from compiler.deployment import DIRECT, L1, L2, L3, TILE, WEIGHT_MEMORIES, WHOLE
from compiler.ir.operator import align4
from compiler.tiling import StreamTraffic
from costmodels.classes import NO_CLASSES
from costmodels.pipeline import Hop, LayerWork, StreamWork
from costmodels.work import IntArray
from dse.options.candidates import Candidates, Traffic

NONE = "-"
BUFFERINGS = (1, 2)


@dataclass(frozen=True)
class HomeChoice:
    """Homes of the inputs (in operator order), the output and the parameters ("-": it has none)."""

    inputs: tuple[str, ...]
    output: str
    params: str

    @property
    def off_chip(self) -> bool:
        """Whether an activation lives in L3."""
        return L3 in (*self.inputs, self.output)

    @property
    def streams(self) -> tuple[str, ...]:
        """Homes in the order of a layer's streams: inputs, parameters, output."""
        return (*self.inputs, self.params, self.output)


@dataclass(frozen=True)
class Mode:
    """Buffering (1, 2) and staging of every stream: inputs, parameters, output.

    prefetched: whether parameters staged whole are there when the layer starts. Their copy is then no part
    of its work, and the layer does what it does with parameters at home in L2.
    """

    buffering: int
    staging: tuple[str, ...]
    prefetched: bool = False


def _stagings(home: str) -> tuple[str, ...]:
    return (TILE, WHOLE) if home == L3 else (DIRECT,)


def modes(choice: HomeChoice) -> Iterator[Mode]:
    """Every buffering and staging that these homes allow."""
    stagings = [_stagings(home) for home in choice.streams]
    for buffering in BUFFERINGS:
        for staging in product(*stagings):
            yield Mode(buffering, staging)


@dataclass(frozen=True, eq=False)
class Operand:
    """One stream on its way between its home and L1: its traffic, staging, whole size in bytes [C] or [1]."""

    role: Literal["input", "params", "output"]
    traffic: StreamTraffic
    staging: str
    whole_bytes: IntArray

    def slots(self, buffering: int) -> IntArray:
        """Bytes [C] of its tile slots in L1: two where it is double buffered and has several tiles."""
        several = self.traffic.once_fetches > 1 if self.role == "output" else self.traffic.depth > 0
        return np.asarray(np.where(several, buffering, 1) * align4(self.traffic.tile_bytes))

    def stages(self, buffering: int) -> IntArray:
        """Bytes [C] or [1] that it occupies in L2 on its way to L3 or back."""
        if self.staging == TILE:
            return self.slots(buffering)
        return align4(self.whole_bytes) if self.staging == WHOLE else np.zeros(1, np.int64)

    def work(self) -> StreamWork:
        """Its transfers within the layer; a whole stage moves tiles between L2 and L1 only."""
        t = self.traffic
        return self._work(t.fetches, t.transfers, t.lines, t.bytes)

    def round(self) -> StreamWork:
        """The same for one round, in which every tile moves once."""
        t = self.traffic
        return self._work(t.once_fetches, t.once_transfers, t.once_lines, t.once_bytes)

    def _work(self, fetches: IntArray, transfers: IntArray, lines: IntArray, bytes_: IntArray) -> StreamWork:
        outward = self.role == "output"
        near, far = (f"{L1}_{L2}", f"{L2}_{L3}") if outward else (f"{L2}_{L1}", f"{L3}_{L2}")
        moved = (transfers, lines, bytes_, self.traffic.grain)
        cut = self.role != "params"
        hops: tuple[Hop, ...] = (Hop(near, *moved, cut),)
        if self.staging == TILE:
            dense = Hop(near, fetches, fetches, bytes_)
            hops = (dense, Hop(far, *moved, cut)) if outward else (Hop(far, *moved, cut), dense)
        return StreamWork(self.role, hops, fetches, self.traffic.depth)

    def whole_hop(self) -> Hop:
        """The one transfer of a whole stage."""
        one = np.array([1])
        return Hop(f"{L2}_{L3}" if self.role == "output" else f"{L3}_{L2}", one, one, self.whole_bytes)


def operand(
    c: Candidates | Traffic, number: int, home: str, staging: str, tensor_bytes: tuple[int, ...]
) -> Operand | None:
    """Stream `number` of a layer (inputs, parameters, output) from `home`; None where nothing moves.

    Of parameters in a weight memory the tables move, from L2; the engine reads the weights where they are.
    """
    inputs = len(c.inputs)
    if home in (L1, NONE):
        return None
    if number < inputs:
        return Operand("input", c.inputs[number], staging, np.array([tensor_bytes[number]]))
    if number > inputs:
        return Operand("output", c.output, staging, np.array([tensor_bytes[-1]]))
    traffic = c.tables if home in WEIGHT_MEMORIES else c.params
    return Operand("params", traffic, staging, traffic.region_bytes)


@dataclass(frozen=True, eq=False)
class Streams:
    """One combination on C candidates: L1 and L2 staging bytes [C], and the work for the cost model."""

    l1_bytes: IntArray
    staging_bytes: IntArray
    work: LayerWork


def streams(c: Candidates, choice: HomeChoice, mode: Mode, tensor_bytes: tuple[int, ...]) -> Streams:
    """What a combination needs and moves. tensor_bytes: sizes of the inputs, then of the output."""
    l1 = c.accumulator_bytes.astype(np.int64)
    staging = np.zeros(c.grid.count, np.int64)
    works: list[StreamWork] = []
    before: list[Hop] = []
    after: list[Hop] = []
    for number, (home, stage) in enumerate(zip(choice.streams, mode.staging, strict=True)):
        moved = operand(c, number, home, stage, tensor_bytes)
        if moved is None:
            continue
        l1 = l1 + moved.slots(mode.buffering)
        staging = staging + moved.stages(mode.buffering)
        works.append(moved.work())
        if stage == WHOLE and not (mode.prefetched and moved.role == "params"):
            (after if moved.role == "output" else before).append(moved.whole_hop())
    work = LayerWork(
        spec=c.space.spec,
        engine=c.engine,
        classes=c.classes if c.kernel is None else NO_CLASSES,
        trips=c.trips,
        streams=tuple(works),
        buffering=mode.buffering,
        before=tuple(before),
        after=tuple(after),
        kernel=c.kernel,
    )
    return Streams(l1, staging, work)


def resident_bytes(traffic: Traffic, home: str) -> tuple[IntArray, IntArray, IntArray]:
    """Bytes that parameters at home there keep in L2, in a weight memory and in L1, for every tiling."""
    none, region = traffic.grid.zeros, traffic.params.region_bytes
    if home in WEIGHT_MEMORIES:
        return traffic.tables.region_bytes, traffic.weights.region_bytes, none
    return (region if home == L2 else none), none, (region if home == L1 else none)
