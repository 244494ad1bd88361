"""What a worker leaves out is what no archive would keep, in whatever order workers meet it."""

from __future__ import annotations

import gc
import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from dse.collector import rare_collections
from dse.points import OBJECTIVES, DesignPoint, Evaluation
from dse.search.archive import Archive, Sieve
from tests.dse.search.fake import point

SETTING = point(1, 1, 1).setting
POINTS = st.builds(point, st.integers(1, 6), st.integers(1, 6), st.integers(1, 6))
EVALUATIONS = st.lists(st.lists(POINTS, min_size=1, max_size=6), min_size=1, max_size=8)


def evaluation(points: list[DesignPoint]) -> Evaluation:
    return Evaluation(SETTING, points[0], tuple(points[1:]), 0.0, None, None)


@given(EVALUATIONS, st.sampled_from([OBJECTIVES, OBJECTIVES[:2]]), st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_archives_are_the_same_whoever_met_what(
    met: list[list[DesignPoint]], objectives: tuple[str, ...], seed: int
) -> None:
    all_of_them = [evaluation(points) for points in met]
    sieves, draw = [Sieve(objectives), Sieve(objectives)], random.Random(seed)
    order = draw.sample(range(len(met)), len(met))
    sifted = {number: draw.choice(sieves).sift(all_of_them[number]) for number in order}
    told = [sifted[number] for number in range(len(met))]
    empty = Archive(objectives)
    assert empty.with_evaluations(told).points == empty.with_evaluations(all_of_them).points


def test_what_is_dominated_by_earlier_evaluations_stays_behind() -> None:
    sieve = Sieve(OBJECTIVES)
    sieve.sift(evaluation([point(2, 2, 2)]))
    asked, worse, equal, new = point(3, 3, 3), point(2, 2, 3), point(2, 2, 2), point(1, 9, 9)
    found = sieve.sift(evaluation([asked, worse, equal, new]))
    assert found.point == asked
    assert set(found.others) == {equal, new}
    nothing = replace(evaluation([asked]), point=None)
    assert sieve.sift(nothing) == nothing


def test_the_collector_is_as_it_was_afterwards() -> None:
    before = gc.get_threshold()
    with rare_collections():
        assert gc.get_threshold()[0] > before[0]
    assert gc.get_threshold() == before
