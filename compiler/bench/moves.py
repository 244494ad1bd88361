"""Random tiles to move between memory levels, as generated code moves them (dse_tile.h)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from compiler.bench.shapes import LARGE, Room


@dataclass(frozen=True)
class Move:
    """Loading a dense tile: `outer` transfers of `lines` lines of line_bytes.

    In their tensor lines lie apart by line_pitch bytes, transfers by outer_pitch. Without `cut` it is one
    line that is copied as it is, not cut out of a tensor.
    """

    outer: int
    lines: int
    line_bytes: int
    line_pitch: int
    outer_pitch: int
    cut: bool = True

    @property
    def contiguous_lines(self) -> int:
        """Lines as they are counted: neighbours that touch are one."""
        return self.outer * (1 if self.line_pitch == self.line_bytes else self.lines)

    @property
    def grain(self) -> int:
        """Bytes of which the beginnings of all lines in the tensor are multiples."""
        lines = self.line_pitch if self.lines > 1 else 0
        return math.gcd(lines, self.outer_pitch if self.outer > 1 else 0)


def draw_moves(count: int, seed: int, room: Room = LARGE) -> tuple[Move, ...]:
    """Different tiles: one line, many, or several transfers; two thirds of them of whole words."""
    rng = np.random.default_rng([seed, len("moves")])
    found: dict[Move, None] = {}
    while len(found) < count:
        move = _draw(rng)
        if move.outer * move.outer_pitch <= room.operand_bytes:
            found[move] = None
    return tuple(found)


def _draw(rng: np.random.Generator) -> Move:
    def log(low: int, high: int) -> int:
        return int(np.exp(rng.uniform(np.log(low), np.log(high + 1))))

    grain = 4 if rng.random() < 0.67 else 1
    line = grain * log(1, 2000 // grain)
    if rng.random() < 0.3:
        size = line * log(1, 16)
        return Move(1, 1, size, size, size, bool(rng.random() < 0.5))
    pitch = line + grain * log(1, 64)
    lines = log(2, 60)
    outer = log(1, 8) if rng.random() < 0.4 else 1
    return Move(outer, lines, line, pitch, pitch * (lines + log(1, 8)))
