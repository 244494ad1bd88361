"""A layer taken apart: named pieces, kinds of steps by hand, what binds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from costmodels.anatomy import CORE, Anatomy, Fetch, HopShare, Term, dissect
from costmodels.blame import busy_cycles, causes, gain, path, total_cycles
from costmodels.classes import tile_classes
from costmodels.engines import ClusterEngine, XpulpEngine
from costmodels.pipeline import Hop, LayerWork, StreamWork, price_layer
from costmodels.platform import load_platform
from costmodels.timeline import events
from costmodels.variants import load_variant
from costmodels.work import KernelSpec

ONE = np.array([1])
SPEC = KernelSpec("conv2d", (("y", 16), ("x", 16), ("g", 1), ("o", 32), ("i", 64)), splits=(("y", "x"),))


def layer(engine: str = "cluster", buffering: int = 2) -> LayerWork:
    """Four tiles of four rows: inputs in, outputs out, parameters once from L3 through a stage."""
    tiles, once = np.array([4]), np.array([0])
    near = Hop("l2_l1", ONE, ONE, np.array([2048]))
    return LayerWork(
        spec=SPEC,
        engine=engine,
        classes=tile_classes(SPEC, {"y": np.array([4])}),
        trips=(tiles,),
        streams=(
            StreamWork("input", (Hop("l2_l1", tiles, tiles, np.array([16384])),), tiles, ONE),
            StreamWork("params", (Hop("l3_l2", ONE, ONE, np.array([2048])), near), ONE, once),
            StreamWork("output", (Hop("l1_l2", tiles, tiles, np.array([8192])),), tiles, ONE),
        ),
        buffering=buffering,
    )


def cycles(of: tuple[Term, ...]) -> dict[str, float]:
    return {term.cause: term.cycles for term in of}


@pytest.mark.parametrize("buffering", [1, 2])
@pytest.mark.parametrize("engine", ["cluster", "npu"])
def test_pieces_add_up_to_the_priced_columns(engine: str, buffering: int) -> None:
    platform, work = load_platform("siracusa"), layer(engine, buffering)
    apart, priced = dissect(platform, work), price_layer(platform, work)
    for group in ("compute", "setup", "contention", "load", "store", "staging"):
        part = sum(term.cycles for term in causes(apart) if term.group == group)
        assert part == pytest.approx(float(getattr(priced, f"{group}_cycles")[0]))
    assert max(event.end for event in events(apart, 99)) == pytest.approx(float(priced.total_cycles[0]))


def test_a_call_of_the_cluster_has_its_parts() -> None:
    platform = load_variant("siracusa-field")
    engine = platform.engine_of["cluster"]
    assert isinstance(engine, ClusterEngine)
    found = cycles(causes(dissect(platform, layer())))
    assert {"compute_cluster", "launch", "fork", "barrier", "load_l3_l2"} <= set(found)
    assert found["fork"] == pytest.approx(4 * engine.fork_cycles)
    assert found["barrier"] == pytest.approx(4 * engine.barrier_cycles)
    assert "npu_setup" in cycles(causes(dissect(platform, layer("npu"))))


def test_cold_code_is_paid_once_a_layer() -> None:
    platform = load_platform("siracusa")
    engine = platform.engine_of["cluster"]
    assert isinstance(engine, XpulpEngine)
    work = layer()
    found = cycles(causes(dissect(platform, work)))
    assert found["cold_code"] == pytest.approx(engine.cold_cycles(work.spec.kernel))
    twice = cycles(causes(dissect(platform, replace(work, cold=np.array([2])))))
    assert twice["cold_code"] == pytest.approx(2 * found["cold_code"])
    assert found["fork"] == pytest.approx(4 * engine.forked_cycles)
    apart = dissect(platform, work)
    assert total_cycles(apart) == pytest.approx(float(price_layer(platform, work).total_cycles[0]))
    assert sum(term.cycles for term in path(apart)) == pytest.approx(total_cycles(apart))


def test_bank_conflicts_are_what_memories_without_them_would_save() -> None:
    platform = load_platform("gap8")
    with_them = price_layer(platform, layer())
    quiet = platform.engine_of["cluster"].without_conflicts()  # type: ignore[union-attr]
    engines = tuple(quiet if engine.name == "cluster" else engine for engine in platform.engines)
    without_them = price_layer(replace(platform, engines=engines), layer())
    saved = float(with_them.compute_cycles[0] - without_them.compute_cycles[0])
    assert saved > 0
    assert cycles(causes(dissect(platform, layer())))["bank_conflicts"] == pytest.approx(saved)


def test_several_candidates_are_refused() -> None:
    work = replace(layer(), trips=(np.array([4, 4]),))
    with pytest.raises(ValueError, match="2 candidates"):
        dissect(load_platform("siracusa"), work)


def by_hand(compute: float, load: float, store: float) -> Anatomy:
    """Three tiles, each loaded and stored; driving a load costs the core 2 cycles."""
    return Anatomy(
        engine="npu",
        trips=(3,),
        double=True,
        duplex=True,
        step=(Term("compute_npu", "compute", "npu", compute),),
        loads=(Fetch("input", 1, (HopShare("l2_l1", load, 2.0, False),)),),
        stores=(Fetch("output", 1, (HopShare("l1_l2", store, 0.0, False),)),),
        before=(),
        after=(),
    )


def test_a_step_that_computes_longest_is_bound_by_its_engine() -> None:
    found = by_hand(100, 40, 30)
    assert cycles(causes(found)) == {"compute_npu": 300, "issue": 4, "load_l2_l1": 40, "store_l1_l2": 30}
    assert cycles(path(found)) == cycles(causes(found))
    assert gain(found, "npu") == pytest.approx(1 - (40 + 40 + 40 + 30 + 30) / 374)
    assert dict(busy_cycles(found)) == {"npu": 300, CORE: 6, "l2_l1": 120, "l1_l2": 90}


def test_a_step_that_waits_for_its_load_is_bound_by_the_link_though_computing_shows_more() -> None:
    """Two of the steps last as long as a load: computing hides behind it, to quicken it is vain."""
    found = by_hand(100, 140, 30)
    assert total_cycles(found) == 140 + 140 + 140 + 100 + 30
    assert cycles(causes(found)) == {"compute_npu": 300, "issue": 4, "load_l2_l1": 216, "store_l1_l2": 30}
    assert cycles(path(found)) == {"load_l2_l1": 420, "compute_npu": 100, "store_l1_l2": 30}
    assert gain(found, "npu") == pytest.approx((100 - 30) / 550)
    assert gain(found, "l2_l1") == pytest.approx((550 - (102 + 102 + 100 + 30)) / 550)


def test_a_step_that_stores_longest_waits_for_the_store() -> None:
    found = by_hand(20, 40, 140)
    assert cycles(causes(found)) == {
        "compute_npu": 60,
        "issue": 4,
        "load_l2_l1": 18 + 18 + 40,  # the first load, and what is left of two behind computing
        "store_l1_l2": 100 + 120 + 140,
    }
    assert cycles(path(found)) == {"load_l2_l1": 40 + 40, "store_l1_l2": 420}
