"""Runs cases on a target and brings back their cycles."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from compiler.bench.moves import Move
from compiler.bench.run import Runner
from compiler.bench.shapes import Case
from compiler.bench.source import call_order, source_of
from compiler.targets import TargetError, copy_runtime


@dataclass(frozen=True)
class Measured:
    """Cycles of each case (of both calls where it is done in two), of each move, and of a fork of nothing."""

    cycles: tuple[int, ...]
    move_cycles: tuple[int, ...]
    fork_cycles: int


def measure(cases: Sequence[Case], moves: Sequence[Move], runner: Runner, harts: int) -> Measured:
    """Write one program of all cases and moves and run it. Raises TargetError if that fails."""
    with tempfile.TemporaryDirectory(prefix="dse-bench-") as scratch:
        folder = Path(scratch)
        copy_runtime(folder)
        (folder / "main.c").write_text(source_of(cases, moves), encoding="utf-8")
        lines = runner(folder, harts).splitlines()
    order = call_order(cases)
    counts = [int(line.removeprefix("cycles ")) for line in lines if line.startswith("cycles ")]
    if lines[-1:] != ["end"] or len(counts) != 1 + len(order) + len(moves):
        raise TargetError(f"the benchmark did not get to its end: {(lines or [''])[-1][:200]}")
    fork, calls, moved = counts[0], counts[1 : 1 + len(order)], counts[1 + len(order) :]
    cycles = [0] * len(cases)
    for number, count in zip(order, calls, strict=True):
        cycles[number] += count
    return Measured(tuple(cycles), tuple(moved), fork)
