"""Non-dominated filters and hypervolume against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.solver.hypervolume import hypervolume
from dse.solver.pareto import FloatArray, filter_against, nondominated, nondominated_in_groups


def grid_points(seed: int, count: int, columns: int, levels: int) -> FloatArray:
    return np.random.default_rng(seed).integers(0, levels, (count, columns)).astype(np.float64)


point_sets = st.builds(
    grid_points,
    seed=st.integers(0, 2**32 - 1),
    count=st.sampled_from([0, 1, 2, 7, 40, 300]),
    columns=st.integers(2, 5),
    levels=st.sampled_from([2, 5, 30, 10**6]),
)


@given(point_sets)
@settings(max_examples=150, deadline=None)
def test_nondominated_is_the_definition(points: FloatArray) -> None:
    kept = nondominated(points)
    strictly_better = (points[:, None] <= points[None]).all(axis=2) & (points[:, None] < points[None]).any(
        axis=2
    )
    alive = ~strictly_better.any(axis=0)
    assert len(np.unique(points[kept], axis=0)) == len(kept)
    np.testing.assert_array_equal(np.unique(points[kept], axis=0), np.unique(points[alive], axis=0))
    np.testing.assert_array_equal(points[kept], np.unique(points[kept], axis=0))


@given(point_sets)
@settings(max_examples=50, deadline=None)
def test_first_of_equal_rows_is_the_representative(points: FloatArray) -> None:
    kept = nondominated(np.concatenate([points, points]))
    assert (kept < max(len(points), 1)).all()


@given(point_sets, st.integers(0, 2**32 - 1), st.integers(1, 6))
@settings(max_examples=100, deadline=None)
def test_groups_are_filtered_separately(points: FloatArray, seed: int, groups: int) -> None:
    group = np.random.default_rng(seed).integers(0, groups, len(points))
    expected = [np.flatnonzero(group == g)[nondominated(points[group == g])] for g in range(groups)]
    np.testing.assert_array_equal(nondominated_in_groups(points, group), np.concatenate(expected))


@given(point_sets, st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_filter_against_is_the_definition(points: FloatArray, share: float) -> None:
    cut = int(share * len(points))
    judges, judged = points[:cut], points[cut:]
    expected = [not (judges <= point).all(axis=1).any() for point in judged]
    np.testing.assert_array_equal(filter_against(judges, judged), np.array(expected, dtype=bool))


@given(st.integers(0, 2**32 - 1), st.integers(0, 12), st.sampled_from([2, 3]))
@settings(max_examples=80, deadline=None)
def test_hypervolume_counts_dominated_cells(seed: int, count: int, columns: int) -> None:
    points = grid_points(seed, count, columns, 9)
    reference = np.full(columns, 7.0)
    cells = np.stack(np.meshgrid(*[np.arange(7)] * columns, indexing="ij"), axis=-1).reshape(-1, columns)
    dominated = (points[:, None] <= cells[None]).all(axis=2).any(axis=0) if count else np.zeros(1)
    assert hypervolume(points, reference) == pytest.approx(dominated.sum())


@pytest.mark.parametrize("columns", [2, 3, 4])
def test_large_sets_reach_every_branch_of_the_recursion(columns: int) -> None:
    points = np.random.default_rng(columns).random((4000, columns))
    points /= points.sum(axis=1, keepdims=True) ** 0.8
    kept = nondominated(points)
    others = np.setdiff1d(np.arange(len(points)), kept)
    assert not filter_against(points[kept], points[others]).any()
    for index in kept[:: max(1, len(kept) // 50)]:
        rivals = np.delete(points, index, axis=0)
        assert not (rivals <= points[index]).all(axis=1).any()


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="matrix"):
        nondominated(np.zeros(3))
    with pytest.raises(ValueError, match="at least 2 columns"):
        nondominated_in_groups(np.zeros((3, 1)), np.zeros(3, dtype=np.int64))
    with pytest.raises(ValueError, match="2 columns, points have 3"):
        filter_against(np.zeros((1, 2)), np.zeros((1, 3)))
    with pytest.raises(ValueError, match="hypervolume needs"):
        hypervolume(np.zeros((1, 4)), np.zeros(4))
