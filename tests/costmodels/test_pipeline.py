"""Prices of whole layers: worked examples, causes, energy, and the simulated tiled matrix product."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from costmodels.classes import tile_classes
from costmodels.engines import ClusterEngine, PortableEngine, kernel_cycles
from costmodels.layer import Hop, LayerWork, StreamWork
from costmodels.pipeline import BLOCK, kernel_time, price_layer
from costmodels.platform import Platform, load_platform
from costmodels.variants import load_variant
from costmodels.work import IntArray, KernelSpec
from tests.costmodels.conftest import Rows

SPEC = KernelSpec("add", (("n", 1000),), fan_in=2, splits=(("n",),))


def ints(*values: int) -> IntArray:
    return np.array(values)


def add_work(buffering: int, link: str = "l2_l1", back: str = "l1_l2") -> LayerWork:
    """1000 elements in tiles of 300: three whole ones and one of 100."""
    load = Hop(link, ints(8), ints(8), ints(2000))
    store = Hop(back, ints(4), ints(4), ints(1000))
    streams = (
        StreamWork("input", (load,), ints(4), ints(1)),
        StreamWork("output", (store,), ints(4), ints(1)),
    )
    classes = tile_classes(SPEC, {"n": ints(300)})
    return LayerWork(SPEC, "cluster", classes, (ints(4),), streams, buffering)


def cluster_of(platform: Platform) -> ClusterEngine:
    engine = platform.engine_of["cluster"]
    assert isinstance(engine, ClusterEngine)
    return engine


def test_tile_classes_are_exact() -> None:
    spec = KernelSpec("conv2d", (("y", 10), ("x", 8), ("g", 1), ("o", 6), ("i", 7)))
    tiles = {"y": ints(3, 10), "x": ints(4, 8), "o": ints(6, 5), "i": ints(2, 7)}
    classes = tile_classes(spec, tiles)
    macs = classes.counts * spec.macs(classes.extents)  # type: ignore[arg-type]
    assert macs.reshape(-1, 2).sum(axis=0).tolist() == [10 * 8 * 6 * 7] * 2
    assert classes.counts.reshape(-1, 2).sum(axis=0).tolist() == [4 * 2 * 1 * 4, 2]
    assert np.broadcast_to(classes.partial, (2,)).tolist() == [0.75, 0.0]


def test_single_buffered_is_the_sum() -> None:
    platform = load_variant("siracusa-field")
    engine = cluster_of(platform)
    price = price_layer(platform, add_work(1))
    kernels = sum(float(kernel_cycles(engine, SPEC, {"n": n}, ("n",))) for n in (300, 300, 300, 100))
    assert float(price.compute_cycles[0]) == pytest.approx(kernels)
    assert float(price.setup_cycles[0]) == 4 * engine.overhead_cycles
    # two operands a fetch: latency and the issue of the second while the first moves
    assert float(price.load_cycles[0]) == 4 * 14 + max(8 * -(-250 // 8), 4 * 22)
    assert float(price.store_cycles[0]) == 4 * 12 + 4 * (32 + 1)
    assert float(price.staging_cycles[0]) == 0.0
    milliseconds = float(price.total_cycles[0]) / platform.reference_hz() * 1e3
    assert float(price.time_ms[0]) == pytest.approx(milliseconds)


def test_double_buffering_hides_transfers_behind_a_dma_only() -> None:
    siracusa, plain = load_variant("siracusa-field"), load_platform("rv32sim")
    single, double = (float(price_layer(siracusa, add_work(b)).total_cycles[0]) for b in (1, 2))
    assert double < single
    single, double = (float(price_layer(plain, add_work(b)).total_cycles[0]) for b in (1, 2))
    hart = plain.engine_of["cluster"]
    assert isinstance(hart, PortableEngine)
    assert double == pytest.approx(single + 4 * hart.double_cycles)


def test_transfers_take_slots_of_l1_from_cores_that_compute_beside_them() -> None:
    """All fetches but the first load and the last store meet cores at work, with 8 bytes a beat."""
    platform = load_variant("siracusa-field")
    engine = cluster_of(platform)
    quiet = replace(platform, engines=(replace(engine, beat_stall_cycles=0.0), *platform.engines[1:]))
    busy, alone = price_layer(platform, add_work(2)), price_layer(quiet, add_work(2))
    beats = 3 * (2 * -(-250 // 8) + -(-250 // 8))
    assert float(busy.contention_cycles[0]) == pytest.approx(beats * engine.beat_stall_cycles)
    more = float(busy.total_cycles[0] - alone.total_cycles[0])
    assert 0 < more <= float(busy.contention_cycles[0]) + 1e-9
    single, plain = price_layer(platform, add_work(1)), price_layer(load_platform("rv32sim"), add_work(2))
    for price in (alone, single, plain):
        assert float(price.contention_cycles[0]) == 0.0


def test_cores_that_wait_for_transfers_anyway_lose_nothing() -> None:
    platform = load_variant("siracusa-field")
    engine = cluster_of(platform)
    slow = replace(platform, links=tuple(replace(link, beat_cycles=50.0) for link in platform.links))
    quiet = replace(slow, engines=(replace(engine, beat_stall_cycles=0.0), *platform.engines[1:]))
    bound, alone = (price_layer(each, add_work(2)) for each in (slow, quiet))
    assert float(bound.total_cycles[0]) == pytest.approx(float(alone.total_cycles[0]), rel=1e-3)


def test_two_hops_are_travelled_one_after_the_other() -> None:
    platform = load_variant("siracusa-field")
    work = add_work(1)
    far = Hop("l3_l2", ints(8), ints(8), ints(2000))
    streams = (replace(work.streams[0], hops=(far, *work.streams[0].hops)), work.streams[1])
    near, both = price_layer(platform, work), price_layer(platform, replace(work, streams=streams))
    in_l3_clock = 4 * 60 + 2000 + 8 * 20
    extra = in_l3_clock * platform.reference_cycles("l3", platform.point())
    assert float(both.load_cycles[0] - near.load_cycles[0]) == pytest.approx(extra)


def test_staging_is_not_overlapped() -> None:
    platform = load_variant("siracusa-field")
    hop = Hop("l3_l2", ints(1), ints(1), ints(4000))
    plain, staged = (
        price_layer(platform, add_work(2)),
        price_layer(platform, replace(add_work(2), before=(hop,))),
    )
    extra = (60 + 4000 + 20) * platform.reference_cycles("l3", platform.point())
    assert float(staged.total_cycles[0] - plain.total_cycles[0]) == pytest.approx(extra)
    assert float(staged.staging_cycles[0]) == pytest.approx(extra)


def test_engines_have_their_own_clocks() -> None:
    platform = load_variant("siracusa-field")
    spec = KernelSpec("conv2d", (("y", 6), ("x", 6), ("g", 1), ("o", 32), ("i", 32)))
    work = LayerWork(spec, "npu", tile_classes(spec, {}), (ints(1),), ())
    price, engine = price_layer(platform, work), platform.engine_of["npu"]
    cycles = float(kernel_cycles(engine, spec, dict(spec.dims)))
    assert float(price.compute_cycles[0]) == pytest.approx(cycles * 500 / 360)
    assert float(price.setup_cycles[0]) == 1210.0


def test_energy_by_hand() -> None:
    platform = load_variant("siracusa-field")
    engine, point = cluster_of(platform), platform.point()
    price = price_layer(platform, add_work(2))
    share = float(kernel_time(engine, SPEC, add_work(2).classes).share[0])
    busy = float(price.compute_cycles[0]) * share
    assert float(price.engine_uj[0]) == pytest.approx(busy * engine.power.active_pj_per_cycle * 1e-6)
    npu = platform.engine_of["npu"].power.idle_pj_per_cycle * float(price.time_ms[0]) * 360e6 * 1e-9
    rest = float(price.total_cycles[0]) - busy
    waiting = npu + rest * engine.power.idle_pj_per_cycle * 1e-6
    assert float(price.waiting_uj[0]) == pytest.approx(waiting)
    assert float(price.leakage_uj[0]) == pytest.approx(float(price.time_ms[0]) * (0.5 + 0.5 + 1.0))
    assert float(price.moved_uj[0]) == pytest.approx(3000 * (2.0 + 0.25) * 1e-6)
    assert float(price.idle_uj[0]) == pytest.approx(float(price.time_ms[0]) * point.idle_mw)
    low = price_layer(platform, add_work(2), platform.point("low"))
    assert float(low.engine_uj[0]) == pytest.approx(0.66 * float(price.engine_uj[0]))
    assert float(low.time_ms[0]) > float(price.time_ms[0])


def test_the_quicker_split_is_taken() -> None:
    """One pixel: only the outputs divide. 64 pixels and one output: only the pixels do."""
    platform = load_variant("siracusa-field")
    spec = KernelSpec(
        "conv2d", (("y", 8), ("x", 8), ("g", 1), ("o", 64), ("i", 16)), splits=(("y", "x"), ("o",))
    )
    tiles = {"y": ints(1, 8), "x": ints(1, 8), "o": ints(64, 1)}
    work = LayerWork(spec, "cluster", tile_classes(spec, tiles), (ints(64, 64),), ())
    price = price_layer(platform, work)
    assert price.split.tolist() == [1, 0]
    for index, split in enumerate(spec.splits):
        forced = price_layer(platform, replace(work, splits=(split,)))
        assert np.all(forced.compute_cycles >= price.compute_cycles)
        assert forced.compute_cycles[1 - index] == price.compute_cycles[1 - index]


def test_known_kernel_time_changes_nothing() -> None:
    platform = load_variant("siracusa-field")
    work = add_work(2)
    known = kernel_time(cluster_of(platform), SPEC, work.classes)
    price, again = price_layer(platform, work), price_layer(platform, replace(work, kernel=known))
    assert price.total_cycles == again.total_cycles
    assert price.energy_uj == again.energy_uj


def test_blocks_change_nothing() -> None:
    """More candidates than a block: the same prices as one by one."""
    platform = load_variant("siracusa-field")
    count = BLOCK + 5
    tile = np.arange(count) % 999 + 1
    trips = -(-1000 // tile)
    hop = Hop("l2_l1", 2 * trips, 2 * trips, np.full(count, 2000))
    streams = (StreamWork("input", (hop,), trips, (trips > 1).astype(np.int64)),)
    work = LayerWork(SPEC, "cluster", tile_classes(SPEC, {"n": tile}), (trips,), streams)
    price = price_layer(platform, work)
    assert price.total_cycles.shape == (count,)
    assert np.array_equal(price.total_cycles[999:1998], price.total_cycles[:999])
    (alone,) = price_layer(platform, _one(tile[BLOCK + 1])).total_cycles
    assert price.total_cycles[BLOCK + 1] == pytest.approx(alone)


def _one(size: int) -> LayerWork:
    trips = ints(-(-1000 // size))
    hop = Hop("l2_l1", 2 * trips, 2 * trips, ints(2000))
    streams = (StreamWork("input", (hop,), trips, (trips > 1).astype(np.int64)),)
    return LayerWork(SPEC, "cluster", tile_classes(SPEC, {"n": ints(size)}), (trips,), streams)


@pytest.mark.parametrize("buffering", [0, 3])
def test_wrong_buffering(buffering: int) -> None:
    with pytest.raises(ValueError, match="must be 1 or 2"):
        price_layer(load_platform("gap8"), replace(add_work(2), buffering=buffering))


def simulated_platform() -> Platform:
    """Siracusa as GVSoC ran the programs: no bank conflicts, cores that stay forked, two barriers a tile."""
    platform = load_variant("siracusa-field")
    engine = cluster_of(platform)
    bare = replace(engine.without_conflicts(), call_cycles=0.0, fork_cycles=engine.barrier_cycles)
    return replace(platform, engines=(bare,))


def tiled_gemm(buffering: int, row_transfers: bool) -> LayerWork:
    """128x128x256 in 8 tiles of 64x32 from L2; both operands move for every tile, as in the program."""
    spec = KernelSpec(
        "conv2d", (("y", 1), ("x", 128), ("g", 1), ("o", 128), ("i", 256)), splits=(("y", "x"),)
    )
    jobs = (64, 32) if row_transfers else (1, 1)
    rows = Hop("l2_l1", ints(8 * sum(jobs)), ints(8 * sum(jobs)), ints(8 * (64 + 32) * 256))
    out = Hop("l1_l2", ints(8), ints(8 * 64), ints(8 * 64 * 32))
    streams = (StreamWork("input", (rows,), ints(8), ints(2)), StreamWork("output", (out,), ints(8), ints(2)))
    classes = tile_classes(spec, {"x": ints(64), "o": ints(32)})
    return LayerWork(spec, "cluster", classes, (ints(2), ints(4)), streams, buffering)


@pytest.mark.shared
@pytest.mark.parametrize(("case", "buffering"), [("single-buf", 1), ("double-buf", 2)])
@pytest.mark.parametrize("pitch", ["K", "K+4"])
def test_simulated_tiled_gemm(rows: Rows, case: str, buffering: int, pitch: str) -> None:
    """Within 2 %. (The transfers of single rows, pitch K+4, gave issue_cycles: that pair is fitted.)"""
    found = [
        row
        for row in rows("gvsoc_siracusa_microbench.csv")
        if row["group"].startswith("tiled_gemm")
        and row["case"] == case
        and row["parameters"] == f"row_pitch={pitch}"
        and row["tcdm_conflicts"] == "off"
    ]
    price = price_layer(simulated_platform(), tiled_gemm(buffering, pitch != "K"))
    assert len(found) == 1
    assert float(price.total_cycles[0]) == pytest.approx(float(found[0]["cycles"]), rel=0.02)
