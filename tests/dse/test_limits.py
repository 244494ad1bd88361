"""What platform and budget leave, and how a setting divides it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodels.platform import load_platform
from dse.limits import limits_of
from dse.points import OuterSetting
from dse.task import Pin, TaskError
from tests.dse.found import network
from tests.dse.small import task_of, without_l3

GRAPH = network().main
SIRACUSA = load_platform("siracusa")


def test_levels_are_capped_by_platform_and_budget() -> None:
    limits = limits_of(task_of(GRAPH, SIRACUSA, None, {"l1": 1000, "l2": 1 << 40}))
    assert limits.l1_bytes == 1000
    assert limits.l2_bytes == SIRACUSA.level_of["l2"].usable_bytes
    on_chip = {level.name for level in SIRACUSA.levels if level.on_chip}
    assert set(limits.on_chip_levels) == on_chip
    assert limits.on_chip_bytes == sum(limits.capacities[name] for name in on_chip)
    assert limits_of(task_of(GRAPH, SIRACUSA, 12345)).on_chip_bytes == 12345


def test_without_off_chip_memory_nothing_streams() -> None:
    for limits in (limits_of(task_of(GRAPH, without_l3())), limits_of(task_of(GRAPH, levels={"l3": 0}))):
        assert not limits.has_l3
        assert limits.param_homes == ("l2", "l1")


def test_the_weight_memory_is_the_pinned_one_or_the_first_with_room() -> None:
    assert limits_of(task_of(GRAPH, SIRACUSA)).weight_memory == "wmem_sram"
    assert limits_of(task_of(GRAPH, SIRACUSA, levels={"wmem_sram": 0})).weight_memory == "wmem_mram"
    pinned = task_of(GRAPH, SIRACUSA, pins=(Pin("*", "params_home", "wmem_mram"),))
    assert limits_of(pinned).weight_memory == "wmem_mram"
    assert limits_of(task_of(GRAPH)).weight_memory is None


@pytest.mark.parametrize(
    ("io_home", "levels", "why"),
    [
        ("l3", {"l3": 0}, "the budget leaves it no byte; say --io-home l1 or l2"),
        ("l1", {"l1": 0, "l3": 0}, "the budget leaves it no byte; say --io-home l2"),
        ("l4", {}, "siracusa has none; say --io-home l1 or l2 or l3"),
    ],
)
def test_ends_cannot_live_where_there_is_nothing(io_home: str, levels: dict[str, int], why: str) -> None:
    with pytest.raises(TaskError, match=f"cannot be at home in {io_home}: {why}"):
        limits_of(task_of(GRAPH, SIRACUSA, levels=levels, io_home=io_home))


sizes = st.integers(0, 1 << 20)


@given(sizes, sizes, sizes, st.none() | sizes, st.booleans())
def test_a_setting_never_hands_out_more_than_there_is(
    l1: int, arena: int, weights: int, budget: int | None, with_memory: bool
) -> None:
    limits = limits_of(task_of(GRAPH, SIRACUSA, budget, {"l1": 200_000, "l2": 600_000}))
    inner = limits.inner(OuterSetting(l1, arena, "nominal", True, 0.0, weights), with_memory)
    assert inner.l1_cap_bytes <= min(l1, limits.l1_bytes)
    assert inner.l1_resident_bytes <= inner.l1_cap_bytes
    assert inner.arena_bytes + inner.budget_resident_bytes <= max(limits.l2_bytes, arena)
    tiles = inner.l1_cap_bytes - inner.l1_resident_bytes
    assert inner.on_chip_resident_bytes is not None
    most = tiles + inner.arena_bytes + inner.on_chip_resident_bytes
    assert most <= max(limits.on_chip_bytes, arena)
    roomiest = limits.roomiest()
    if arena <= min(limits.l2_bytes, limits.on_chip_bytes):
        assert roomiest.arena_bytes >= inner.arena_bytes
        assert roomiest.l1_cap_bytes - roomiest.l1_resident_bytes >= tiles
        assert roomiest.l1_resident_bytes >= inner.l1_resident_bytes
        assert roomiest.budget_resident_bytes >= min(
            inner.budget_resident_bytes, inner.on_chip_resident_bytes
        )
