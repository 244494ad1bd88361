"""Why a task does not fit: the first memory that overflows, by how much, and what would help."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from compiler.deployment import L1, L2
from dse.limits import Limits
from dse.network import Problem
from dse.options.pin_check import pins_around
from dse.options.pins import pin_text
from dse.points import Infeasible
from dse.solver.bottleneck import EVERYTHING, Caps, Counted
from dse.solver.minimum import MinimumMemory, minimum_memory, stuck_layer
from dse.solver.width import STATES, wide_tensors
from dse.task import Task, TaskError

_TERMS = 5


def caps_of(limits: Limits) -> Caps:
    """The limits of a task."""
    memory = limits.weight_memory
    room = limits.capacities[memory] if memory else 0
    return Caps(limits.l1_bytes, limits.l2_bytes, room, limits.on_chip_bytes)


def least_of(problem: Problem, caps: Caps, counted: Counted = EVERYTHING) -> MinimumMemory | None:
    """The deployment of least memory; the solver meets it too, because the same tensors have no choice."""
    known = len(problem.least.tensors)
    wide = tuple(number for number in wide_tensors(problem.network, STATES) if number < known)
    return minimum_memory(problem.least, caps, counted, wide)


def why_infeasible(
    task: Task, limits: Limits, problem: Problem, fused: Sequence[Problem] = ()
) -> Infeasible | None:
    """None if the task fits; else the memory that overflows first: L1, weight memory, L2, the on-chip sum.

    need_bytes is the least of that memory that any deployment needs within the memories before it. fused: the
    same problem with segments. Raises TaskError where some layer cannot run however much memory there is.
    """
    problems = (problem, *fused)
    if any(least_of(each, caps_of(limits)) is not None for each in problems):
        return None
    stuck = stuck_layer(problem.least)
    if stuck is not None:
        layer = problem.least.layers[stuck].name
        acting = ", ".join(map(pin_text, pins_around(task.pins, task.module.main, layer)))
        raise TaskError(f"pins {acting} leave layer {layer} no way to run")
    level, need, there = next(_overflows(problems, limits))
    return Infeasible(level, need, there, _largest(problem), _levers(task, limits, level))


def _overflows(problems: Sequence[Problem], limits: Limits) -> Iterator[tuple[str, int, int]]:
    """(level, least bytes needed, bytes there): caps are lifted from the outside in until something fits."""

    def least(caps: Caps, counted: Counted) -> MinimumMemory | None:
        found = [least_of(problem, caps, counted) for problem in problems]
        fits = [(_sum(each, counted), k) for k, each in enumerate(found) if each is not None]
        return found[min(fits)[1]] if fits else None

    caps = replace(caps_of(limits), total=math.inf)
    if found := least(caps, Counted()):
        yield "on_chip", found.total_bytes, limits.on_chip_bytes
    caps = replace(caps, l2=math.inf)
    if found := least(caps, Counted(l1=False, weight_memory=False)):
        yield L2, found.l2_total_bytes, limits.l2_bytes
    caps = replace(caps, weight_memory=math.inf)
    if (found := least(caps, Counted(l1=False, l2=False))) and limits.weight_memory:
        yield limits.weight_memory, found.weight_memory_bytes, limits.capacities[limits.weight_memory]
    if found := least(Caps(), Counted(l2=False, weight_memory=False)):
        yield L1, found.l1_total_bytes, limits.l1_bytes


def _sum(least: MinimumMemory, counted: Counted) -> int:
    parts = (
        (least.l1_total_bytes, counted.l1),
        (least.l2_total_bytes, counted.l2),
        (least.weight_memory_bytes, counted.weight_memory),
    )
    return sum(size for size, counts in parts if counts)


def _largest(problem: Problem) -> tuple[tuple[str, int], ...]:
    terms = [(t.name, t.size_bytes) for t in problem.activations]
    terms += [
        (
            f"parameters of {options.operator.name}",
            min(int(c.params.region_bytes.min()) for c in options.sets),
        )
        for options in problem.options
        if options.sets
    ]
    return tuple(sorted(terms, key=lambda term: (-term[1], term[0]))[:_TERMS])


def _levers(task: Task, limits: Limits, level: str) -> tuple[str, ...]:
    levers = []
    if level == "on_chip":
        levers.append("a larger --budget")
    else:
        levers.append(f"a platform with more {level}, or a larger cap on {level}")
    if not limits.has_l3:
        levers.append("allow off-chip memory (l3), so that weights need not stay on chip")
    if task.io_home == L2 and limits.has_l3:
        levers.append("--io-home l3, so that network inputs and outputs leave the chip")
    if task.pins:
        levers.append("fewer --pin")
    levers.append("a smaller network input")
    return tuple(levers)
