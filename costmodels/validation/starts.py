"""A product whose cores' places were recorded while it ran: the banks walked from there to its end.

Measured on GVSoC with bank conflicts: the 4x2 kernel of 64x64x64, compiled by GCC 12 at -O3, every core begun
some cycles late on purpose, its accesses read from the simulator's instruction trace.
"""

from __future__ import annotations

from dataclasses import dataclass

from costmodels.validation.banks import L1_BANKS, Accesses, walk
from costmodels.validation.tables import Row

SIZE = 64
LEFT, RIGHT, SUMS = 0x5100, 0x4100, 0x100
"""Byte addresses of the operands and of the sums, in L1."""
STACKS_END, STACK_BYTES, FRAME_BYTES = 0x40000, 1024, 208
BLOCK_ROWS, BLOCK_OUTPUTS, WORD = 2, 4, 4
SPILLED, RELOADED = (12, 16, 20), (20, 12, 16, 28)
"""Byte offsets of what the compiler keeps on the stack over a row of blocks, and fetches behind it."""


@dataclass(frozen=True)
class StartedProduct(Row):
    """The rest of a product, from the last store of the first block of every core's second row of blocks.

    Before it, cores wait for the instruction cache too. variant: where it ran. cores: how many share the
    rows. places: the cycle of that store, from the first core's, in the order of cores, as "0/3". served: who
    comes first if several ask for a bank in one cycle, as "1/0": the core that left the barrier last (READ:
    GVSoC puts a woken core at the head of its list).
    """

    variant: str
    cores: int
    places: str
    served: str

    def predicted(self) -> float:
        """Cycles from the first core's place to the last core's end."""
        served = _numbers(self.served)
        places = _numbers(self.places)
        rest = [product_rest(core, self.cores) for core in served]
        return float(max(walk(rest, [places[core] for core in served])))


def product_rest(core: int, cores: int) -> Accesses:
    """What a core has left: that store, the row's other blocks, its further rows, then the epilogue."""
    found = Accesses(L1_BANKS)
    begun, end = core * SIZE // cores + BLOCK_ROWS, (core + 1) * SIZE // cores
    stack = STACKS_END - core * STACK_BYTES - FRAME_BYTES
    found.touch(SUMS + WORD * ((begun + BLOCK_ROWS - 1) * SIZE + BLOCK_OUTPUTS - 1))
    found.work(5)
    _row(found, begun, BLOCK_OUTPUTS, stack)
    for row in range(begun + BLOCK_ROWS, end, BLOCK_ROWS):
        found.touch(stack + 24)
        found.work(3)
        found.touch_all(stack + offset for offset in SPILLED)
        _row(found, row, 0, stack)
    found.touch_all(range(stack + 32, stack + 80, WORD))
    found.work(1)
    return found


def _row(found: Accesses, row: int, first_column: int, stack: int) -> None:
    for column in range(first_column, SIZE, BLOCK_OUTPUTS):
        found.work(15)
        _block(found, row, column)
    found.touch_all(stack + offset for offset in RELOADED)
    found.work(6)


def _block(found: Accesses, row: int, column: int) -> None:
    for depth in range(0, SIZE, WORD):
        found.touch_all(RIGHT + (column + k) * SIZE + depth for k in range(BLOCK_OUTPUTS))
        found.touch_all(LEFT + (row + k) * SIZE + depth for k in range(BLOCK_ROWS))
        found.work(8)
    sums = [SUMS + WORD * ((row + k) * SIZE + column) for k in range(BLOCK_ROWS)]
    found.touch_all(first + WORD * n for first in sums for n in range(BLOCK_OUTPUTS))
    found.work(5 if column + BLOCK_OUTPUTS < SIZE else 3)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split("/")))
