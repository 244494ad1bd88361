"""How a search grew, when it stops, and which parameters mattered."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import pytest

from dse.front import quality
from dse.points import OBJECTIVES, Evaluation, OuterSetting
from dse.search import Progress, SearchOptions, Storage, explore
from dse.search.history import MOST_MARKS, Step, marks
from tests.dse.search.fake import FakeEvaluator, point

# The package's attribute of that name is the function.
LOOP = importlib.import_module("dse.search.explore")


def test_growth_ends_at_the_hypervolume_of_all_points() -> None:
    found = explore(FakeEvaluator, SearchOptions(trials=72, batch=16))
    assert [mark.trials for mark in found.history] == [16, 32, 48, 64, 72]
    sizes = [mark.hypervolume for mark in found.history]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]
    assert sizes[-1] == pytest.approx(quality(found.points, OBJECTIVES, None).hypervolume)
    assert found.history[-1].points == len(found.points)
    assert found.history[-1].share == 1.0
    seconds = [mark.seconds for mark in found.history]
    assert seconds == sorted(seconds)


def test_a_resumed_search_has_the_whole_growth(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "out", "net")
    options = SearchOptions(trials=64, seed=2)
    whole = explore(FakeEvaluator, options)
    first = explore(FakeEvaluator, replace(options, trials=32), storage=storage)
    rest = explore(FakeEvaluator, options, storage=replace(storage, resume=True))
    assert [replace(mark, seconds=0) for mark in rest.history] == [
        replace(mark, seconds=0) for mark in whole.history
    ]
    assert rest.history[2].seconds >= rest.history[1].seconds == round(first.history[1].seconds, 3)
    assert rest.importances == whole.importances


def test_long_searches_keep_few_marks_and_the_last() -> None:
    steps = [Step(k, float(k), (point(1000.0 - k, 5.0, 9000),)) for k in range(1, 1001)]
    found = marks(steps, OBJECTIVES)
    assert len(found) <= MOST_MARKS
    assert found[-1].trials == 1000
    assert found[-1].points == 1
    assert marks([], OBJECTIVES) == ()
    assert marks([Step(16, 1.0, ())], OBJECTIVES) == (), "nothing was found"


def test_importances_are_shares_and_follow_what_decides() -> None:
    found = explore(FakeEvaluator, SearchOptions(trials=96, sampler="random"))
    assert [goal for goal, _ in found.importances] == list(OBJECTIVES)
    for _, by_name in found.importances:
        shares = [value for _, value in by_name]
        assert sum(shares) == pytest.approx(1.0)
        assert shares == sorted(shares, reverse=True)
    memory = dict(found.importances[2][1])
    assert memory["arena"] > memory["point"], "the operating point does not change the memory"
    assert explore(FakeEvaluator, SearchOptions(trials=4)).importances == ()


class Clock:
    """Every evaluation takes a second."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.mark.parametrize(("limit", "trials"), [(5.0, 16), (33.0, 32), (39.0, 32), (42.0, 48), (47.0, 48)])
def test_time_ends_at_the_batch_that_is_nearest(
    limit: float, trials: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()

    class Slow(FakeEvaluator):
        def evaluate(self, setting: OuterSetting) -> Evaluation:
            clock.now += 1.0
            return super().evaluate(setting)

    monkeypatch.setattr(LOOP, "time", clock)
    found = explore(Slow, SearchOptions(seconds=limit))
    assert found.trials == trials


def test_time_runs_from_where_the_caller_says(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    clock.now = 100.0
    monkeypatch.setattr(LOOP, "time", clock)
    found = explore(FakeEvaluator, SearchOptions(seconds=30.0), started_seconds=60.0)
    assert (found.trials, found.seconds) == (16, 40.0)


def test_progress_says_how_much_of_the_bound_is_reached() -> None:
    seen: list[Progress] = []
    found = explore(FakeEvaluator, SearchOptions(trials=32), progress=seen.append)
    assert seen[0].reached is None
    gap = quality(found.points, OBJECTIVES, found.bound).gap
    assert gap is not None
    assert seen[-1].reached == pytest.approx(1 - gap)
