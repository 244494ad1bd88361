"""The whole ladder: what greedy settles, what needs the search, what does not fit."""

import random

import pytest

from compiler.memory import (
    Allocation,
    Buffer,
    DoesNotFit,
    Problem,
    allocate,
    exact_allocate,
    greedy_allocate,
    validate,
)
from compiler.memory.repair import repair
from compiler.memory.search import MAX_BUFFERS, make_instance, probe
from compiler.memory.sections import Section, decompose


def crowded(count: int, seed: int) -> Problem:
    rng = random.Random(seed)
    buffers = []
    for index in range(count):
        first = rng.randrange(count // 2)
        buffers.append(Buffer(f"b{index}", rng.randint(1, 99), first, first + rng.randint(1, 10)))
    return Problem("L2", 1 << 30, tuple(buffers))


def test_no_buffers_need_no_bytes() -> None:
    assert allocate(Problem("L1", 0, ())) == Allocation((), 0, 0, "greedy size, first fit")


def test_the_search_closes_a_gap_that_greedy_leaves() -> None:
    problem = crowded(30, seed=4)
    greedy, found = greedy_allocate(problem), allocate(problem)
    assert isinstance(found, Allocation)
    assert found.peak_bytes < greedy.peak_bytes
    assert found.proven_optimal
    assert found.found_by == "exact"


def test_budget_zero_skips_the_search() -> None:
    problem = crowded(30, seed=4)
    assert allocate(problem, node_budget=0) == greedy_allocate(problem)


def test_the_budget_is_kept() -> None:
    problem = crowded(40, seed=5)
    instance = make_instance(problem.buffers)
    assert all(
        probe(instance, greedy_allocate(problem).lower_bound_bytes, n).nodes <= n for n in (0, 1, 10, 100)
    )


def test_refutation_raises_the_bound_beyond_the_cap() -> None:
    """Three aligned buffers whose padding the lower bound cannot see, because the alignments differ."""
    buffers = (Buffer("a", 3, 0, 1, 1), Buffer("b", 9, 0, 1, 8), Buffer("c", 9, 0, 1, 16))
    result = probe(make_instance(buffers), 24, 1000)
    assert result.offsets is None
    assert result.lower_bound_bytes is not None
    assert 24 < result.lower_bound_bytes <= exact_allocate(Problem("L1", 0, buffers)).peak_bytes == 25


def test_does_not_fit_names_the_largest_at_the_peak() -> None:
    buffers = (
        Buffer("elsewhere", 90, 0, 1),
        Buffer("small", 10, 2, 3),
        Buffer("big", 60, 2, 4),
        Buffer("mid", 30, 1, 3),
    )
    assert allocate(Problem("L1", 64, buffers)) == DoesNotFit(
        "L1", 100, 64, (("big", 60), ("mid", 30), ("small", 10)), proven=True
    )


def test_does_not_fit_is_not_proven_when_the_budget_ends_first() -> None:
    problem = crowded(30, seed=4)
    best = exact_allocate(problem)
    tight = Problem("L2", best.peak_bytes, problem.buffers)
    starved = allocate(tight, node_budget=0)
    assert isinstance(starved, DoesNotFit)
    assert not starved.proven
    assert starved.need_bytes > best.peak_bytes
    assert isinstance(allocate(tight), Allocation)


def test_a_fixed_buffer_beyond_the_capacity_does_not_fit() -> None:
    found = allocate(Problem("L1", 64, (Buffer("pin", 8, 0, 1, 1, 60), Buffer("a", 4, 0, 1))))
    assert found == DoesNotFit("L1", 68, 64, (("pin", 8), ("a", 4)), proven=True)


def test_sections_split_in_time_and_residents_settle() -> None:
    buffers = (
        Buffer("a", 4, 0, 2),
        Buffer("weights", 16, 0, 9, 8),
        Buffer("b", 4, 1, 3),
        Buffer("c", 4, 3, 9),
        Buffer("late", 4, 9, 11),
    )
    parts = decompose(Problem("L2", 99, buffers))
    assert dict(parts.settled) == {1: 0, 3: 16, 4: 0}
    assert parts.sections == (Section((0, 2), 16),)


@pytest.mark.parametrize("resident", [Buffer("w", 12, 0, 9), Buffer("w", 16, 0, 9, 8, 32)])
def test_residents_that_would_break_alignment_or_are_fixed_do_not_settle(resident: Buffer) -> None:
    buffers = (resident, Buffer("a", 4, 0, 5, 8), Buffer("b", 4, 4, 9, 8))
    assert decompose(Problem("L2", 99, buffers)).settled == ()


def long_chain_with_one_bad_step() -> tuple[tuple[Buffer, ...], tuple[int, ...]]:
    """A ping-pong chain of 64 buffers on 20 B; one of them sits 4 B too high."""
    buffers = tuple(Buffer(f"b{i}", 10, i, i + 2) for i in range(64))
    offsets = [10 * (i % 2) for i in range(64)]
    offsets[31] += 4
    return buffers, tuple(offsets)


def test_repair_moves_only_what_is_near() -> None:
    buffers, offsets = long_chain_with_one_bad_step()
    repaired = repair(buffers, offsets, 20, 1000)
    assert repaired.offsets is not None
    problem = Problem("L2", 20, buffers)
    validate(problem, Allocation(repaired.offsets, 20, 20, "repair"))
    assert repaired.offsets[:20] == offsets[:20]
    assert repaired.offsets[45:] == offsets[45:]


def test_repair_keeps_its_budget_and_gives_up_on_the_impossible() -> None:
    buffers, offsets = long_chain_with_one_bad_step()
    assert repair(buffers, offsets, 19, 1000).offsets is None
    assert repair(buffers, offsets, 20, 0).offsets is None
    assert repair(buffers, offsets, 20, 0).nodes == 0


def test_long_schedules_are_repaired_where_greedy_fails() -> None:
    problem = crowded(300, seed=7)
    greedy, found = greedy_allocate(problem), exact_allocate(problem, node_budget=5000)
    validate(problem, found)
    assert not greedy.proven_optimal
    assert found.proven_optimal


def test_the_deepest_search_fits_the_call_stack() -> None:
    buffers = tuple(Buffer(f"b{i}", 1 + i % 2, i % 3, 3 + i % 2) for i in range(MAX_BUFFERS))
    total = sum(b.size_bytes for b in buffers)
    assert probe(make_instance(buffers), total, MAX_BUFFERS).offsets is not None


def test_larger_instances_are_left_to_greedy() -> None:
    buffers = tuple(Buffer(f"b{i}", 1 + i % 2, 0, 1) for i in range(MAX_BUFFERS + 1))
    result = probe(make_instance(buffers), sum(b.size_bytes for b in buffers), 1000)
    assert (result.nodes, result.offsets, result.lower_bound_bytes) == (0, None, None)
