"""Whose fault every cycle of a layer is: exposed causes, and the longest path, each adding up to the total.

Both are taken from the steps of `costmodels.overlap`. A double-buffered step computes (and drives transfers)
while loads and stores are under way, and lasts as long as the longest of these:

- *causes* (what shows): computing and driving count whole; beyond them a step waits, for loads as long as
  they last longer, then for stores as long as they last longer still. A wait is divided between the hops
  that it waits for in proportion to their cycles that the core does not hold.
- *path* (what binds): the pieces of the longest branch alone; of equally long ones computing, then loads.
  Its cycles on a resource are the derivative of the layer's time: one per cent fewer cycles of that
  resource make the layer shorter by one per cent of them.

Single-buffered layers, first loads, last stores and whole stages overlap with nothing: both are the sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from costmodels.anatomy import CORE, Anatomy, Fetch, Group, HopShare, Term, without


@dataclass(frozen=True)
class StepKind:
    """`count` steps that load for a transition of loop `load`, and store for one of loop `store`.

    Loops count from 1, outermost first; None: nothing is loaded (the last step) or stored (the first).
    """

    count: int
    load: int | None
    store: int | None


@dataclass(frozen=True)
class Step:
    """One step of a double-buffered layer: its pieces, and how long each branch and the whole takes.

    busy: computing and driving; cycles: the longest branch.
    """

    loads: tuple[Fetch, ...]
    stores: tuple[Fetch, ...]
    busy_terms: tuple[Term, ...]
    busy: float
    loading: float
    storing: float
    cycles: float


def step_kinds(trips: Sequence[int]) -> tuple[StepKind, ...]:
    """Kinds of the steps of a double-buffered nest, as derived in `costmodels.overlap`."""
    several = [loop for loop, count in enumerate(trips, start=1) if count > 1]
    if not several:
        return (StepKind(1, None, None),)
    inner = several[-1]
    kinds = [StepKind(1, inner, None), StepKind(1, None, inner)]
    steps = 1
    for loop, count in enumerate(trips, start=1):
        before, steps = steps, steps * count
        if loop < inner and steps > before:
            kinds += [StepKind(steps - before, loop, inner), StepKind(steps - before, inner, loop)]
    rest = steps - sum(kind.count for kind in kinds)
    return (*kinds, StepKind(rest, inner, inner)) if rest else tuple(kinds)


def moving(fetches: Iterable[Fetch], loop: int | None) -> tuple[Fetch, ...]:
    """Fetches that move at a transition of this loop."""
    return tuple(fetch for fetch in fetches if loop is not None and fetch.depth >= loop)


def step_of(anatomy: Anatomy, load: int | None, store: int | None) -> Step:
    """A step of a double-buffered layer."""
    loads, stores = moving(anatomy.loads, load), moving(anatomy.stores, store)
    held = [_held(fetch, hop) for fetch in (*loads, *stores) for hop in fetch.hops if hop.held]
    lost = (_lost(fetch) for fetch in (*loads, *stores) if fetch.stalled)
    terms = (*anatomy.step, *lost, *held)
    busy = sum(term.cycles for term in terms)
    loading, storing = (sum(fetch.cycles for fetch in of) for of in (loads, stores))
    moved = max(loading, storing) if anatomy.duplex else loading + storing
    return Step(loads, stores, terms, busy, loading, storing, max(busy, moved))


def causes(anatomy: Anatomy) -> tuple[Term, ...]:
    """What shows: terms whose cycles add up to the layer's. In the order in which they are first met."""
    return _merged(_tally(anatomy, _exposed))


def path(anatomy: Anatomy) -> tuple[Term, ...]:
    """What binds: terms on the longest path; they add up to the layer's cycles, too."""
    return _merged(_tally(anatomy, _longest))


def total_cycles(anatomy: Anatomy) -> float:
    """Cycles of the layer."""
    return sum(term.cycles for term in causes(anatomy))


def busy_cycles(anatomy: Anatomy) -> tuple[tuple[str, float], ...]:
    """Cycles that every resource works, overlapped or not, by resource."""
    found: dict[str, float] = {}
    for term in _repeated(anatomy.step, anatomy.steps):
        found[term.resource] = found.get(term.resource, 0.0) + term.cycles
    for fetch in (*anatomy.loads, *anatomy.stores):
        for hop in fetch.hops:
            found[hop.link] = found.get(hop.link, 0.0) + hop.cycles * moves(anatomy, fetch)
        found[CORE] = found.get(CORE, 0.0) + fetch.driven * moves(anatomy, fetch)
    for link, cycles in (*anatomy.before, *anatomy.after):
        found[link] = found.get(link, 0.0) + cycles
    return tuple((name, cycles) for name, cycles in found.items() if cycles)


def gain(anatomy: Anatomy, resource: str) -> float:
    """Share of the layer's cycles that would go if this resource took no time; at most 1."""
    total = total_cycles(anatomy)
    return 1.0 - total_cycles(without(anatomy, resource)) / total if total else 0.0


def moves(anatomy: Anatomy, fetch: Fetch) -> int:
    """How often a fetch moves: once for every iteration of the loops that it depends on."""
    times = 1
    for trips in anatomy.trips[: fetch.depth]:
        times *= trips
    return times


def _tally(anatomy: Anatomy, chosen: Callable[[Anatomy, Step], Iterator[Term]]) -> Iterator[Term]:
    yield from _staging(anatomy)
    if not anatomy.double:
        yield from _repeated(anatomy.step, anatomy.steps)
        for fetch in (*anatomy.loads, *anatomy.stores):
            yield from _repeated(_transfer(fetch), moves(anatomy, fetch))
        return
    for kind in step_kinds(anatomy.trips):
        yield from _repeated(chosen(anatomy, step_of(anatomy, kind.load, kind.store)), kind.count)
    for fetch in (*anatomy.loads, *anatomy.stores):
        yield from _transfer(fetch)


def _exposed(anatomy: Anatomy, step: Step) -> Iterator[Term]:
    yield from step.busy_terms
    arrived = max(step.busy, step.loading)
    yield from _waiting(arrived - step.busy, step.loads)
    yield from _waiting(step.cycles - arrived, step.stores)


def _longest(anatomy: Anatomy, step: Step) -> Iterator[Term]:
    if step.cycles <= step.busy:
        yield from step.busy_terms
        return
    if anatomy.duplex:
        branch = step.loads if step.loading >= step.storing else step.stores
    else:
        branch = (*step.loads, *step.stores)
    for fetch in branch:
        yield from _transfer(fetch)


def _waiting(cycles: float, fetches: Sequence[Fetch]) -> Iterator[Term]:
    """A wait, divided between the hops that it is for."""
    if cycles <= 0:
        return
    hops = [(fetch, hop, max(0.0, hop.cycles - hop.held)) for fetch in fetches for hop in fetch.hops]
    if not any(free for _, _, free in hops):
        hops = [(fetch, hop, hop.cycles) for fetch, hop, _ in hops]
    free_cycles = sum(free for _, _, free in hops)
    for fetch, hop, free in hops:
        yield _on_link(fetch, hop, cycles * free / free_cycles)


def _staging(anatomy: Anatomy) -> Iterator[Term]:
    for link, cycles in (*anatomy.before, *anatomy.after):
        yield Term(f"stage_{link}", "staging", link, cycles)


def _transfer(fetch: Fetch) -> tuple[Term, ...]:
    """A fetch that nothing overlaps with."""
    return tuple(_on_link(fetch, hop, hop.cycles) for hop in fetch.hops)


def _held(fetch: Fetch, hop: HopShare) -> Term:
    """What a hop costs the core while it could compute."""
    return _on_link(fetch, hop, hop.held) if hop.waited else Term("issue", _group(fetch), CORE, hop.held)


def _lost(fetch: Fetch) -> Term:
    """Slots of L1 that the engine loses to the only hop of a fetch."""
    return Term("contention", "contention", fetch.hops[0].link, fetch.stalled)


def _on_link(fetch: Fetch, hop: HopShare, cycles: float) -> Term:
    return Term(f"{_group(fetch)}_{hop.link}", _group(fetch), hop.link, cycles)


def _group(fetch: Fetch) -> Group:
    return "store" if fetch.role == "output" else "load"


def _repeated(terms: Iterable[Term], times: int) -> Iterator[Term]:
    for term in terms:
        yield replace(term, cycles=term.cycles * times)


def _merged(terms: Iterable[Term]) -> tuple[Term, ...]:
    """One term for each cause, group and resource; none without cycles."""
    found: dict[tuple[str, Group, str], float] = {}
    for term in terms:
        key = term.cause, term.group, term.resource
        found[key] = found.get(key, 0.0) + term.cycles
    return tuple(Term(*key, cycles) for key, cycles in found.items() if cycles > 0)
