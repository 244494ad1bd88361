"""Time static allocation: `python studies/bench/allocation.py`.

Two families of seeded problems per size: `network` looks like a microcontroller's L2 (a chain of activations
with residual branches, staging buffers and resident weights), `crowded` is synthetic and hard.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable
from time import perf_counter

from compiler.memory import Allocation, Buffer, Problem, allocate, greedy_allocate

CAPACITY_BYTES = 1 << 40
ROUNDS = 20


def network(count: int, rng: random.Random) -> Problem:
    """Activations shrink along the network; every third layer has a skip, every fifth weight is resident."""
    buffers: list[Buffer] = []
    layers = count // 2
    for layer in range(layers):
        shrink = 1 << (4 * layer // layers)
        last = layer + (4 if layer % 3 == 0 else 2)
        act = 4 * rng.randint(512, 8192) // shrink
        buffers.append(Buffer(f"act{layer}", act, layer, last, 4))
        first, last = (0, layers + 4) if layer % 5 == 0 else (layer, layer + 2)
        buffers.append(Buffer(f"weights{layer}", 4 * rng.randint(16, 256) * shrink, first, last, 4))
    return Problem("L2", CAPACITY_BYTES, tuple(buffers))


def crowded(count: int, rng: random.Random) -> Problem:
    """Random sizes and lifetimes, about ten buffers alive at a time."""
    births = [rng.randrange(count // 2) for _ in range(count)]
    return Problem(
        "L2",
        CAPACITY_BYTES,
        tuple(Buffer(f"b{i}", rng.randint(1, 99), t, t + rng.randint(1, 10)) for i, t in enumerate(births)),
    )


def main() -> None:
    print("family   buffers  greedy ms  allocate ms (median, max)  greedy = bound  proven optimal")
    for make in (network, crowded):
        for count in (30, 60, 300):
            print(_row(make, count))


def _row(make: Callable[[int, random.Random], Problem], count: int) -> str:
    problems = [make(count, random.Random(seed)) for seed in range(ROUNDS)]
    greedy = [_timed(greedy_allocate, problem) for problem in problems]
    full = [_timed(_allocated, problem) for problem in problems]
    greedy_ms, full_ms = [ms for ms, _ in greedy], [ms for ms, _ in full]
    return (
        f"{make.__name__:8} {count:7} {statistics.median(greedy_ms):10.2f} {statistics.median(full_ms):13.2f}"
        f" {max(full_ms):12.2f} {sum(a.proven_optimal for _, a in greedy):12}/{ROUNDS}"
        f" {sum(a.proven_optimal for _, a in full):12}/{ROUNDS}"
    )


def _allocated(problem: Problem) -> Allocation:
    found = allocate(problem)
    assert isinstance(found, Allocation)
    return found


def _timed(run: Callable[[Problem], Allocation], problem: Problem) -> tuple[float, Allocation]:
    """Milliseconds and the answer."""
    start = perf_counter()
    found = run(problem)
    return 1e3 * (perf_counter() - start), found


if __name__ == "__main__":
    main()
