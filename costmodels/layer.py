"""The nouns of layer pricing: exact counts of a tiled layer's work, and its prices, as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

import numpy as np

from costmodels.classes import TileClasses
from costmodels.overlap import ZERO, Flow
from costmodels.transfer import WORDS
from costmodels.work import FloatArray, IntArray, KernelSpec

A = TypeVar("A", IntArray, FloatArray)


@dataclass(frozen=True, eq=False)
class Hop:
    """Transfers of one stream over one link, summed over the whole layer, each [C] (or [1]).

    grain: bytes of which the beginnings of its lines in the tensor are multiples. cut: whether tiles are cut
    out of a tensor (or put back), rather than copied from one place to another.
    """

    link: str
    transfers: IntArray
    lines: IntArray
    bytes: IntArray
    grain: IntArray = field(default_factory=lambda: np.array([WORDS]))
    cut: bool = False


@dataclass(frozen=True, eq=False)
class HopTime:
    """One hop of a stream: reference cycles over the whole layer [C], and those of the core among them.

    stall: beside these, what the engine loses to the hop's beats if it computes meanwhile.
    """

    link: str
    elapsed: FloatArray
    issue: FloatArray
    stall: FloatArray


@dataclass(frozen=True, eq=False)
class StreamTime:
    """One stream: reference cycles of the whole layer [C], its mean fetch, energy of the bytes moved [C].

    stall: of the cycles of the core, those that double-buffered layers lose to the stream's beats in L1 [C]
    (`ZERO` itself where there are none); the first load and the last store meet nobody.
    """

    total: FloatArray
    mean: Flow
    moved_uj: FloatArray
    stall: FloatArray = field(default_factory=lambda: ZERO)


@dataclass(frozen=True, eq=False)
class StreamWork:
    """One operand on its way: hops in the order of travel (L3 to L2 staging, then L2 to L1).

    role: "output" is stored, all others are loaded. fetches: how often a tile of it moves [C]. depth:
    position, from 1, of the innermost loop of several trips that it depends on; 0: moves once [C].
    time: its price where it is known already (`pipeline.stream_time`); the counts are then not looked at.
    """

    role: Literal["input", "params", "output"]
    hops: tuple[Hop, ...]
    fetches: IntArray
    depth: IntArray
    time: StreamTime | None = None


@dataclass(frozen=True, eq=False)
class KernelTime:
    """Kernel cycles of a whole layer in the engine's clock [C], the index of the split taken [C], and the
    share of the engine that works meanwhile [C] (or [1]).
    """

    cycles: FloatArray
    split: IntArray
    share: FloatArray

    def take(self, rows: IntArray) -> KernelTime:
        """Only these candidates."""
        return KernelTime(self.cycles[rows], self.split[rows], self.share[rows])


@dataclass(frozen=True, eq=False)
class LayerWork:
    """One layer in C candidate tilings, on one engine with one kind of buffering.

    trips: trip counts by loop, outermost first, each [C]. splits: divisions over the cores to choose
    from, by default those of `spec`. buffering: 1 or 2 tile buffers in L1. before, after: whole operands
    staged through L2 around the layer, not overlapped with it. kernel: the kernels' time where it is known
    already (`pipeline.kernel_time`), for the many homes and bufferings of the same tilings; `classes` and
    `splits` are then not looked at. macs: those that are done [C], where they are not just the layer's own.
    """

    spec: KernelSpec
    engine: str
    classes: TileClasses
    trips: tuple[IntArray, ...]
    streams: tuple[StreamWork, ...]
    buffering: int = 2
    splits: tuple[tuple[str, ...], ...] = ()
    before: tuple[Hop, ...] = ()
    after: tuple[Hop, ...] = ()
    kernel: KernelTime | None = None
    macs: IntArray | None = None
    cold: IntArray | None = None


@dataclass(frozen=True, eq=False)
class Priced:
    """Prices of C candidates, arrays [C]. The cycles are of the reference clock and add up.

    compute: kernels; setup: launching, joining, NPU registers; contention: slots of L1 that the engine loses
    to transfers; load, store: transfers as far as they are not hidden behind the others; staging: transfers
    before and after the layer; after: of these, the ones after it. cover: of the total, what a copy started
    right before the loop can run under (see `costmodels.prefetch`). split: index into the splits of the work.
    Energies in microjoules: engines at work, engines that wait with their clocks on, moved bytes, what else
    is clocked, leakage.
    """

    compute_cycles: FloatArray
    setup_cycles: FloatArray
    contention_cycles: FloatArray
    load_cycles: FloatArray
    store_cycles: FloatArray
    staging_cycles: FloatArray
    after_cycles: FloatArray
    cover_cycles: FloatArray
    time_ms: FloatArray
    engine_uj: FloatArray
    waiting_uj: FloatArray
    moved_uj: FloatArray
    idle_uj: FloatArray
    leakage_uj: FloatArray
    split: IntArray

    @property
    def total_cycles(self) -> FloatArray:
        """Sum of all causes."""
        transfers = self.load_cycles + self.store_cycles + self.staging_cycles
        return np.asarray(self.compute_cycles + self.setup_cycles + self.contention_cycles + transfers)

    @property
    def energy_uj(self) -> FloatArray:
        """Sum of all energies."""
        standing = self.waiting_uj + self.idle_uj + self.leakage_uj
        return np.asarray(self.engine_uj + self.moved_uj + standing)


def candidate_count(work: LayerWork) -> int:
    """Number of candidates C: the longest last axis of the work's arrays."""
    return max(array.shape[-1] if array.ndim else 1 for array in _arrays(work))


def _arrays(work: LayerWork) -> Iterable[IntArray | FloatArray]:
    yield from work.trips
    yield from (np.asarray(extent) for extent in work.classes.extents.values())
    yield work.classes.counts
    for stream in work.streams:
        yield np.asarray(stream.fetches)
        yield from (np.asarray(hop.bytes) for hop in stream.hops)


def take_block(work: LayerWork, part: slice, count: int) -> LayerWork:
    """The candidates of a slice."""

    def cut(array: A) -> A:
        values = np.asarray(array)
        return values[..., part] if values.ndim and values.shape[-1] == count else values

    def hops(of: tuple[Hop, ...]) -> tuple[Hop, ...]:
        return tuple(
            replace(
                hop,
                transfers=cut(hop.transfers),
                lines=cut(hop.lines),
                bytes=cut(hop.bytes),
                grain=cut(hop.grain),
            )
            for hop in of
        )

    classes, kernel = work.classes, work.kernel
    extents = {name: cut(extent) for name, extent in classes.extents.items()}
    starts = {name: cut(start) for name, start in classes.starts.items()}
    return replace(
        work,
        classes=TileClasses(extents, cut(classes.counts), cut(classes.partial), starts),
        trips=tuple(cut(trip) for trip in work.trips),
        streams=tuple(
            replace(s, hops=hops(s.hops), fetches=cut(s.fetches), depth=cut(s.depth), time=None)
            for s in work.streams
        ),
        before=hops(work.before),
        macs=None if work.macs is None else cut(work.macs),
        cold=None if work.cold is None else cut(work.cold),
        after=hops(work.after),
        kernel=None
        if kernel is None
        else KernelTime(cut(kernel.cycles), cut(kernel.split), cut(kernel.share)),
    )


def join_prices(parts: Sequence[Priced]) -> Priced:
    names = Priced.__dataclass_fields__
    return Priced(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})
