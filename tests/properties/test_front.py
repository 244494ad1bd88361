"""Fronts, choices, hypervolumes and bounds, on any points."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.front import choose, knee, merge, merge_bounds, quality, reference_point, values
from dse.front.quality import envelope_volume, volume
from dse.points import OBJECTIVES, Bound, DesignPoint
from dse.solver.pareto import FloatArray
from tests.dse.search.fake import point

SUBSETS = [subset for size in (1, 2, 3) for subset in combinations(OBJECTIVES, size)]
coordinate = st.integers(1, 12)
triples = st.lists(
    st.tuples(coordinate, coordinate, coordinate, st.sampled_from(["trial", "solver"])), max_size=40
)
objectives_drawn = st.sampled_from(SUBSETS)


def points_of(rows: list[tuple[int, int, int, str]]) -> list[DesignPoint]:
    return [point(x / 4, float(y), z, source, tag=str(i)) for i, (x, y, z, source) in enumerate(rows)]


def dominates(first: FloatArray, second: FloatArray) -> bool:
    return bool((first <= second).all() and (first < second).any())


@given(triples, objectives_drawn)
def test_merge_keeps_exactly_the_nondominated_values(
    rows: list[tuple[int, int, int, str]], objectives: tuple[str, ...]
) -> None:
    points = points_of(rows)
    every = values(points, objectives)
    expected = {tuple(row) for row in every if not any(dominates(other, row) for other in every)}
    front = merge(points, objectives)
    assert list(front) == sorted(front, key=lambda p: p.latency_ms)
    assert {tuple(row) for row in values(front, objectives)} == expected
    assert len(front) == len(expected)


@given(triples, objectives_drawn, st.randoms())
def test_merge_depends_on_no_order_and_may_be_done_in_parts(
    rows: list[tuple[int, int, int, str]], objectives: tuple[str, ...], random: object
) -> None:
    points = points_of(rows)
    whole = merge(points, objectives)
    half = len(points) // 2
    assert merge((*merge(points[:half], objectives), *points[half:]), objectives) == whole
    backwards = merge(points[::-1], objectives)
    assert np.array_equal(values(backwards, OBJECTIVES), values(whole, OBJECTIVES))
    assert [p.source for p in backwards] == [p.source for p in whole]


def test_of_equal_points_the_better_rest_then_a_trial_wins() -> None:
    heavy, light = point(1, 1, 9, "trial", "heavy"), point(1, 1, 5, "solver", "light")
    asked = point(1, 1, 5, "trial", "asked")
    assert merge([heavy, light], ("latency", "energy")) == (light,)
    assert merge([heavy, light, asked], ("latency", "energy")) == (asked,)


@settings(deadline=None)
@given(triples.filter(bool), objectives_drawn, st.integers(1, 8))
def test_choice_is_a_part_of_the_front_with_knee_and_extremes(
    rows: list[tuple[int, int, int, str]], objectives: tuple[str, ...], count: int
) -> None:
    front = merge(points_of(rows), objectives)
    chosen = choose(front, objectives, count)
    assert len(chosen) == min(count, len(front))
    assert [p for p in front if any(p is c for c in chosen)] == list(chosen)
    assert any(front[knee(front, objectives)] is c for c in chosen)
    if count > len(objectives):
        for name in objectives:
            assert min(p.objective(name) for p in chosen) == min(p.objective(name) for p in front)


@settings(deadline=None)
@given(triples.filter(bool))
def test_each_choice_after_the_first_is_the_greedy_one(rows: list[tuple[int, int, int, str]]) -> None:
    front = merge(points_of(rows), OBJECTIVES)
    top = reference_point(front, OBJECTIVES)
    for count in range(5, len(front)):
        before, after = (values(choose(front, OBJECTIVES, n), OBJECTIVES) for n in (count - 1, count))
        best = max(volume(np.vstack([before, row]), top) for row in values(front, OBJECTIVES))
        assert volume(after, top) == pytest.approx(best, rel=1e-9)


def test_knee_is_farthest_from_the_line_between_the_extremes() -> None:
    front = [point(1, 9, 0), point(2, 4, 0), point(3, 2.5, 0), point(9, 1, 0)]
    rows = values(front, ("latency", "energy"))
    (x0, y0), (x1, y1) = rows[0] / (8, 8), rows[-1] / (8, 8)
    distance = [abs((y1 - y0) * x / 8 - (x1 - x0) * y / 8 + x1 * y0 - y1 * x0) for x, y in rows]
    assert knee(front, ("latency", "energy")) == int(np.argmax(distance)) == 2


def test_knee_follows_no_unit() -> None:
    front = [point(1, 9e6, 0), point(2, 4e6, 0), point(3, 2.5e6, 0), point(9, 1e6, 0)]
    assert knee(front, ("latency", "energy")) == 2
    with pytest.raises(ValueError, match="no points"):
        knee([], ("latency",))
    with pytest.raises(ValueError, match="0 points"):
        choose(front, ("latency",), 0)


def bound_of(points: list[DesignPoint], directions: list[tuple[int, int]]) -> Bound:
    """The tightest bound of these points in these directions."""
    rows = values(points, OBJECTIVES)
    least = rows.min(axis=0)
    planes = tuple((float(wx), float(wy), float((rows[:, :2] @ (wx, wy)).min())) for wx, wy in directions)
    return Bound(float(least[0]), float(least[1]), int(least[2]), planes)


some_directions = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5)), max_size=4)


@settings(deadline=None)
@given(triples.filter(bool), some_directions, objectives_drawn)
def test_gap_is_a_share(
    rows: list[tuple[int, int, int, str]], directions: list[tuple[int, int]], objectives: tuple[str, ...]
) -> None:
    points = points_of(rows)
    judged = quality(merge(points, objectives), objectives, bound_of(points, directions))
    assert judged.gap is not None
    assert 0 <= judged.gap < 1
    assert judged.hypervolume > 0


@settings(deadline=None)
@given(triples.filter(bool), some_directions)
def test_envelope_is_the_area_that_the_half_planes_leave(
    rows: list[tuple[int, int, int, str]], directions: list[tuple[int, int]]
) -> None:
    bound = bound_of(points_of(rows), directions)
    top = np.array([4.0, 14.0])
    steps = (np.arange(400) + 0.5) / 400
    x, y = np.meshgrid(top[0] * steps, top[1] * steps)
    inside = (x >= bound.latency_ms) & (y >= bound.energy_uj)
    for wx, wy, least in bound.half_planes:
        inside &= wx * x + wy * y >= least
    area = inside.mean() * top.prod()
    assert envelope_volume(bound, ("latency", "energy"), top) == pytest.approx(area, abs=0.01 * top.prod())
    swapped = envelope_volume(bound, ("energy", "latency"), top[::-1])
    assert swapped == pytest.approx(envelope_volume(bound, ("latency", "energy"), top))


@settings(deadline=None)
@given(triples.filter(bool), triples.filter(bool), some_directions, some_directions)
def test_merged_bound_holds_for_both_and_is_no_looser_than_it_must_be(
    first: list[tuple[int, int, int, str]],
    second: list[tuple[int, int, int, str]],
    first_directions: list[tuple[int, int]],
    second_directions: list[tuple[int, int]],
) -> None:
    one, two = points_of(first), points_of(second)
    bounds = bound_of(one, first_directions), bound_of(two, second_directions)
    merged = merge_bounds(*bounds)
    assert merged is not None
    rows = values(one + two, OBJECTIVES)
    assert (rows.min(axis=0) == (merged.latency_ms, merged.energy_uj, merged.memory_bytes)).all()
    for wx, wy, least in merged.half_planes:
        assert (rows[:, :2] @ (wx, wy)).min() >= least - 1e-9
    for wx, wy in set(first_directions) & set(second_directions):
        exact = (rows[:, :2] @ (wx, wy)).min()
        assert (wx, wy, exact) in merged.half_planes


def test_merging_with_nothing_changes_nothing() -> None:
    bound = Bound(1.0, 2.0, 3, ((1.0, 1.0, 4.0),))
    assert merge_bounds(None, bound) == merge_bounds(bound, None) == bound
    assert merge_bounds(None, None) is None


def test_a_direction_that_one_lacks_gets_its_corner_value() -> None:
    with_plane = Bound(0.0, 0.0, 1, ((1.0, 1.0, 10.0),))
    box = Bound(3.0, 4.0, 1)
    merged = merge_bounds(with_plane, box)
    assert merged is not None
    assert merged.half_planes == ((1.0, 1.0, 7.0),)
    crossed = Bound(0.0, 0.0, 1, ((2.0, 1.0, 10.0), (1.0, 2.0, 10.0)))
    merged = merge_bounds(Bound(0.0, 0.0, 1, ((1.0, 1.0, 100.0),)), crossed)
    assert merged is not None
    assert merged.half_planes[0] == pytest.approx((1.0, 1.0, 20 / 3))


def test_quality_of_nothing_and_of_a_wrong_bound() -> None:
    assert quality([], OBJECTIVES, None).hypervolume == 0
    front = [point(1, 1, 1)]
    assert quality(front, OBJECTIVES, None).gap is None
    wrong = quality(front, ("latency", "energy"), Bound(1.05, 1.0, 1))
    assert wrong.gap is not None
    assert wrong.gap < 0  # shown, not hidden
