"""One priced layer taken apart: what a step computes, what every fetch moves, over which links.

`costmodels.pipeline` prices many candidates at once and keeps sums by cause. Here one candidate is taken
apart into named pieces, from the same functions, so that a timeline can be drawn and every cycle has a name.
All cycles are of the reference clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from costmodels.engines import (
    ClusterEngine,
    CountedEngine,
    Engine,
    NpuEngine,
    XpulpEngine,
    call_overhead,
    first_overhead,
)
from costmodels.layer import Hop, LayerWork, StreamWork, candidate_count
from costmodels.overlap import ZERO
from costmodels.pipeline import alone_cycles, hop_times, is_duplex, kernel_time
from costmodels.platform import OperatingPoint, Platform

CORE = "core"
"""The resource of everything that a controlling core does beside kernels: set-up, launching, driving."""

Group = Literal["compute", "setup", "contention", "load", "store", "staging"]


@dataclass(frozen=True)
class Term:
    """Cycles with a name. resource: what would have to be faster for them to be fewer.

    group: the column of `costmodels.layer.Priced` that they are part of.
    """

    cause: str
    group: Group
    resource: str
    cycles: float


@dataclass(frozen=True)
class HopShare:
    """One hop of one fetch at its mean. held: of its cycles, those of the core.

    waited: the core can do nothing else during them (a copy loop, or the hop next to L1 of two); otherwise
    it drives a DMA and `held` are apart from the transfer.
    """

    link: str
    cycles: float
    held: float
    waited: bool


@dataclass(frozen=True)
class Fetch:
    """One stream's mean fetch. depth: as in `costmodels.layer.StreamWork`. hops: in the order of travel.

    stalled: cycles that the engine loses to its beats in L1 while it computes.
    """

    role: Literal["input", "params", "output"]
    depth: int
    hops: tuple[HopShare, ...]
    stalled: float = 0.0

    @property
    def cycles(self) -> float:
        """From issue to completion."""
        return sum(hop.cycles for hop in self.hops)

    @property
    def held(self) -> float:
        """Of these, cycles of the core."""
        return sum(hop.held for hop in self.hops)

    @property
    def driven(self) -> float:
        """Cycles of the core that drive a DMA, apart from the transfer."""
        return sum(hop.held for hop in self.hops if not hop.waited)


@dataclass(frozen=True)
class Anatomy:
    """One layer. trips: by loop, outermost first. step: what computes in every step, at its mean.

    before, after: (link, cycles) of whole operands staged around the layer. duplex: whether loads and
    stores move data at the same time.
    """

    engine: str
    trips: tuple[int, ...]
    double: bool
    duplex: bool
    step: tuple[Term, ...]
    loads: tuple[Fetch, ...]
    stores: tuple[Fetch, ...]
    before: tuple[tuple[str, float], ...]
    after: tuple[tuple[str, float], ...]

    @property
    def steps(self) -> int:
        """Number of tiles."""
        total = 1
        for trips in self.trips:
            total *= trips
        return total


def dissect(platform: Platform, work: LayerWork, point: OperatingPoint | None = None) -> Anatomy:
    """Take the one candidate of `work` apart.

    Raises ValueError for several candidates, and what `price_layer` raises.
    """
    count = candidate_count(work)
    if count != 1:
        raise ValueError(f"there are {count} candidates, must be 1")
    at = point or platform.point()
    trips = tuple(int(np.ravel(trip)[0]) for trip in work.trips)
    steps = float(np.prod(trips, dtype=np.float64))
    fetches = [_fetch(platform, stream, at, work.engine) for stream in work.streams]
    return Anatomy(
        engine=work.engine,
        trips=trips,
        double=work.buffering == 2,
        duplex=is_duplex(platform, work),
        step=(*_kernel(platform, work, at, steps), *_calls(platform, work, at, steps)),
        loads=tuple(fetch for fetch in fetches if fetch.role != "output"),
        stores=tuple(fetch for fetch in fetches if fetch.role == "output"),
        before=_staged(platform, work.before, at),
        after=_staged(platform, work.after, at),
    )


def compute_cause(engine: str) -> str:
    """Name of the cause "kernels on this engine"."""
    return f"compute_{engine}"


def _kernel(platform: Platform, work: LayerWork, point: OperatingPoint, steps: float) -> tuple[Term, ...]:
    """Kernels of a mean step; what cores wait for each other's banks is apart."""
    engine = platform.engine_of[work.engine]
    ratio = platform.reference_cycles(engine.clock, point) / steps
    done = kernel_time(engine, work.spec, work.classes, work.splits)
    cycles = float(done.cycles[0]) * ratio
    alone = cycles
    if isinstance(engine, ClusterEngine | XpulpEngine):
        splits = work.splits or work.spec.splits
        split = (splits[int(done.split[0])],)
        quiet = kernel_time(engine.without_conflicts(), work.spec, work.classes, split)
        alone = float(quiet.cycles[0]) * ratio
    terms = (
        Term(compute_cause(engine.name), "compute", engine.name, alone),
        Term("bank_conflicts", "compute", engine.name, cycles - alone),
    )
    return tuple(term for term in terms if term.cycles)


def _calls(platform: Platform, work: LayerWork, point: OperatingPoint, steps: float) -> tuple[Term, ...]:
    """What a mean call costs beyond its kernel, by name."""
    engine = platform.engine_of[work.engine]
    clock = engine.setup_clock if isinstance(engine, NpuEngine) else engine.clock
    ratio = platform.reference_cycles(clock, point)
    named = _overheads(engine)
    rest = call_overhead(engine, work.spec, work.buffering) - sum(cycles for _, cycles in named)
    first = "npu_setup" if isinstance(engine, NpuEngine) else "launch"
    parts = ((first, rest), *named, ("cold_code", first_overhead(engine, work.spec) * _begun(work) / steps))
    return tuple(Term(name, "setup", CORE, cycles * ratio) for name, cycles in parts if cycles)


def _begun(work: LayerWork) -> float:
    """Calls whose code is cold."""
    return 1.0 if work.cold is None else float(np.ravel(work.cold)[0])


def _overheads(engine: Engine) -> tuple[tuple[str, float], ...]:
    """Parts of a call's overhead beside arguments and launch."""
    if isinstance(engine, NpuEngine):
        return ()
    fork = engine.fork_cycles
    if isinstance(engine, CountedEngine):
        fork = engine.forked_cycles - engine.barrier_cycles
    return (("fork", fork), ("barrier", engine.barrier_cycles))


def _fetch(platform: Platform, stream: StreamWork, point: OperatingPoint, engine: str) -> Fetch:
    fetches = max(1.0, float(np.ravel(stream.fetches)[0]))
    times = hop_times(platform, stream, point, engine)
    near = len(times) - 1 if stream.role != "output" else 0
    hops = tuple(
        HopShare(
            hop.link,
            float(np.ravel(hop.elapsed)[0]) / fetches,
            0.0 if hop.issue is ZERO else float(np.ravel(hop.issue)[0]) / fetches,
            (len(times) > 1 and number == near) or not platform.link_of[hop.link].asynchronous,
        )
        for number, hop in enumerate(times)
    )
    stalled = sum(float(np.ravel(hop.stall)[0]) for hop in times) / fetches
    return Fetch(stream.role, int(np.ravel(stream.depth)[0]), hops, stalled)


def _staged(platform: Platform, hops: Iterable[Hop], point: OperatingPoint) -> tuple[tuple[str, float], ...]:
    """(link, cycles) of each whole operand."""
    return tuple((hop.link, float(np.ravel(alone_cycles(platform, hop, point))[0])) for hop in hops)


def without(anatomy: Anatomy, resource: str) -> Anatomy:
    """The same layer if a resource took no time at all."""

    def hop(share: HopShare) -> HopShare:
        if share.link == resource:
            return replace(share, cycles=0.0, held=0.0 if share.waited else share.held)
        driven = resource == CORE and not share.waited
        return replace(share, held=0.0) if driven else share

    def fetches(of: tuple[Fetch, ...]) -> tuple[Fetch, ...]:
        return tuple(
            replace(
                fetch,
                hops=tuple(map(hop, fetch.hops)),
                stalled=0.0 if resource in [hop.link for hop in fetch.hops] else fetch.stalled,
            )
            for fetch in of
        )

    def staged(of: tuple[tuple[str, float], ...]) -> tuple[tuple[str, float], ...]:
        return tuple((link, 0.0 if link == resource else cycles) for link, cycles in of)

    return replace(
        anatomy,
        step=tuple(term for term in anatomy.step if term.resource != resource),
        loads=fetches(anatomy.loads),
        stores=fetches(anatomy.stores),
        before=staged(anatomy.before),
        after=staged(anatomy.after),
    )
