"""The lock-step pipeline: worked examples, and the closed form against the walk for even tiles."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from costmodels.arrays import floats
from costmodels.overlap import ZERO, Flow, innermost_loop, pipeline_cycles
from costmodels.timeline import StepTimes, walk_steps


def flow(elapsed: float, depth: int, issue: float = 0.0) -> Flow:
    return Flow(floats([elapsed]), floats([issue]) if issue else ZERO, np.array([depth], np.int8))


def walked(step: float, loads: list[Flow], stores: list[Flow], trips: tuple[int, ...], duplex: bool) -> float:
    """The same pipeline step by step, from what each transition changes."""
    indices = list(product(*(range(n) for n in trips)))
    levels = [
        next(k for k, (a, b) in enumerate(zip(i, j, strict=True), start=1) if a != b)
        for i, j in pairwise(indices)
    ]
    before, behind = [0, *levels], [*levels, 0]
    steps = [
        StepTimes(
            compute=step,
            load=sum(float(f.elapsed[0]) for f in loads if f.depth[0] >= a),
            load_issue=sum(
                float(f.issue if f.issue.ndim == 0 else f.issue[0]) for f in loads if f.depth[0] >= a
            ),
            store=sum(float(f.elapsed[0]) for f in stores if f.depth[0] >= b),
            store_issue=sum(
                float(f.issue if f.issue.ndim == 0 else f.issue[0]) for f in stores if f.depth[0] >= b
            ),
        )
        for a, b in zip(before, behind, strict=True)
    ]
    return walk_steps(steps, double=True, duplex=duplex)


def test_walk_by_hand() -> None:
    steps = [StepTimes(10, 4, 3), StepTimes(10, 14, 3), StepTimes(10, 4, 12)]
    assert walk_steps(steps, double=False) == 30 + 22 + 18
    assert walk_steps(steps, double=True) == 4 + 14 + 10 + 10 + 12
    assert walk_steps(steps, double=True, duplex=False) == 4 + 14 + max(10, 4 + 3) + 10 + 12
    assert walk_steps([], double=True) == 0.0


def test_one_tile_overlaps_nothing() -> None:
    done = pipeline_cycles(floats([100.0]), [flow(30, 0)], [flow(20, 0)], (np.array([1]),), True)
    assert float(done.total[0]) == 150.0
    assert (float(done.compute[0]), float(done.load[0]), float(done.store[0])) == (100.0, 30.0, 20.0)


def test_causes_of_a_load_bound_layer() -> None:
    """Four tiles, load 30 > compute 10 > store 5: 30 + 3 * 30 + 10 + 5, of which 40 compute, 5 store."""
    done = pipeline_cycles(floats([10.0]), [flow(30, 1)], [flow(5, 1)], (np.array([4]),), True)
    assert float(done.total[0]) == 30 + 3 * 30 + 10 + 5
    assert (float(done.compute[0]), float(done.store[0])) == (40.0, 5.0)


def test_a_tile_that_stays_is_not_loaded_again() -> None:
    """2 x 3 tiles; weights (100) only move with the outer loop: once at first, once beside a step of 10."""
    trips = (np.array([2]), np.array([3]))
    done = pipeline_cycles(floats([10.0]), [flow(100, 1), flow(1, 2)], [], trips, True)
    assert float(done.total[0]) == 101 + 10 + 10 + 101 + 10 + 10 + 10


def test_copy_loops_hide_nothing() -> None:
    trips = (np.array([2]), np.array([3]))
    done = pipeline_cycles(floats([10.0]), [flow(7, 2, issue=7)], [flow(4, 1, issue=4)], trips, False)
    assert float(done.total[0]) == 6 * 10 + 6 * 7 + 2 * 4
    assert (float(done.load[0]), float(done.store[0])) == (42.0, 8.0)


def test_innermost_loop_of_several_trips() -> None:
    trips = (np.array([3, 1, 2]), np.array([1, 1, 4]), np.array([1, 1, 1]))
    assert innermost_loop(trips).tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    "trips", [(1,), (2,), (5,), (1, 4), (3, 1), (2, 2), (2, 1, 3), (3, 2, 2), (1, 2, 1, 3)]
)
@pytest.mark.parametrize("duplex", [True, False])
def test_closed_form_is_the_walk(trips: tuple[int, ...], duplex: bool) -> None:
    inner = max((k for k, n in enumerate(trips, start=1) if n > 1), default=0)
    for depths in product(range(inner + 1), repeat=3):
        if any(depth and trips[depth - 1] == 1 for depth in depths):
            continue
        loads = [flow(17, depths[0], issue=3), flow(5, depths[1])]
        stores = [flow(11, depths[2], issue=2)]
        done = pipeline_cycles(floats([12.0]), loads, stores, tuple(np.array([n]) for n in trips), duplex)
        assert float(done.total[0]) == walked(12.0, loads, stores, trips, duplex)
        parts = done.compute + done.load + done.store
        assert float(parts[0]) == float(done.total[0])
