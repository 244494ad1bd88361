"""Every cycle has a name and a place on the timeline: both add up to the price, whatever the layer."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodels.anatomy import CORE, Anatomy, Fetch, HopShare, Term, without
from costmodels.arrays import floats
from costmodels.blame import busy_cycles, causes, gain, moves, path, step_kinds, total_cycles
from costmodels.overlap import ZERO, Flow, pipeline_cycles
from costmodels.timeline import Event, events, transition_levels

cycles = st.integers(0, 60).map(float)
NEAR = {"input": "l2_l1", "params": "l2_l1", "output": "l1_l2"}
FAR = {"input": "l3_l2", "params": "l3_l2", "output": "l2_l3"}


@st.composite
def anatomies(draw: st.DrawFn) -> Anatomy:
    trips = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    positions = [0, *(k for k, n in enumerate(trips, start=1) if n > 1)]
    copies = draw(st.booleans())  # a platform has copy loops or a DMA

    def fetch(role: str) -> Fetch:
        near, far = draw(cycles), draw(cycles)
        driven = 0.0 if copies else draw(st.sampled_from([0.0, far / 2]))
        hops = [HopShare(FAR[role], far, far if copies else driven, copies)]
        if draw(st.booleans()):
            hops.append(HopShare(NEAR[role], near, near, True))
        if role == "output":
            hops.reverse()
        stalled = draw(st.sampled_from([0.0, far / 4])) if len(hops) == 1 and not copies else 0.0
        return Fetch(role, draw(st.sampled_from(positions)), tuple(hops), stalled)  # type: ignore[arg-type]

    step = [Term("compute_npu", "compute", "npu", draw(cycles))]
    step += [Term(name, "setup", CORE, draw(cycles)) for name in ("launch", "barrier")]
    return Anatomy(
        engine="npu",
        trips=trips,
        double=draw(st.booleans()),
        duplex=not copies and draw(st.booleans()),
        step=tuple(step),
        loads=tuple(fetch(role) for role in draw(st.lists(st.sampled_from(["input", "params"]), max_size=3))),
        stores=tuple(fetch("output") for _ in range(draw(st.integers(0, 1)))),
        before=(("l3_l2", draw(cycles)),) if draw(st.booleans()) else (),
        after=(("l2_l3", draw(cycles)),) if draw(st.booleans()) else (),
    )


def flow(fetch: Fetch) -> Flow:
    lost = fetch.held + fetch.stalled
    held = floats([lost]) if lost else ZERO
    return Flow(floats([fetch.cycles]), held, np.array([fetch.depth], np.int8))


def closed_form(anatomy: Anatomy) -> float:
    """What `costmodels.pipeline` computes for it."""
    step = sum(term.cycles for term in anatomy.step)
    total = sum(cycles for _, cycles in (*anatomy.before, *anatomy.after))
    fetches = (*anatomy.loads, *anatomy.stores)
    if not anatomy.double:
        return total + anatomy.steps * step + sum(f.cycles * moves(anatomy, f) for f in fetches)
    trips = tuple(np.array([n]) for n in anatomy.trips)
    loads, stores = [flow(f) for f in anatomy.loads], [flow(f) for f in anatomy.stores]
    return total + float(pipeline_cycles(floats([step]), loads, stores, trips, anatomy.duplex).total[0])


def by_track(drawn: list[Event]) -> dict[str, list[Event]]:
    tracks: dict[str, list[Event]] = {}
    for event in sorted(drawn, key=lambda event: (event.start, event.end)):
        tracks.setdefault(event.track, []).append(event)
    return tracks


@settings(max_examples=200)
@given(anatomies())
def test_causes_path_and_timeline_add_up_to_the_closed_form(anatomy: Anatomy) -> None:
    total = closed_form(anatomy)
    assert sum(term.cycles for term in causes(anatomy)) == pytest.approx(total)
    assert sum(term.cycles for term in path(anatomy)) == pytest.approx(total)
    assert max((event.end for event in events(anatomy, 1 << 20)), default=0.0) == pytest.approx(total)


@settings(max_examples=200)
@given(anatomies())
def test_nothing_overlaps_on_a_track_and_every_resource_works_as_long_as_it_is_busy(anatomy: Anatomy) -> None:
    drawn = list(events(anatomy, 1 << 20))
    assert min((event.end - event.start for event in drawn), default=0.0) >= 0
    for track in by_track(drawn).values():
        for before, after in pairwise(track):
            assert after.start >= before.end - 1e-6
    busy = dict(busy_cycles(anatomy))
    for name, track in by_track(drawn).items():
        working = sum(
            event.end - event.start for event in track if event.kind not in ("wait", "copy", "issue")
        )
        driven = sum(f.driven * moves(anatomy, f) for f in (*anatomy.loads, *anatomy.stores))
        expected = busy.get(name, 0.0) - (driven if name == CORE else 0.0)
        assert working == pytest.approx(expected, abs=1e-6)


@settings(max_examples=100)
@given(anatomies(), st.integers(1, 9))
def test_leaving_tiles_out_moves_nothing(anatomy: Anatomy, tiles: int) -> None:
    whole, some = list(events(anatomy, 1 << 20)), list(events(anatomy, tiles))
    skipped = [event for event in some if event.kind == "skipped"]
    assert set(some) - set(skipped) <= set(whole)
    assert len(skipped) == (anatomy.steps > tiles)
    if anatomy.steps > tiles and any(term.cycles for term in anatomy.step):
        left = {event.tile for event in whole if event.kind == "kernel"} - {
            e.tile for e in some if e.kind == "kernel"
        }
        assert len(left) == anatomy.steps - max(tiles, 1)
        kernels = [event for event in whole if event.kind == "kernel" and event.tile in left]
        assert skipped[0].start - 1e-6 <= min(event.start for event in kernels)
        assert max(event.end for event in kernels) <= skipped[0].end + 1e-6
    assert max((e.end for e in some), default=0.0) == pytest.approx(max((e.end for e in whole), default=0.0))


@settings(max_examples=100)
@given(anatomies())
def test_the_path_is_the_derivative_and_what_takes_no_time_binds_nothing(anatomy: Anatomy) -> None:
    total = total_cycles(anatomy)
    for resource in {term.resource for term in path(anatomy)}:
        on_path = sum(term.cycles for term in path(anatomy) if term.resource == resource)
        assert 0 <= gain(anatomy, resource) * total <= on_path + 1e-6
        assert not [term for term in path(without(anatomy, resource)) if term.resource == resource]
        quicker = total_cycles(_scaled(anatomy, resource, 1 - 1e-6))
        assert total - quicker <= 1e-6 * on_path + 1e-9
        slower = total_cycles(_scaled(anatomy, resource, 1 + 1e-6))
        assert slower - total >= 1e-6 * on_path - 1e-9


def _scaled(anatomy: Anatomy, resource: str, factor: float) -> Anatomy:
    """The layer with a resource's cycles multiplied."""

    def hop(share: HopShare) -> HopShare:
        if share.link == resource:
            held = share.held * factor if share.waited else share.held
            return replace(share, cycles=share.cycles * factor, held=held)
        return replace(share, held=share.held * factor) if resource == CORE and not share.waited else share

    def fetches(of: tuple[Fetch, ...]) -> tuple[Fetch, ...]:
        return tuple(
            replace(
                fetch,
                hops=tuple(map(hop, fetch.hops)),
                stalled=fetch.stalled * (factor if fetch.hops[0].link == resource else 1),
            )
            for fetch in of
        )

    def staged(of: tuple[tuple[str, float], ...]) -> tuple[tuple[str, float], ...]:
        return tuple((link, value * (factor if link == resource else 1)) for link, value in of)

    step = tuple(
        replace(t, cycles=t.cycles * (factor if t.resource == resource else 1)) for t in anatomy.step
    )
    return replace(
        anatomy,
        step=step,
        loads=fetches(anatomy.loads),
        stores=fetches(anatomy.stores),
        before=staged(anatomy.before),
        after=staged(anatomy.after),
    )


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_kinds_of_steps_are_the_steps(trips: list[int]) -> None:
    levels = list(transition_levels(trips))
    steps = int(np.prod(trips))
    assert len(levels) == steps - 1
    walked: dict[tuple[int | None, int | None], int] = {}
    for load, store in zip([*levels, None], [None, *levels], strict=True):
        walked[load, store] = walked.get((load, store), 0) + 1
    kinds: dict[tuple[int | None, int | None], int] = {}
    for kind in step_kinds(trips):
        kinds[kind.load, kind.store] = kinds.get((kind.load, kind.store), 0) + kind.count
    assert kinds == walked
