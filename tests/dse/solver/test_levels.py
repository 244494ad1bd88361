"""Bounds by levels of resident bytes, against every deployment of small networks."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.solver.bottleneck import Caps
from dse.solver.boxes import Box, Searcher
from dse.solver.levels import Blocks, below, leveled
from dse.solver.parts import Divider
from dse.solver.stairs import both
from dse.solver.tables import TableCache
from tests.dse.solver.instances import every_deployment, random_network

seeds = st.integers(0, 2**31 - 1)
CAPS = Caps(200, 200, 200, 600)
BOX = Box((-1, -1), (200, 200))


@given(seeds, st.integers(1, 60), st.booleans())
@settings(max_examples=100, deadline=None)
def test_levels_are_below_all_that_keeps_to_them(seed: int, step: int, branches: bool) -> None:
    network = random_network(seed, branches)
    divider = Divider.of(0, Searcher(network, CAPS, TableCache()), BOX, np.ones(3))
    totals = np.array([total for _, total in every_deployment(network)]).reshape(-1, 7)
    if divider is None:
        assert len(totals) == 0
        return
    weights = np.zeros((3, divider.space.columns.count))
    weights[:, :2] = [(1.0, 0.001), (0.001, 1.0), (1.0, 2.0)]
    grid = np.arange(0.0, totals[:, 2:5].sum(axis=1).max() + step, step)
    blocks = Blocks.of(divider.space, divider.everything, weights)
    passed = leveled(divider.space, blocks, grid)
    resident = totals[:, 2:5].sum(axis=1)
    for here, top in enumerate(grid):
        allowed = totals[resident <= top, :2] @ weights[:, :2].T
        exact = allowed.min(axis=0, initial=np.inf)
        assert (passed.least[here] <= exact).all()
        assert step > 1 or np.allclose(passed.least[here], exact)
    level, weight = np.nonzero(np.isfinite(passed.least))
    costs = divider.space.tables.costs[passed.attained(level, weight)].sum(axis=1)
    np.testing.assert_allclose((costs * weights[weight]).sum(axis=1), passed.least[level, weight])
    memory = totals[:, 5:].sum(axis=1) + resident
    points = np.concatenate([totals[:, :2], memory[:, None]], axis=1)
    corner = points.max(axis=0)[None] + 1.0
    bounds = below(passed.least, grid, 0.0, weights[:, :2], corner)[0]
    lower = np.asarray((bounds[None] <= points[:, None] * (1 + 1e-9)).all(axis=2))
    assert lower.any(axis=1).all()


bounds = st.lists(st.tuples(*[st.integers(0, 9)] * 3), min_size=1, max_size=8)


@given(bounds, bounds, st.tuples(*[st.integers(0, 9)] * 3))
@settings(max_examples=100, deadline=None)
def test_what_two_bounds_allow_is_above_both(
    one: list[tuple[int, int, int]], other: list[tuple[int, int, int]], point: tuple[int, int, int]
) -> None:
    first, second = np.array(one, np.float64), np.array(other, np.float64)
    allowed = all((each <= np.array(point)).all(axis=1).any() for each in (first, second))
    assert (both(first, second) <= np.array(point)).all(axis=1).any() == allowed
