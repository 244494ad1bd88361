"""Homes, buffering and staging of one layer: which combinations exist, and what each needs and moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np

from compiler.deployment import DIRECT, L1, L2, L3, TILE, WEIGHT_MEMORIES, WHOLE
from compiler.ir.operator import align4
from compiler.tiling import StreamTraffic
from costmodels.pipeline import Hop, LayerWork, StreamTime, StreamWork
from costmodels.work import IntArray
from dse.options.candidates import Candidates

NONE = "-"


@dataclass(frozen=True)
class HomeChoice:
    """Homes of the inputs (in operator order), the output and the parameters ("-": it has none)."""

    inputs: tuple[str, ...]
    output: str
    params: str


@dataclass(frozen=True)
class Mode:
    """Buffering (1, 2) and staging of every stream: inputs, parameters, output."""

    buffering: int
    staging: tuple[str, ...]


def _stagings(home: str) -> tuple[str, ...]:
    return (TILE, WHOLE) if home == L3 else (DIRECT,)


def modes(choice: HomeChoice) -> Iterator[Mode]:
    """Every buffering and staging that these homes allow."""
    params = L2 if choice.params == NONE else choice.params
    stagings = [_stagings(home) for home in (*choice.inputs, params, choice.output)]
    for buffering in (1, 2):
        for staging in product(*stagings):
            yield Mode(buffering, staging)


@dataclass(frozen=True, eq=False)
class Streams:
    """One combination on C candidates: L1 and L2 staging bytes [C], and the work for the cost model."""

    l1_bytes: IntArray
    staging_bytes: IntArray
    work: LayerWork


@dataclass(frozen=True, eq=False)
class _Operand:
    """One stream: its traffic, home, staging, whole size in bytes [C]; in_memory: the tables of parameters
    whose weights are in a weight memory."""

    role: str
    traffic: StreamTraffic
    home: str
    staging: str
    whole_bytes: IntArray
    in_memory: bool = False


def _operands(
    c: Candidates, choice: HomeChoice, mode: Mode, tensor_bytes: tuple[int, ...]
) -> Iterator[_Operand]:
    for k, traffic in enumerate(c.inputs):
        yield _Operand("input", traffic, choice.inputs[k], mode.staging[k], np.array([tensor_bytes[k]]))
    if choice.params != NONE:
        in_memory = choice.params in WEIGHT_MEMORIES
        traffic = c.tables if in_memory else c.params
        home = L2 if in_memory else choice.params
        yield _Operand("params", traffic, home, mode.staging[-2], traffic.region_bytes, in_memory)
    yield _Operand("output", c.output, choice.output, mode.staging[-1], np.array([tensor_bytes[-1]]))


Pricer = Callable[[StreamWork], StreamTime]


@dataclass
class StreamCache:
    """Priced streams of one candidate set: many choices of homes share them."""

    price: Pricer
    _known: dict[tuple[int, bool, str], StreamWork] = field(default_factory=dict)

    def stream(self, number: int, operand: _Operand) -> StreamWork:
        """Stream `number` of the layer, priced."""
        key = (number, operand.in_memory, operand.staging)
        if key not in self._known:
            work = _stream_work(operand)
            self._known[key] = replace(work, time=self.price(work))
        return self._known[key]


def streams(
    c: Candidates,
    choice: HomeChoice,
    mode: Mode,
    tensor_bytes: tuple[int, ...],
    cache: StreamCache | None = None,
) -> Streams:
    """What a combination needs and moves. tensor_bytes: sizes of the inputs, then of the output."""
    l1 = c.accumulator_bytes.astype(np.int64)
    staging = np.zeros(c.grid.count, np.int64)
    works: list[StreamWork] = []
    before: list[Hop] = []
    after: list[Hop] = []
    for number, operand in enumerate(_operands(c, choice, mode, tensor_bytes)):
        if operand.home == L1:
            continue
        several = operand.traffic.depth > 0 if operand.role != "output" else operand.traffic.fetches > 1
        slots = np.where(several, mode.buffering, 1) * align4(operand.traffic.tile_bytes)
        l1 = l1 + slots
        if operand.staging == TILE:
            staging = staging + slots
        elif operand.staging == WHOLE:
            staging = staging + align4(operand.whole_bytes)
            (after if operand.role == "output" else before).append(_whole_hop(operand))
        works.append(_stream_work(operand) if cache is None else cache.stream(number, operand))
    work = LayerWork(
        spec=c.space.spec,
        engine=c.engine,
        classes=c.classes,
        trips=c.trips,
        streams=tuple(works),
        buffering=mode.buffering,
        before=tuple(before),
        after=tuple(after),
    )
    return Streams(l1, staging, work)


def _whole_hop(operand: _Operand) -> Hop:
    one = np.array([1])
    name = f"{L2}_{L3}" if operand.role == "output" else f"{L3}_{L2}"
    return Hop(name, one, one, operand.whole_bytes)


def _stream_work(operand: _Operand) -> StreamWork:
    traffic = operand.traffic
    outward = operand.role == "output"
    near = f"{L1}_{L2}" if outward else f"{L2}_{L1}"
    moved = (traffic.transfers, traffic.lines, traffic.bytes)
    hops: tuple[Hop, ...]
    if operand.staging == TILE:
        far = f"{L2}_{L3}" if outward else f"{L3}_{L2}"
        dense = Hop(near, traffic.fetches, traffic.fetches, traffic.bytes)
        hops = (dense, Hop(far, *moved)) if outward else (Hop(far, *moved), dense)
    else:
        hops = (Hop(near, *moved),)
    return StreamWork(operand.role, hops, traffic.fetches, traffic.depth)  # type: ignore[arg-type]


def resident_bytes(c: Candidates, choice: HomeChoice) -> tuple[IntArray, IntArray, IntArray]:
    """Bytes [C] that the parameters keep in L2, in a weight memory and in L1."""
    none = np.zeros(c.grid.count, np.int64)
    if choice.params == L2:
        return c.params.region_bytes, none, none
    if choice.params == L1:
        return none, none, c.params.region_bytes
    if choice.params in WEIGHT_MEMORIES:
        return c.tables.region_bytes, c.weights.region_bytes, none
    return none, none, none
