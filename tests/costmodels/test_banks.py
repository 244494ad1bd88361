"""Banks that serve first come, first served: examples, and why one measured product cannot be priced."""

from __future__ import annotations

import dataclasses

import pytest

from costmodels.validation.banks import Accesses, store_stall_cycles, walk
from costmodels.validation.starts import StartedProduct
from costmodels.validation.tables import read_table


def reads(addresses: list[int], before: int = 0, banks: int = 4) -> Accesses:
    found = Accesses(banks)
    for address in addresses:
        found.work(before)
        found.touch(address)
    return found


def test_one_core_never_waits() -> None:
    core = reads([0, 0, 16, 4], before=2)
    assert walk([core], [5]) == (5 + core.alone,) == (5 + 12,)


def test_same_bank_is_served_in_turn() -> None:
    assert walk([reads([0, 0]), reads([16, 16])], [0, 0]) == (3, 4)
    assert walk([reads([0, 0]), reads([4, 4])], [0, 0]) == (2, 2)
    assert walk([reads([0]), reads([])], [0, 7]) == (1, 7)


def test_words_of_a_line_lie_in_all_banks() -> None:
    assert reads([0, 4, 8, 12, 16]).bank == [0, 1, 2, 3, 0]


@pytest.mark.parametrize(("pitch", "width", "waited"), [(32, 32, 0), (40, 32, 0), (33, 1, 0), (33, 32, 24)])
def test_only_unaligned_pixels_wait(pitch: int, width: int, waited: int) -> None:
    assert store_stall_cycles(range(0, 36 * pitch, pitch), width) == waited


MEASURED_CYCLES = 40_601
"""GVSoC with conflicts: 64x64x64 by the 4x2 kernel on 4 cores (calibration/matmuls.csv)."""
BARRIER_CYCLES = 6


def compiled_product(core: int, cores: int) -> Accesses:
    """Accesses of one core in that kernel as GCC 12 -O3 compiled it: blocks, spills around a row of them."""
    size, left, right, sums = 64, 0x100, 0x1100, 0x2100
    stack = 0x40000 - core * 1024 - 80
    found = Accesses(16)
    for row in range(core * size // cores, (core + 1) * size // cores, 2):
        found.touch(stack + 24)
        found.work(3)
        found.touch_all([stack + 12, stack + 16, stack + 20])
        for column in range(0, size, 4):
            found.work(15)
            for depth in range(0, size, 4):
                found.touch_all([right + (column + k) * size + depth for k in range(4)])
                found.touch_all([left + (row + k) * size + depth for k in range(2)])
                found.work(8)
            found.touch_all([sums + 4 * ((row + k) * size + column + n) for k in range(2) for n in range(4)])
            found.work(5 if column + 4 < size else 3)
        found.touch_all([stack + 20, stack + 12, stack + 16, stack + 28])
        found.work(6)
    return found


def product_cycles(cores: int, first: int) -> int:
    """Cycles of all cores, where core `first` left the barrier before the others."""
    starts = [0 if core == first else BARRIER_CYCLES for core in range(cores)]
    ends = walk([compiled_product(core, cores) for core in range(cores)], starts)
    return max(ends) - BARRIER_CYCLES


def test_four_cores_in_step_take_what_was_measured_or_a_quarter_less() -> None:
    """Which, hangs on the core that leaves the barrier first, and that is not on record."""
    outcomes = [product_cycles(4, first) for first in range(4)]
    assert min(abs(cycles / MEASURED_CYCLES - 1) for cycles in outcomes) < 0.01
    assert min(outcomes) < 0.81 * MEASURED_CYCLES
    assert max(product_cycles(2, first) for first in range(2)) < 1.01 * compiled_product(0, 2).alone


STARTED = [row for row in read_table("started_products", StartedProduct) if row.cores < 8]


@pytest.mark.parametrize("row", STARTED, ids=lambda row: row.id)
def test_from_recorded_places_the_walk_ends_when_the_simulator_did(row: StartedProduct) -> None:
    assert abs(row.predicted() / row.measured_cycles - 1) < 0.005


def test_another_order_of_service_misses_it() -> None:
    """That the core woken last comes first is what decides, not a detail."""
    swapped = [dataclasses.replace(row, served=row.served[::-1]) for row in STARTED]
    misses = [
        abs(other.predicted() / row.measured_cycles - 1) for row, other in zip(STARTED, swapped, strict=True)
    ]
    assert max(misses) > 0.05
