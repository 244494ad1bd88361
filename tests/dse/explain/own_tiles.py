"""Layers timed with every tile's and every fetch's own cycles, where the price takes means.

For platforms whose transfers are made by a DMA.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from compiler.program import LayerProgram, ParamStream, Place, Step, Stream, Transfer
from costmodels.anatomy import CORE, Anatomy
from costmodels.engines import XpulpEngine, beat_stall, kernel_cycles
from costmodels.platform import OperatingPoint, Platform
from costmodels.timeline import StepTimes, walk_steps
from costmodels.transfer import beats, issue_cycles, transfer_cycles
from costmodels.work import KernelSpec


def own_cycles(
    platform: Platform, at: OperatingPoint, layer: LayerProgram, spec: KernelSpec, anatomy: Anatomy
) -> float:
    """Reference cycles of a layer walked tile by tile."""
    engine = platform.engine_of[layer.engine]
    ratio = platform.reference_cycles(engine.clock, at)
    setup = sum(term.cycles for term in anatomy.step if term.resource == CORE)
    owners = _owners(layer)
    walked = list(layer.walk())
    steps = []
    # Which calls of a reduction are in its middle, an engine knows of all of them together only.
    together = [0.0 if step.call.call.last else 1.0 for step in walked]
    mean = sum(together) / len(together) if isinstance(engine, XpulpEngine) else None
    for step in walked:
        tile = step.call.call
        extents = {name: np.array([high - low]) for name, low, high in tile.box}
        starts = {name: np.array([low]) for name, low, _ in tile.box}
        partial = np.array([float(not tile.last) if mean is None else mean])
        kernel = kernel_cycles(engine, spec, extents, layer.split, partial, starts)
        (load, load_issue), (store, store_issue) = (
            _moved(platform, at, layer.engine, fetches) for fetches in _fetches(step, owners)
        )
        compute = float(np.ravel(kernel)[0]) * ratio + setup
        steps.append(StepTimes(compute, load, store, load_issue, store_issue))
    around = sum(cycles for _, cycles in (*anatomy.before, *anatomy.after))
    return around + walk_steps(steps, anatomy.double, anatomy.duplex)


def _owners(layer: LayerProgram) -> list[tuple[Place, int]]:
    """Slots and stages of the streams that are loaded, with the stream's number, by address."""
    streams: list[Stream | ParamStream] = [*layer.inputs, *([layer.params] if layer.params else [])]
    found = [(place, k) for k, s in enumerate(streams) for place in (*s.slots, *s.stage)]
    return sorted(found, key=lambda item: (item[0].level, item[0].offset))


def _fetches(
    step: Step, owners: Sequence[tuple[Place, int]]
) -> tuple[list[list[Transfer]], list[list[Transfer]]]:
    """Transfers of a step, those of one stream together: loads, stores."""
    loads: dict[int, list[Transfer]] = {}
    for move in step.loads:
        there = [(place.offset, k) for place, k in owners if place.level == move.target.level]
        own = [k for offset, k in there if offset <= move.target.offset]
        loads.setdefault(own[-1], []).append(move)
    return list(loads.values()), [list(step.stores)] if step.stores else []


def _moved(
    platform: Platform, at: OperatingPoint, engine: str, fetches: Iterable[Sequence[Transfer]]
) -> tuple[float, float]:
    """(elapsed, time of the core) of fetches."""
    elapsed = held = 0.0
    for fetch in fetches:
        links = list(dict.fromkeys(move.link for move in fetch))
        for name in links:
            link, moves = platform.link_of[name], [move for move in fetch if move.link == name]
            ratio = platform.reference_cycles(link.clock, at)
            lines, size = sum(m.lines for m in moves), sum(m.bytes for m in moves)
            cycles = transfer_cycles(link, len(moves), lines, size, 1, cut=True)
            elapsed += float(cycles) * ratio
            if len(links) > 1 and "l1" in (link.from_level, link.to_level):
                held += float(cycles) * ratio
                continue
            held += float(issue_cycles(link, len(moves), cycles)) * ratio if link.occupies_core else 0.0
            if len(links) == 1:
                model = platform.engine_of[engine]
                lost = beat_stall(model) * platform.reference_cycles(model.clock, at)
                held += float(beats(link, len(moves), lines, size)) * lost
    return elapsed, held
