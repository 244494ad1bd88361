"""The choice to fetch a layer's parameters under the layer before, in terms that the inner solver knows.

A copy on its way is a tensor like any other. It is born in a step of its own right before the layer that
starts it, and read by that layer and by the one that it is for: alive in L2 exactly while its stage is. Its
home says whether it is: "L2", or "L3" for parameters that are not on their way, which takes no memory. The
layer that starts it is slower by what shows of the copy (`costmodels.prefetch`) if that home is L2; the layer
that it is for then finds its parameters in L2, and does what it does when they are at home there. So every
proof about the solver holds for prefetches, too.

Explored is one size of a layer's parameters, the one with which copy and layer together are quickest (sizes
differ by tiling and engine, and a copy's must be known where it starts), under layers that compute for
some time without L3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from compiler.deployment import L2, L3
from costmodels.pipeline import prefetch_time
from costmodels.platform import OperatingPoint, Platform
from costmodels.prefetch import LINK, added_cycles
from dse.network import Problem, Taken, move_of
from dse.options.pins import OFF, ON, WANTED, LayerPins
from dse.options.table import Option
from dse.solver.pareto import FloatArray, nondominated
from dse.solver.problem import ENERGY, TIME, Layer, Move, Tensor

HERE, NOWHERE = "L2", "L3"
"""Homes of a copy: on its way, or not made."""


@dataclass(frozen=True)
class Fetch:
    """A copy for the next layer. bytes: of its parameters, a multiple of 4. time_ms: until it is complete, of
    which issue_ms are the core's. energy_uj: of its bytes. standing_mw: what waiting for it costs."""

    bytes: int
    time_ms: float
    issue_ms: float
    energy_uj: float
    standing_mw: float

    def under(self, rows: FloatArray, cover_ms: FloatArray) -> FloatArray:
        """Rows [n, 4] of a layer that starts it, of whose time it can run under cover_ms [n]."""
        added = added_cycles(self.time_ms, self.issue_ms, cover_ms)
        slower = rows.copy()
        slower[:, TIME] += added
        slower[:, ENERGY] += self.energy_uj + added * self.standing_mw
        return slower


Woven = dict[object, tuple[tuple[Move, ...], tuple[Taken, ...]]]
"""Moves that start or use copies and what they stand for, by what they were made of.

Problems of one network share them: the keys name its moves by identity."""


def prefetching(
    problem: Problem, platform: Platform, point: OperatingPoint, known: Woven | None = None
) -> Problem:
    """The problem with the choice to prefetch; the same where no copy runs beside a computing core.

    known: of problems that live on.
    """
    fetches: tuple[Fetch | None, ...] = (None,) * len(problem.options)
    if LINK in platform.link_of and platform.link_of[LINK].asynchronous:
        fetches = tuple(_fetch(problem, number, platform, point) for number in range(len(fetches)))
    if not any(fetches) and not any(pins.prefetch for pins in problem.pins):
        return problem
    return woven(problem, fetches, {} if known is None else known)


def _fetch(problem: Problem, number: int, platform: Platform, point: OperatingPoint) -> Fetch | None:
    """The copy of a layer's parameters under the layer before; None where there is no choice."""
    pins = problem.pins[number]
    if number == 0 or pins.prefetch == OFF or pins.params_home not in (None, L3):
        return None
    if problem.segments.keys() & {number - 1, number}:
        return None  # fused layers fetch their parameters themselves, and start no copy for others
    if not any((option.cover > 0).any() for option in problem.options[number - 1].options):
        return None
    quickest: dict[int, float] = {}
    for option in problem.options[number].options:
        if waits_in_l2(option):
            size, time = option.resident[0], float(option.rows[:, TIME].min())
            quickest[size] = min(quickest.get(size, time), time)
    if not quickest:
        return None
    sizes = np.array(sorted(quickest))
    price, ms = prefetch_time(platform, sizes, point), 1e3 / platform.reference_hz(point)
    times = price.total * ms
    best = int(np.argmin(times + np.array([quickest[size] for size in sizes.tolist()])))
    issue, energy = (float(np.broadcast_to(v, sizes.shape)[best]) for v in (price.mean.issue, price.moved_uj))
    return Fetch(int(sizes[best]), float(times[best]), issue * ms, energy, platform.standing_mw(point))


def waits_in_l2(option: Option) -> bool:
    """Whether parameters are in L2, as they also are once a copy has arrived."""
    return option.choice.params == L2 and option.resident[0] > 0


def woven(problem: Problem, fetches: Sequence[Fetch | None], known: Woven) -> Problem:
    """The problem with copies: steps that decide about one, and moves that start or use them."""
    plain = problem.network
    tensors, layers, steps, taken = list(plain.tensors), [], [], []
    copies: tuple[int, ...] = ()
    for number, layer in enumerate(plain.layers):
        own, following = fetches[number], (*fetches, None)[number + 1]
        if following is not None:
            tensors.append(Tensor(f"copy/{plain.layers[number + 1].name}", following.bytes, (NOWHERE, HERE)))
            layers.append(_decision(layer, plain.tensors[layer.inputs[0]], len(tensors) - 1))
        leaving = () if following is None else (len(tensors) - 1,)
        moves, meant = layer.moves, problem.taken[number]
        if number not in problem.segments:
            key = (id(layer.moves), own, following, problem.pins[number])
            if key not in known:
                known[key] = _moves(problem, number, own, following)
            moves, meant = known[key]
        steps.append(len(layers))
        layers.append(replace(layer, inputs=(*layer.inputs, *copies, *leaving), moves=moves))
        taken.append(meant)
        copies = leaving
    network = replace(plain, tensors=tuple(tensors), layers=tuple(layers))
    forced = any(pins.prefetch not in (None, OFF) for pins in problem.pins)
    least = network if forced else plain
    return replace(problem, network=network, least=least, steps=tuple(steps), taken=tuple(taken))


def _decision(layer: Layer, tensor: Tensor, copy: int) -> Layer:
    """The step before a layer in which it is decided whether that layer starts a copy.

    It reads what the layer reads, and costs nothing."""
    nothing = np.zeros((1, 4))
    moves = tuple(
        Move((home,), there, "-", nothing, np.zeros(1, np.int64))
        for home in tensor.homes
        for there in (NOWHERE, HERE)
    )
    return Layer(f"copy beside {layer.name}", layer.inputs[:1], copy, 0, moves)


def _moves(
    problem: Problem, number: int, own: Fetch | None, following: Fetch | None
) -> tuple[tuple[Move, ...], tuple[Taken, ...]]:
    """Moves of a layer that may find its own parameters there and may start the copy of the next one's."""
    found: list[tuple[Move, Taken]] = []
    for move, taken, cover in _arrivals(problem, number, own):
        if following is None:
            found.append((move, taken))
            continue
        found.append((replace(move, homes_in=(*move.homes_in, NOWHERE)), taken))
        under = np.flatnonzero(cover > 0)
        rows = following.under(move.rows[under], cover[under])
        keep = nondominated(rows)
        if len(keep):
            refs, homes = move.refs[under][keep], (*move.homes_in, HERE)
            found.append((replace(move, homes_in=homes, rows=rows[keep], refs=refs), taken))
    return tuple(move for move, _ in found), tuple(taken for _, taken in found)


def _arrivals(problem: Problem, number: int, own: Fetch | None) -> Iterator[tuple[Move, Taken, FloatArray]]:
    """Moves of a layer with the home of its own copy, should it have one; what they stand for; their covers.

    Without the copy they are as before, with it as if its parameters were at home in L2."""
    pins, options = problem.pins[number], problem.options[number].options
    moves = zip(problem.network.layers[number].moves, problem.taken[number], strict=True)
    for move, taken in moves if _may_do_without(pins, own) else ():
        homes = move.homes_in if own is None else (*move.homes_in, NOWHERE)
        yield replace(move, homes_in=homes), taken, options[taken.option].cover
    for place, option in enumerate(options):
        if own is not None and waits_in_l2(option) and option.resident[0] == own.bytes:
            move = move_of(problem.options[number], place)
            homes = (*move.homes_in, HERE)
            move = replace(move, homes_in=homes, home_params="L3", resident=(0, 0, 0))
            yield move, Taken(place, prefetched=True), option.cover


def _may_do_without(pins: LayerPins, own: Fetch | None) -> bool:
    return pins.prefetch != ON and not (pins.prefetch == WANTED and own is not None)
