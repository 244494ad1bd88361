"""The price of a tiled layer: time by cause and energy, for many candidate tilings in one call.

Work goes in as exact counts (`LayerWork`), prices come out as arrays with one entry a candidate. Cycles
are of the platform's reference clock unless said otherwise; engines and links have their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from costmodels.arrays import floats, mean_of
from costmodels.classes import TileClasses
from costmodels.energy import UJ_PER_PJ, engine_uj, moved_pj, spared_uj, standing_uj
from costmodels.engines import (
    Engine,
    NpuEngine,
    beat_stall,
    call_overhead,
    first_overhead,
    kernel_cycles,
    share_at_work,
)
from costmodels.layer import (
    Hop,
    HopTime,
    KernelTime,
    LayerWork,
    Priced,
    StreamTime,
    StreamWork,
    candidate_count,
    join_prices,
    take_block,
)
from costmodels.overlap import ZERO, Flow, Overlapped, pipeline_cycles
from costmodels.platform import OperatingPoint, Platform
from costmodels.prefetch import LINK
from costmodels.transfer import beats, issue_cycles, transfer_cycles
from costmodels.work import FloatArray, IntArray, KernelSpec

__all__ = [
    "Hop",
    "KernelTime",
    "LayerWork",
    "Priced",
    "StreamTime",
    "StreamWork",
    "alone_cycles",
    "call_cycles",
    "covered_cycles",
    "first_cycles",
    "hop_times",
    "hops_uj",
    "is_duplex",
    "kernel_time",
    "prefetch_time",
    "price_layer",
    "shares_prefetch_link",
    "stream_time",
]

BLOCK = 8192
"""Candidates priced at a time, so that intermediate arrays stay in a core's cache."""


_LESS = 1.0 - 1e-12


def price_layer(platform: Platform, work: LayerWork, point: OperatingPoint | None = None) -> Priced:
    """Price all candidates of a layer at an operating point (by default the platform's default).

    Raises UnsupportedKernel if the engine cannot run the kernel, KeyError for unknown links or engines,
    ValueError for a buffering other than 1 or 2.
    """
    if work.buffering not in (1, 2):
        raise ValueError(f"buffering is {work.buffering}, must be 1 or 2")
    at = point or platform.point()
    count = candidate_count(work)
    if count <= BLOCK:
        return _price(platform, work, at, count)
    starts = range(0, count, BLOCK)
    blocks = (take_block(work, slice(start, min(start + BLOCK, count)), count) for start in starts)
    return join_prices([_price(platform, block, at, candidate_count(block)) for block in blocks])


def kernel_time(
    engine: Engine, spec: KernelSpec, classes: TileClasses, splits: Sequence[tuple[str, ...]] = ()
) -> KernelTime:
    """Kernel cycles of C tilings with the quickest of `splits` (by default the spec's) for each.

    The first of equally quick splits is taken; an NPU has no splits, its index is 0.
    Raises UnsupportedKernel.
    """
    chosen = ((),) if isinstance(engine, NpuEngine) else (splits or spec.splits)
    options = [
        classes.weighted(kernel_cycles(engine, spec, classes.extents, split, classes.partial, classes.starts))
        for split in chosen
    ]
    return quickest(options, [share_at_work(engine, classes.extents, split) for split in chosen])


def quickest(options: Sequence[FloatArray], shares: Sequence[FloatArray]) -> KernelTime:
    """The least of the cycles under each split, its index, and its share of the engine that works.

    The first of those that differ by no more than rounding.
    """
    best, share, index = options[0], shares[0], np.zeros(options[0].shape, np.int64)
    for number, (cycles, working) in enumerate(zip(options[1:], shares[1:], strict=True), start=1):
        quicker = cycles < best * _LESS
        index = np.where(quicker, number, index)
        share = np.where(quicker, working, share)
        best = np.minimum(best, cycles)
    return KernelTime(best, index, np.broadcast_to(share, best.shape))


def _price(platform: Platform, work: LayerWork, point: OperatingPoint, count: int) -> Priced:
    engine = platform.engine_of[work.engine]
    steps = _product(work.trips)
    kernel = work.kernel or kernel_time(engine, work.spec, work.classes, work.splits)
    compute = kernel.cycles * platform.reference_cycles(engine.clock, point)
    calls = call_cycles(platform, engine, work.spec, work.buffering, point)
    first = first_cycles(platform, engine, work.spec, point)
    setup = steps * calls + (first if work.cold is None else first * work.cold)
    times = [stream.time or stream_time(platform, stream, point, work.engine) for stream in work.streams]
    overlapped = _pipeline(platform, work, times, (compute + setup) / steps, steps)
    moved = sum((time.moved_uj for time in times), hops_uj(platform, (*work.before, *work.after), point))
    after = _elapsed(platform, work.after, point)
    staging = _elapsed(platform, work.before, point) + after
    loads_stall, stores_stall = _stalls(work, times)
    total = compute + setup + overlapped.load + overlapped.store + staging
    time_ms = total * (1e3 / platform.reference_hz(point))
    macs = work.spec.all_macs if work.macs is None else work.macs
    busy = kernel.cycles * kernel.share
    spared = spared_uj(engine.power, busy, point.dynamic_scale)

    def column(values: FloatArray) -> FloatArray:
        return values if np.shape(values) == (count,) else np.full(count, values)

    return Priced(
        compute_cycles=column(compute),
        setup_cycles=column(setup),
        contention_cycles=column(loads_stall + stores_stall),
        load_cycles=column(overlapped.load - loads_stall),
        store_cycles=column(overlapped.store - stores_stall),
        staging_cycles=column(staging),
        after_cycles=column(after),
        cover_cycles=column(covered_cycles(shares_prefetch_link(platform, work), total - staging, after)),
        time_ms=column(time_ms),
        engine_uj=column(engine_uj(engine.power, work.spec.kernel, busy, macs, point.dynamic_scale)),
        waiting_uj=column(standing_uj(time_ms, platform.waiting_mw(point)) - spared),
        moved_uj=column(moved),
        idle_uj=column(standing_uj(time_ms, point.idle_mw)),
        leakage_uj=column(standing_uj(time_ms, platform.leakage_mw(point))),
        split=kernel.split if len(kernel.split) == count else np.broadcast_to(kernel.split, (count,)),
    )


def shares_prefetch_link(platform: Platform, work: LayerWork) -> tuple[bool, bool, bool]:
    """Whether what comes before the loop, the loop, and what comes after it need the link of prefetches."""
    if LINK not in platform.link_of:
        return False, False, False
    channel = platform.link_of[LINK].channel
    loop = [hop for stream in work.streams for hop in stream.hops]
    before, during, after = (
        any(platform.link_of[hop.link].channel == channel for hop in hops)
        for hops in (work.before, loop, work.after)
    )
    return before, during, after


def covered_cycles(shared: tuple[bool, bool, bool], loop: FloatArray, after: FloatArray) -> FloatArray:
    """Cycles from the beginning of the loop during which the link of prefetches is free."""
    _, during, then = shared
    return floats(0) if during else loop if then or after is ZERO else loop + after


def call_cycles(
    platform: Platform, engine: Engine, spec: KernelSpec, buffering: int, point: OperatingPoint
) -> float:
    """Reference cycles of one call beyond the kernel."""
    clock = engine.setup_clock if isinstance(engine, NpuEngine) else engine.clock
    return call_overhead(engine, spec, buffering) * platform.reference_cycles(clock, point)


def first_cycles(platform: Platform, engine: Engine, spec: KernelSpec, point: OperatingPoint) -> float:
    """Reference cycles of a layer's first call beyond those of every call."""
    return first_overhead(engine, spec) * platform.reference_cycles(engine.clock, point)


def _pipeline(
    platform: Platform, work: LayerWork, times: Sequence[StreamTime], step: FloatArray, steps: FloatArray
) -> Overlapped:
    """Exposed loads and stores; `step` are mean cycles of a step's computation."""
    loads = [time for s, time in zip(work.streams, times, strict=True) if s.role != "output"]
    stores = [time for s, time in zip(work.streams, times, strict=True) if s.role == "output"]
    if work.buffering == 1:
        return Overlapped(steps * step, _all(loads), _all(stores))
    duplex = is_duplex(platform, work)
    per_fetch = [flow.mean for flow in loads], [flow.mean for flow in stores]
    return pipeline_cycles(step, *per_fetch, work.trips, duplex)


def _stalls(work: LayerWork, times: Sequence[StreamTime]) -> tuple[FloatArray, FloatArray]:
    """Cycles that the engine loses to loads and to stores in L1."""
    lost = {"load": ZERO, "store": ZERO}
    for stream, time in zip(work.streams, times, strict=True):
        if work.buffering == 2 and time.stall is not ZERO:
            direction = "store" if stream.role == "output" else "load"
            lost[direction] = lost[direction] + time.stall
    return lost["load"], lost["store"]


def stream_time(
    platform: Platform, stream: StreamWork, point: OperatingPoint, engine: str = ""
) -> StreamTime:
    """Price of one stream's transfers, alone, beside an engine that computes.

    Of two hops the one next to L1 cannot start before (loads; stores: after) the core has seen the other
    end, so that only the far one overlaps with computing: the near one counts as time of the core.
    """
    elapsed, issue, stall = ZERO, ZERO, ZERO
    for hop in hop_times(platform, stream, point, engine):
        elapsed = elapsed + hop.elapsed
        if hop.issue is not ZERO:
            issue = issue + hop.issue
        if hop.stall is not ZERO:
            issue, stall = issue + hop.stall, stall + hop.stall
    issued = ZERO if issue is ZERO else mean_of(issue, stream.fetches)
    flow = Flow(mean_of(elapsed, stream.fetches), issued, np.asarray(stream.depth).astype(np.int8))
    overlapped = ZERO if stall is ZERO else stall - mean_of(stall, stream.fetches)
    moved_uj = hops_uj(platform, stream.hops, point)
    return StreamTime(np.asarray(elapsed), flow, moved_uj, np.asarray(overlapped))


def hop_times(
    platform: Platform, stream: StreamWork, point: OperatingPoint, engine: str = ""
) -> tuple[HopTime, ...]:
    """The same hop by hop; `issue` and `stall` are `ZERO` itself where a hop costs no core, no slot of L1."""
    near = len(stream.hops) - 1 if stream.role != "output" else 0
    lost = _beat_stall(platform, engine, point) if len(stream.hops) == 1 else 0.0
    times = []
    for number, hop in enumerate(stream.hops):
        link = platform.link_of[hop.link]
        ratio = platform.reference_cycles(link.clock, point)
        cycles = transfer_cycles(
            link, hop.transfers, hop.lines, hop.bytes, stream.fetches, hop.grain, hop.cut
        )
        issue, stall = ZERO, ZERO
        if len(stream.hops) > 1 and number == near:
            issue = cycles * ratio
        elif link.occupies_core:
            issue = issue_cycles(link, hop.transfers, cycles) * ratio
        if lost and link.asynchronous and "l1" in (link.from_level, link.to_level):
            stall = beats(link, hop.transfers, hop.lines, hop.bytes) * lost
        times.append(HopTime(hop.link, cycles * ratio, issue, stall))
    return tuple(times)


def _beat_stall(platform: Platform, engine: str, point: OperatingPoint) -> float:
    """Reference cycles that an engine loses to a beat of a DMA in L1; none if no engine computes."""
    if not engine:
        return 0.0
    model = platform.engine_of[engine]
    return beat_stall(model) * platform.reference_cycles(model.clock, point)


def prefetch_time(platform: Platform, bytes_: IntArray, point: OperatingPoint) -> StreamTime:
    """Price of the copies of so many bytes [C] that prefetch parameters, each alone on a free link."""
    one = np.ones(len(bytes_), np.int64)
    hop = Hop(LINK, one, one, bytes_)
    return stream_time(platform, StreamWork("params", (hop,), one, np.zeros_like(one)), point)


def _all(times: Iterable[StreamTime]) -> FloatArray:
    total = ZERO
    for time in times:
        total = total + time.total
    return total


def _elapsed(platform: Platform, hops: Iterable[Hop], point: OperatingPoint) -> FloatArray:
    """Reference cycles of transfers that nothing overlaps."""
    return sum((alone_cycles(platform, hop, point) for hop in hops), ZERO)


def alone_cycles(platform: Platform, hop: Hop, point: OperatingPoint) -> FloatArray:
    """Reference cycles of transfers that nothing overlaps and that are awaited one by one."""
    link = platform.link_of[hop.link]
    cycles = transfer_cycles(link, hop.transfers, hop.lines, hop.bytes, grain=hop.grain)
    return np.asarray(cycles * platform.reference_cycles(link.clock, point))


def is_duplex(platform: Platform, work: LayerWork) -> bool:
    """Whether loads and stores move data at the same time: they use no channel together."""
    return _channels(platform, work, True).isdisjoint(_channels(platform, work, False))


def _channels(platform: Platform, work: LayerWork, loading: bool) -> set[str]:
    chosen = (stream for stream in work.streams if (stream.role != "output") == loading)
    return {platform.link_of[hop.link].channel for stream in chosen for hop in stream.hops}


def hops_uj(platform: Platform, hops: Sequence[Hop], point: OperatingPoint) -> FloatArray:
    """Energy of the bytes that these move."""
    total = ZERO
    for hop in hops:
        total = total + moved_pj(hop.bytes, *platform.byte_pj(platform.link_of[hop.link], point))
    return total * UJ_PER_PJ


def _product(trips: Sequence[IntArray]) -> FloatArray:
    steps = floats(1)
    for trip in trips:
        steps = steps * floats(trip)
    return steps
