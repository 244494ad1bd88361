"""The lock-step pipeline walked step by step: what the closed form of `costmodels.overlap` must equal.

`walk_steps` adds times up. `events` draws a layer (`costmodels.anatomy`): which resource is busy from when to
when. Every tile takes the mean of all tiles and every fetch the mean of its stream, as in the closed form, so
that the last event ends when the layer does. Within a step (all that the model fixes is that a step is over
when its slowest branch is):

- the core first moves what it must move itself (copy loops, the hop next to L1 of a store in two hops),
  then drives the DMA, launches the kernel, waits, and moves the near hop of two-hop loads last;
- transfers of a direction follow each other, from the step's beginning; loads start after the stores
  where the two share a channel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from costmodels.anatomy import CORE, Anatomy, Fetch, HopShare
from costmodels.blame import Step, moving, step_of

WAIT_CYCLES = 1e-6
"""Shorter waits are what rounding leaves."""

Kind = Literal["kernel", "setup", "transfer", "copy", "issue", "wait", "stage", "prefetch", "skipped"]


@dataclass(frozen=True)
class StepTimes:
    """One tile: its computation, the load before it and the store after it, each with its issue cycles."""

    compute: float
    load: float = 0.0
    store: float = 0.0
    load_issue: float = 0.0
    store_issue: float = 0.0


def walk_steps(steps: Sequence[StepTimes], double: bool, duplex: bool = True) -> float:
    """Cycles of a layer's steps, single- or double-buffered; `duplex`: loads and stores move together."""
    if not steps:
        return 0.0
    if not double:
        return sum(step.load + step.compute + step.store for step in steps)
    nothing = StepTimes(0.0)
    total = steps[0].load + steps[-1].store
    for before, step, after in zip((nothing, *steps[:-1]), steps, (*steps[1:], nothing), strict=True):
        busy = step.compute + after.load_issue + before.store_issue
        moving = max(after.load, before.store) if duplex else after.load + before.store
        total += max(busy, moving)
    return total


@dataclass(frozen=True)
class Event:
    """A resource is busy in [start, end), in reference cycles from the layer's beginning.

    tile: number of the tile that it is for, -1 for whole operands. kind "copy": the core itself moves the
    data of a link, whose own track shows the transfer; "skipped": tiles that are not drawn one by one.
    """

    track: str
    kind: Kind
    name: str
    tile: int
    start: float
    end: float


def transition_levels(trips: Sequence[int]) -> Iterator[int]:
    """For every transition from a tile to the next the outermost loop that changes, from 1."""
    inner = [1]
    for count in reversed(trips):
        inner.append(inner[-1] * count)
    inner.reverse()
    for step in range(1, inner[0]):
        yield next(loop for loop in range(1, len(trips) + 1) if step % inner[loop] == 0)


def events(anatomy: Anatomy, tiles: int) -> Iterator[Event]:
    """All events of a layer, step by step; the last one to end ends when the layer does.

    tiles: how many steps are drawn one by one, half of them from the beginning and half from the end; what
    lies between is one event on the engine's track.
    """
    at = 0.0
    for link, cycles in anatomy.before:
        yield Event(link, "stage", "whole operand to L2", -1, at, at + cycles)
        at += cycles
    first = moving(anatomy.loads, 0) if anatomy.double else ()
    yield from _in_turn(first, 0, at)
    at += sum(fetch.cycles for fetch in first)
    skips = _skips(anatomy.steps, tiles)
    left_at = at
    known: dict[tuple[int | None, int | None], Step] = {}
    for tile, moves in enumerate(_moves(anatomy)):
        left_at = at if tile == skips.start else left_at
        step = known.get(moves) or known.setdefault(moves, step_of(anatomy, *moves))
        if tile not in skips:
            yield from (_overlapped if anatomy.double else _one_by_one)(anatomy, step, tile, at)
        at += step.cycles if anatomy.double else step.loading + _computing(anatomy) + step.storing
        if skips and tile == skips.stop - 1:
            name = f"tiles {skips.start} to {tile}, not drawn one by one"
            yield Event(anatomy.engine, "skipped", name, skips.start, left_at, at)
    last = moving(anatomy.stores, 0) if anatomy.double else ()
    yield from _in_turn(last, anatomy.steps - 1, at)
    at += sum(fetch.cycles for fetch in last)
    for link, cycles in anatomy.after:
        yield Event(link, "stage", "whole operand from L2", -1, at, at + cycles)
        at += cycles


def _skips(steps: int, tiles: int) -> range:
    """Steps that are not drawn."""
    head, tail = max(1, tiles - tiles // 2), tiles // 2
    return range(head, max(head, steps - tail))


def _moves(anatomy: Anatomy) -> Iterator[tuple[int | None, int | None]]:
    """For every step the loops whose transitions it loads and stores for; 0: for the first or last tile.

    A double-buffered step loads for the transition behind it and stores for the one before it, a single-
    buffered one the other way round.
    """
    before: int | None = None
    for behind in (*transition_levels(anatomy.trips), None):
        yield (behind, before) if anatomy.double else (before or 0, behind or 0)
        before = behind


def _computing(anatomy: Anatomy) -> float:
    return sum(term.cycles for term in anatomy.step)


def _in_turn(fetches: Sequence[Fetch], tile: int, at: float) -> Iterator[Event]:
    """Transfers that nothing overlaps with."""
    for fetch in fetches:
        for hop in fetch.hops:
            yield from _hop(fetch, hop, tile, at)
            at += hop.cycles


def _hop(fetch: Fetch, hop: HopShare, tile: int, at: float) -> Iterator[Event]:
    """A transfer on its link, and on the core where it can do nothing else."""
    yield Event(hop.link, "transfer", fetch.role, tile, at, at + hop.cycles)
    if hop.waited:
        yield Event(CORE, "copy", f"{hop.link} {fetch.role}", tile, at, at + hop.cycles)


def _kernel(anatomy: Anatomy, tile: int, at: float) -> Iterator[Event]:
    """Set-up on the core, the kernel on its engine, the barrier on the core."""
    kernel = sum(term.cycles for term in anatomy.step if term.resource != CORE)
    setup = [(term.cause, term.cycles) for term in anatomy.step if term.resource == CORE]
    for name, cycles in sorted((*setup, ("", kernel)), key=lambda piece: _ORDER.get(piece[0], 0)):
        if name:
            yield Event(CORE, "setup", name, tile, at, at + cycles)
        else:
            yield Event(anatomy.engine, "kernel", f"tile {tile}", tile, at, at + cycles)
        at += cycles


_ORDER = {"": 1, "barrier": 2}
"""The kernel follows what starts it; cores meet behind it."""


def _one_by_one(anatomy: Anatomy, step: Step, tile: int, at: float) -> Iterator[Event]:
    """A single-buffered step: load, compute, store."""
    yield from _in_turn(step.loads, tile, at)
    at += step.loading
    yield from _kernel(anatomy, tile, at)
    yield from _in_turn(step.stores, tile, at + _computing(anatomy))


def _overlapped(anatomy: Anatomy, step: Step, tile: int, at: float) -> Iterator[Event]:
    """A double-buffered step; see the module's text for the order in it."""
    end, core = at + step.cycles, at
    stored = at
    for fetch in step.stores:
        for hop in fetch.hops:
            yield from _hop(fetch, hop, tile - 1, stored)
            stored += hop.cycles
            core = stored if hop.waited else core
    moved = at if anatomy.duplex else stored
    last: list[tuple[Fetch, HopShare]] = []
    for fetch in step.loads:
        for number, hop in enumerate(fetch.hops, start=1):
            if 1 < number == len(fetch.hops):
                last.append((fetch, hop))
            elif hop.waited:
                yield from _hop(fetch, hop, tile + 1, core)
                core += hop.cycles
            else:
                yield from _hop(fetch, hop, tile + 1, moved)
                moved += hop.cycles
    near = end - sum(hop.cycles for _, hop in last)
    yield from _driven(anatomy, step, tile, core, near)
    for fetch, hop in last:
        yield from _hop(fetch, hop, tile + 1, near)
        near += hop.cycles


def _driven(anatomy: Anatomy, step: Step, tile: int, at: float, until: float) -> Iterator[Event]:
    """What the core does between moving data itself: drive the DMA, run the kernel, wait."""
    driving = sum(fetch.driven for fetch in (*step.loads, *step.stores))
    if driving:
        yield Event(CORE, "issue", "drive DMA", tile, at, at + driving)
    yield from _kernel(anatomy, tile, at + driving)
    at += driving + _computing(anatomy)
    stalled = sum(fetch.stalled for fetch in (*step.loads, *step.stores))
    if stalled:
        yield Event(anatomy.engine, "wait", "slots of L1 lost to transfers", tile, at, at + stalled)
    at += stalled
    if until - at > WAIT_CYCLES:
        yield Event(CORE, "wait", "wait for transfers", tile, at, until)
