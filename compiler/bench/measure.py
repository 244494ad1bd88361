"""Runs cases on a target and brings back their cycles."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from compiler.bench.moves import Move
from compiler.bench.run import Runner
from compiler.bench.shapes import LARGE, Case, Room
from compiler.bench.source import call_order, source_of
from compiler.targets import TargetError, copy_runtime


@dataclass(frozen=True)
class Measured:
    """Cycles of each case (of both calls where it is done in two), of each move, and of a fork of nothing.

    cold: what a call of each case takes more where its code is not in the instruction caches; empty where
    that was not measured.
    """

    cycles: tuple[int, ...]
    move_cycles: tuple[int, ...]
    fork_cycles: int
    cold: tuple[int, ...] = ()


def measure(
    cases: Sequence[Case],
    moves: Sequence[Move],
    runner: Runner,
    harts: int,
    room: Room = LARGE,
    caches: bool = False,
) -> Measured:
    """Write one program of all cases and moves (within `room`) and run it. Raises TargetError if that fails.

    caches: as `source_of`.
    """
    with tempfile.TemporaryDirectory(prefix="dse-bench-") as scratch:
        folder = Path(scratch)
        copy_runtime(folder)
        (folder / "main.c").write_text(source_of(cases, moves, room, caches), encoding="utf-8")
        lines = runner(folder, harts).splitlines()
    order, each = call_order(cases), 2 if caches else 1
    counts = [int(line.removeprefix("cycles ")) for line in lines if line.startswith("cycles ")]
    if lines[-1:] != ["end"] or len(counts) != 1 + each * len(order) + len(moves):
        raise TargetError(f"the benchmark did not get to its end: {(lines or [''])[-1][:200]}")
    fork, calls, moved = counts[0], counts[1 : 1 + each * len(order)], counts[1 + each * len(order) :]
    warm = calls[each - 1 :: each]
    more = [first - then for first, then in zip(calls[::2], calls[1::2], strict=True)] if caches else []
    return Measured(_by_case(cases, order, warm), tuple(moved), fork, _by_case(cases, order, more, 1))


def _by_case(
    cases: Sequence[Case], order: Sequence[int], calls: Sequence[int], most: int = 2
) -> tuple[int, ...]:
    """Sums over the first `most` calls of each case; nothing if nothing was measured."""
    if not calls:
        return ()
    cycles, seen = [0] * len(cases), [0] * len(cases)
    for number, count in zip(order, calls, strict=True):
        if seen[number] < most:
            cycles[number] += count
        seen[number] += 1
    return tuple(cycles)
