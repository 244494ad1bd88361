"""Allocators against brute force, against CP-SAT, and the validator against mutants."""

import random
from dataclasses import replace
from itertools import combinations, permutations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model

from compiler.memory import (
    Allocation,
    AllocationError,
    Buffer,
    DoesNotFit,
    Problem,
    allocate,
    exact_allocate,
    greedy_allocate,
    max_live_bytes,
    validate,
)
from compiler.memory.problem import live_profile
from compiler.memory.validate import Overlap

ROOMY_BYTES = 1 << 40
NODES = 500
"""Enough for most problems drawn here, and few enough for the rest to stay quick."""


@st.composite
def problems(draw: st.DrawFn, most: int = 12, fixed: bool = True) -> Problem:
    """Small problems with mixed alignments, residents and (if `fixed`) one or two pinned buffers."""
    steps = draw(st.integers(1, 10))
    aligns = draw(st.sampled_from([(1,), (8,), (1, 1, 2, 4, 8, 16)]))
    buffers: list[Buffer] = []
    for index in range(draw(st.integers(0, most))):
        first = draw(st.integers(0, steps - 1))
        last = steps if draw(st.integers(0, 5)) == 0 else draw(st.integers(first + 1, steps))
        align = draw(st.sampled_from(aligns))
        buffers.append(Buffer(f"b{index}", draw(st.integers(1, 40)), first, last, align))
    pinned = draw(st.integers(0, 2)) if fixed else 0
    for index in range(min(pinned, len(buffers))):
        at = buffers[index].alignment_bytes * draw(st.integers(0, 3)) + index * 128
        buffers[index] = replace(buffers[index], fixed_offset_bytes=at)
    return Problem("L2", ROOMY_BYTES, tuple(buffers))


def brute_force_peak(problem: Problem) -> int:
    """Every order of dropping buffers onto what is there: some order yields an optimal allocation."""
    best = ROOMY_BYTES
    for order in permutations(problem.buffers):
        placed: list[tuple[Buffer, int]] = []
        for buffer in order:
            under = [at + b.size_bytes for b, at in placed if b.first < buffer.last and buffer.first < b.last]
            align = buffer.alignment_bytes
            placed.append((buffer, -(-max(under, default=0) // align) * align))
        best = min(best, max((at + b.size_bytes for b, at in placed), default=0))
    return best


def cp_sat_peak(problem: Problem) -> int:
    """The optimal peak by rectangles that must not overlap."""
    model = cp_model.CpModel()
    horizon = sum(b.size_bytes + b.alignment_bytes + (b.fixed_offset_bytes or 0) for b in problem.buffers)
    peak = model.new_int_var(0, horizon, "peak")
    steps, spaces = [], []
    for buffer in problem.buffers:
        unit = model.new_int_var(0, horizon // buffer.alignment_bytes, "")
        offset = unit * buffer.alignment_bytes
        if buffer.fixed_offset_bytes is not None:
            model.add(offset == buffer.fixed_offset_bytes)
        model.add(offset + buffer.size_bytes <= peak)
        steps.append(model.new_fixed_size_interval_var(buffer.first, buffer.last - buffer.first, ""))
        spaces.append(model.new_fixed_size_interval_var(offset, buffer.size_bytes, ""))
    model.add_no_overlap_2d(steps, spaces)
    model.minimize(peak)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    assert solver.solve(model) == cp_model.OPTIMAL
    return int(solver.value(peak))


def random_problem(seed: int) -> Problem:
    rng = random.Random(seed)
    buffers = []
    aligns = rng.choice([(1,), (4,), (1, 4, 16)])
    for index in range(rng.randint(8, 16)):
        first = rng.randrange(12)
        last = first + 1 + rng.randrange(7)
        fixed = 64 * index if index < 2 and seed % 3 == 0 else None
        buffers.append(Buffer(f"b{index}", rng.randint(1, 60), first, last, rng.choice(aligns), fixed))
    return Problem("L2", ROOMY_BYTES, tuple(buffers))


@settings(deadline=None)
@given(problems())
def test_every_answer_is_valid_and_ordered(problem: Problem) -> None:
    greedy = greedy_allocate(problem)
    exact = exact_allocate(problem, NODES, incumbent=greedy)
    validate(problem, greedy)
    validate(problem, exact)
    assert max_live_bytes(problem) <= exact.lower_bound_bytes <= exact.peak_bytes <= greedy.peak_bytes


@settings(deadline=None)
@given(problems())
def test_lower_bound_is_at_least_the_live_bytes(problem: Problem) -> None:
    profile = live_profile(problem)
    assert max_live_bytes(problem) >= max((live for _, live in profile), default=0)
    assert all(
        live == sum(b.size_bytes for b in problem.buffers if b.first <= step < b.last)
        for step, live in profile
    )


@settings(max_examples=60, deadline=None)
@given(problems(most=6, fixed=False))
def test_exact_equals_brute_force(problem: Problem) -> None:
    exact = exact_allocate(problem)
    assert exact.proven_optimal
    assert exact.peak_bytes == brute_force_peak(problem)


@pytest.mark.parametrize("seed", range(40))
def test_exact_equals_cp_sat(seed: int) -> None:
    """Mixed alignments may leave the bound open (padding is hard to prove), yet the peak is the optimum."""
    problem = random_problem(seed)
    exact = exact_allocate(problem, 60_000)
    assert exact.peak_bytes == cp_sat_peak(problem)
    assert exact.lower_bound_bytes <= exact.peak_bytes
    aligns = {buffer.alignment_bytes for buffer in problem.buffers}
    assert exact.proven_optimal or len(aligns) > 1


def test_the_random_problems_are_not_all_easy() -> None:
    found = [(greedy_allocate(p), exact_allocate(p, NODES)) for p in map(random_problem, range(40))]
    assert any(exact.peak_bytes < greedy.peak_bytes for greedy, exact in found)
    assert any(exact.lower_bound_bytes > greedy.lower_bound_bytes for greedy, exact in found)


@settings(deadline=None)
@given(problems(), st.integers(0, 5))
def test_any_node_budget_gives_sound_bounds(problem: Problem, node_budget: int) -> None:
    starved, full = exact_allocate(problem, node_budget), exact_allocate(problem, NODES)
    validate(problem, starved)
    assert starved.lower_bound_bytes <= full.peak_bytes <= starved.peak_bytes


@settings(deadline=None)
@given(problems(), st.floats(0, 1.2))
def test_allocate_fits_or_says_why(problem: Problem, share: float) -> None:
    best = exact_allocate(problem, NODES)
    tight = replace(problem, capacity_bytes=int(share * best.peak_bytes))
    found = allocate(tight, NODES)
    if best.peak_bytes <= tight.capacity_bytes:
        assert isinstance(found, Allocation)
        validate(tight, found)
    else:
        assert isinstance(found, DoesNotFit)
        assert (found.need_bytes, found.proven) == (
            best.peak_bytes,
            best.lower_bound_bytes > tight.capacity_bytes,
        )


@settings(deadline=None)
@given(problems(), st.data())
def test_validator_sees_every_collision(problem: Problem, data: st.DataObject) -> None:
    """Push one buffer onto a contemporary: the validator names exactly these two, or one it also hits."""
    floating = tuple(replace(b, fixed_offset_bytes=None, alignment_bytes=1) for b in problem.buffers)
    problem = replace(problem, buffers=floating)
    pairs = [
        (i, j)
        for i, j in combinations(range(len(floating)), 2)
        if floating[i].first < floating[j].last and floating[j].first < floating[i].last
    ]
    assume(pairs)
    moved, target = data.draw(st.permutations(data.draw(st.sampled_from(pairs))))
    offsets = list(greedy_allocate(problem).offsets)
    offsets[moved] = offsets[target] + data.draw(st.integers(0, floating[target].size_bytes - 1))
    peak = max(o + b.size_bytes for b, o in zip(floating, offsets, strict=True))
    with pytest.raises(Overlap) as caught:
        validate(problem, Allocation(tuple(offsets), peak, 0, "mutant"))
    assert floating[moved].name in caught.value.names


@settings(deadline=None)
@given(problems(), st.data())
def test_validator_agrees_with_pairwise_comparison(problem: Problem, data: st.DataObject) -> None:
    """Random offsets: legal for the validator exactly if all pairs and all single rules are."""
    buffers = problem.buffers
    units = data.draw(st.lists(st.integers(0, 9), min_size=len(buffers), max_size=len(buffers)))
    offsets = tuple(4 * unit for unit in units)
    placed = list(zip(buffers, offsets, strict=True))
    alone = all(o % b.alignment_bytes == 0 and b.fixed_offset_bytes in (None, o) for b, o in placed)
    together = all(
        a.last <= b.first or b.last <= a.first or at_a + a.size_bytes <= at_b or at_b + b.size_bytes <= at_a
        for (a, at_a), (b, at_b) in combinations(placed, 2)
    )
    peak = max((o + b.size_bytes for b, o in placed), default=0)
    try:
        validate(problem, Allocation(offsets, peak, 0, "random"))
    except AllocationError:
        assert not (alone and together)
    else:
        assert alone
        assert together
