"""Kernels under the clock: random shapes, one C program that runs them all, and its cycles."""

from compiler.bench.measure import Measured, measure
from compiler.bench.moves import Move, draw_moves
from compiler.bench.run import Runner, command_runner, target_runner
from compiler.bench.shapes import FAMILIES, LARGE, Case, Room, draw
from compiler.bench.tiled import TiledNetwork, draw_tiled, measure_tiled

__all__ = [
    "FAMILIES",
    "LARGE",
    "Case",
    "Measured",
    "Move",
    "Room",
    "Runner",
    "TiledNetwork",
    "command_runner",
    "draw",
    "draw_moves",
    "draw_tiled",
    "measure",
    "measure_tiled",
    "target_runner",
]
