"""What every allocator promises, whichever way it searches."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import combinations

import pytest

from compiler.memory import Allocation, Buffer, Problem, allocate, exact_allocate, greedy_allocate
from compiler.memory.greedy import ORDERS, Order, place_in_order
from compiler.memory.problem import max_live_bytes, peak_of
from compiler.memory.validate import validate

ROOMY_BYTES = 1 << 40


def one_order(problem: Problem, order: Order, best_fit: bool) -> Allocation:
    offsets = place_in_order(problem, order(problem), best_fit=best_fit)
    return Allocation(offsets, peak_of(problem.buffers, offsets), max_live_bytes(problem), "one order")


def whole(problem: Problem, node_budget: int) -> Allocation:
    found = allocate(replace(problem, capacity_bytes=ROOMY_BYTES), node_budget)
    assert isinstance(found, Allocation)
    return found


ONE_ORDER: dict[str, Callable[[Problem], Allocation]] = {
    f"{name}, {'best' if best_fit else 'first'} fit": partial(one_order, order=order, best_fit=best_fit)
    for name, order in ORDERS
    for best_fit in (False, True)
}

ALLOCATORS: dict[str, Callable[[Problem], Allocation]] = ONE_ORDER | {
    "greedy": greedy_allocate,
    "exact": exact_allocate,
    "exact, starved": partial(exact_allocate, node_budget=3),
    "allocate": partial(whole, node_budget=1000),
    "allocate, greedy only": partial(whole, node_budget=0),
}


def chain(*sizes: int, align: int = 1) -> tuple[Buffer, ...]:
    return tuple(Buffer(f"act{i}", size, i, i + 2, align) for i, size in enumerate(sizes))


PROBLEMS = {
    "empty": (),
    "single": (Buffer("only", 7, 3, 4, 8),),
    "chain": chain(100, 40, 80, 10, 90, 30),
    "aligned chain": chain(13, 17, 5, 29, align=16),
    "residual": (*chain(64, 64, 64, 64), Buffer("skip", 64, 0, 4)),
    "weights": (*chain(50, 60, 70), Buffer("w0", 33, 0, 5, 4), Buffer("w1", 20, 0, 5, 4)),
    "two alignments": (Buffer("a", 1, 0, 3, 1), Buffer("b", 5, 0, 3, 32), Buffer("c", 9, 1, 4, 8)),
    "negative steps": (Buffer("a", 4, -5, -2), Buffer("b", 6, -3, 1)),
    "fixed": (Buffer("io", 16, 0, 4, 4, 32), Buffer("a", 24, 0, 2, 8), Buffer("b", 40, 1, 3, 8)),
    "fixed below": (Buffer("io", 16, 2, 4, 1, 0), Buffer("a", 24, 0, 3), Buffer("b", 8, 1, 4)),
    "apart": (Buffer("a", 10, 0, 1), Buffer("b", 20, 1, 2), Buffer("c", 5, 8, 9)),
    "greedy fails": tuple(
        Buffer(f"b{i}", size, first, last)
        for i, (size, first, last) in enumerate(
            [(3, 0, 4), (4, 3, 6), (3, 5, 9), (4, 0, 2), (5, 7, 9), (2, 1, 8)]
        )
    ),
}


@pytest.fixture(params=ALLOCATORS, name="run")
def _run(request: pytest.FixtureRequest) -> Callable[[Problem], Allocation]:
    return ALLOCATORS[request.param]


@pytest.fixture(params=PROBLEMS, name="problem")
def _problem(request: pytest.FixtureRequest) -> Problem:
    return Problem("L2", ROOMY_BYTES, PROBLEMS[request.param])


def test_passes_the_validator(run: Callable[[Problem], Allocation], problem: Problem) -> None:
    validate(problem, run(problem))


def test_no_two_contemporaries_share_a_byte(run: Callable[[Problem], Allocation], problem: Problem) -> None:
    placed = list(zip(problem.buffers, run(problem).offsets, strict=True))
    for (a, at_a), (b, at_b) in combinations(placed, 2):
        bytes_shared = set(range(at_a, at_a + a.size_bytes)) & set(range(at_b, at_b + b.size_bytes))
        assert not bytes_shared or not set(range(a.first, a.last)) & set(range(b.first, b.last))


def test_peak_lies_between_the_bound_and_no_reuse(
    run: Callable[[Problem], Allocation], problem: Problem
) -> None:
    found = run(problem)
    no_reuse = sum(
        b.size_bytes + b.alignment_bytes - 1 + (b.fixed_offset_bytes or 0) for b in problem.buffers
    )
    assert max_live_bytes(problem) <= found.lower_bound_bytes <= found.peak_bytes <= no_reuse


def test_same_answer_twice_and_whatever_the_capacity(
    run: Callable[[Problem], Allocation], problem: Problem
) -> None:
    assert run(problem) == run(problem) == run(replace(problem, capacity_bytes=0))


def test_the_clock_does_not_matter(run: Callable[[Problem], Allocation], problem: Problem) -> None:
    later = tuple(replace(b, first=3 * b.first + 100, last=3 * b.last + 100) for b in problem.buffers)
    assert run(replace(problem, buffers=later)) == run(problem)


def test_fixed_buffers_stay(run: Callable[[Problem], Allocation], problem: Problem) -> None:
    for buffer, offset in zip(problem.buffers, run(problem).offsets, strict=True):
        assert buffer.fixed_offset_bytes in (None, offset)
