"""Why something does not fit: which memory, how much is needed, what weighs most, what would help."""

from __future__ import annotations

from dataclasses import replace

import pytest

from costmodels.platform import Platform, load_platform
from dse.points import Infeasible
from dse.task import Pin, Task
from tests.compiler.networks import every_operator
from tests.dse.small import evaluator_of, points_of, task_of, with_budget, without_l3

GRAPH = every_operator(7)


def why(task: Task) -> Infeasible:
    found = evaluator_of(task).infeasible()
    assert found is not None
    return found


def test_what_fits_is_not_infeasible() -> None:
    assert evaluator_of(task_of(GRAPH)).infeasible() is None


def test_the_sum_is_the_last_to_overflow() -> None:
    found = why(task_of(GRAPH, "siracusa", 1000))
    assert (found.level, found.capacity_bytes) == ("on_chip", 1000)
    assert found.need_bytes > 1000
    assert "a larger --budget" in found.levers


@pytest.mark.parametrize("level", ["l1", "l2"])
def test_a_capped_level_overflows_before_the_sum(level: str) -> None:
    found = why(task_of(GRAPH, "siracusa", 100, {level: 4}))
    assert (found.level, found.capacity_bytes) == (level, 4)
    enough = with_budget(task_of(GRAPH, "siracusa"), None, **{level: found.need_bytes})
    assert evaluator_of(enough).infeasible() is None
    assert points_of(evaluator_of(enough))
    short = with_budget(task_of(GRAPH, "siracusa"), None, **{level: found.need_bytes - 4})
    assert why(short).need_bytes == found.need_bytes


def test_a_weight_memory_overflows_where_pins_ask_for_it() -> None:
    pins = (Pin("point", "params_home", "wmem_sram"), Pin("point", "engine", "npu"))
    task = task_of(GRAPH, "siracusa", pins=pins)
    found = why(with_budget(task, None, wmem_sram=8))
    assert (found.level, found.capacity_bytes) == ("wmem_sram", 8)
    assert evaluator_of(with_budget(task, None, wmem_sram=found.need_bytes)).infeasible() is None
    assert "fewer --pin" in found.levers


def test_the_heaviest_terms_come_first_and_exist() -> None:
    found = why(task_of(GRAPH, budget=1000))
    sizes = [size for _, size in found.largest]
    assert sizes == sorted(sizes, reverse=True)
    tensors = {tensor.name: -(-tensor.bytes // 4) * 4 for tensor in GRAPH.tensors}
    layers = {f"parameters of {op.name}" for op in GRAPH.operators}
    for name, size in found.largest:
        assert name in layers or tensors[name] == size


def test_without_off_chip_memory_that_is_a_lever_and_io_home_is_none() -> None:
    bare = why(task_of(GRAPH, without_l3(), 1000))
    assert any("off-chip" in lever for lever in bare.levers)
    assert not any("io-home" in lever for lever in bare.levers)
    far = why(task_of(GRAPH, "siracusa", 1000))
    assert any("--io-home l3" in lever for lever in far.levers)


def shrunk(platform: Platform, level: str, size: int) -> Platform:
    levels = tuple(
        replace(each, capacity_bytes=size + each.reserved_bytes) if each.name == level else each
        for each in platform.levels
    )
    return replace(platform, levels=levels)


def test_an_l1_that_holds_no_tile_at_all_still_tells_what_it_would_need() -> None:
    found = why(task_of(GRAPH, shrunk(load_platform("rv32sim"), "l1", 4)))
    assert (found.level, found.capacity_bytes) == ("l1", 4)
    enough = task_of(GRAPH, shrunk(load_platform("rv32sim"), "l1", found.need_bytes))
    assert evaluator_of(enough).infeasible() is None
    assert evaluator_of(
        task_of(GRAPH, shrunk(load_platform("rv32sim"), "l1", found.need_bytes - 4))
    ).infeasible()


def test_the_message_is_a_few_clear_lines() -> None:
    lines = why(task_of(GRAPH, budget=1000)).message().splitlines()
    assert lines[0].startswith("does not fit: on_chip needs ")
    assert lines[1].startswith("largest: ")
    assert all(line.startswith("try: ") for line in lines[2:])
