"""The solver against brute force over every deployment of small random networks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.solver.certificate import Region, envelope_hypervolume, hypervolume_gap
from dse.solver.hypervolume import hypervolume
from dse.solver.problem import Network, Setting
from dse.solver.solve import Solution, bound_setting, solve
from dse.solver.tables import TableCache
from tests.dse.solver.instances import (
    attainable,
    every_deployment,
    naive_front,
    objectives,
    random_network,
    random_setting,
)

seeds = st.integers(0, 2**31 - 1)


def recompute(network: Network, solution: Solution, point: int) -> tuple[float, ...]:
    """The brute force's totals for the decisions of one point."""
    wanted = tuple(zip(solution.moves[point].tolist(), solution.rows[point].tolist(), strict=True))
    return next(total for taken, total in every_deployment(network) if taken == wanted)


@given(seeds, st.booleans())
@settings(max_examples=2000, deadline=None)
def test_front_is_the_brute_force_front(seed: int, branches: bool) -> None:
    network, setting = random_network(seed, branches), random_setting(seed)
    found = objectives(attainable(network, setting), setting)
    solution = solve(network, setting)
    assert solution.exact
    np.testing.assert_array_equal(solution.objectives(setting.with_memory), naive_front(found))


@given(seeds, seeds)
@settings(max_examples=60, deadline=None)
def test_tables_that_settings_share_change_nothing(seed: int, other: int) -> None:
    network, cache = random_network(seed), TableCache()
    for each in (seed, other, seed + 1):
        setting = random_setting(each)
        alone, shared = solve(network, setting), solve(network, setting, cache=cache)
        np.testing.assert_array_equal(shared.points, alone.points)
        np.testing.assert_array_equal(shared.moves, alone.moves)
        np.testing.assert_array_equal(shared.rows, alone.rows)


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_decisions_give_the_points_and_respect_the_setting(seed: int) -> None:
    network, setting = random_network(seed), random_setting(seed)
    solution = solve(network, setting)
    for point in range(min(3, len(solution.points))):
        total = recompute(network, solution, point)
        np.testing.assert_array_equal(np.array(total[:4]), solution.points[point])
        assert total[4] == solution.l1_resident_bytes[point]
        assert total[5] + setting.l1_resident_bytes <= setting.l1_cap_bytes
        assert total[6] <= setting.arena_bytes
        for layer, move, row, ref in zip(
            network.layers, solution.moves[point], solution.rows[point], solution.refs[point], strict=True
        ):
            assert layer.moves[move].refs[row] == ref


@given(seeds, st.sampled_from([0.02, 0.1, 0.5]))
@settings(max_examples=60, deadline=None)
def test_gap_is_kept(seed: int, gap: float) -> None:
    network, setting = random_network(seed), random_setting(seed)
    wanted = naive_front(objectives(attainable(network, setting), setting))
    solution = solve(network, setting, gap=gap)
    got = solution.objectives(setting.with_memory)
    for point in wanted:
        assert (got <= point * (1 + gap) * (1 + 1e-9)).all(axis=1).any()
    assert solution.region.admits(wanted * (1 + 1e-9)).all()


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_known_points_are_not_searched_again(seed: int) -> None:
    network, setting = random_network(seed), random_setting(seed)
    wanted = naive_front(objectives(attainable(network, setting), setting))
    solution = solve(network, setting, known=wanted[::2])
    np.testing.assert_array_equal(solution.objectives(setting.with_memory), wanted[1::2])


@given(seeds, st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_label_limit_gives_attainable_points_and_a_valid_bound(seed: int, limit: int) -> None:
    network, setting = random_network(seed), random_setting(seed)
    found = objectives(attainable(network, setting), setting)
    solution = solve(network, setting, label_limit=limit)
    everything = {tuple(point) for point in found}
    assert all(tuple(point) in everything for point in solution.objectives(setting.with_memory))
    assert solution.region.admits(found * (1 + 1e-9)).all()
    if solution.exact:
        np.testing.assert_array_equal(solution.objectives(setting.with_memory), naive_front(found))


@given(seeds, st.sampled_from([1, 2, 4]))
@settings(max_examples=80, deadline=None)
def test_pinned_homes_give_attainable_points_and_a_valid_bound(seed: int, state_limit: int) -> None:
    network, setting = random_network(seed), random_setting(seed)
    found = objectives(attainable(network, setting), setting)
    solution = solve(network, setting, state_limit=state_limit)
    everything = {tuple(point) for point in found}
    assert all(tuple(point) in everything for point in solution.objectives(setting.with_memory))
    assert solution.region.admits(found * (1 + 1e-9)).all()
    assert solution.stats.states <= state_limit
    for point in range(min(2, len(solution.points))):
        assert recompute(network, solution, point)[:4] == tuple(solution.points[point])


@given(seeds)
@settings(max_examples=80, deadline=None)
def test_no_deployment_lies_outside_the_half_planes(seed: int) -> None:
    network, setting = random_network(seed), random_setting(seed)
    found = objectives(attainable(network, setting), setting)
    planes = bound_setting(network, setting)
    assert planes.admits(found).all()
    if len(found):
        reference = found.max(axis=0) * 1.1 + 1
        front = naive_front(found)
        assert envelope_hypervolume([planes], reference) >= hypervolume(front, reference) * (1 - 1e-9)
        assert hypervolume_gap(front, [solve(network, setting).region], reference) == pytest.approx(
            0, abs=1e-12
        )


@given(seeds)
@settings(max_examples=40, deadline=None)
def test_envelope_of_an_interval_of_arenas_holds_for_each(seed: int) -> None:
    network = random_network(seed)
    rng = np.random.default_rng([seed, 2])
    low, high, budget, l1 = (
        int(rng.integers(20, 40)),
        int(rng.integers(40, 70)),
        int(rng.integers(70, 110)),
        50,
    )
    planes = bound_setting(network, Setting(l1, high, budget - low, wm_capacity_bytes=20))
    for arena in (low, (low + high) // 2, high):
        setting = Setting(l1, arena, budget - arena, wm_capacity_bytes=20)
        assert planes.admits(objectives(attainable(network, setting), setting)).all()


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_union_of_envelopes_is_never_below_a_fine_count(seed: int) -> None:
    rng = np.random.default_rng(seed)
    regions = [
        Region(rng.random((4, 2)) + 0.05, rng.random(4), rng.random((3, 2)) if rng.random() < 0.5 else None)
        for _ in range(3)
    ]
    reference = np.array([1.0, 1.2])
    axis = (np.arange(120) + 0.5) / 120
    cells = np.stack(np.meshgrid(axis * reference[0], axis * reference[1], indexing="ij"), axis=-1).reshape(
        -1, 2
    )
    counted = np.any([region.admits(cells) for region in regions], axis=0).mean() * reference.prod()
    assert envelope_hypervolume(regions, reference) == pytest.approx(counted, abs=0.03)
