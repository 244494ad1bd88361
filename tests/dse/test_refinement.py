"""The refinement: its bound lies below every deployment met, whatever was pinned, its points are legal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from compiler.deployment import L3
from compiler.schedule.legality import check_deployment
from dse.evaluator import ProblemEvaluator
from dse.front import merge, quality
from dse.points import OBJECTIVES, Bound, DesignPoint, Refined
from dse.refinement import LOOKED, Refining, refining_to
from dse.search import SearchOptions, Storage, explore
from dse.search.space import setting_of
from dse.task import Pin, Task
from tests.compiler.networks import every_operator
from tests.compiler.segments import fusible
from tests.dse.search.fake import FakeEvaluator, point
from tests.dse.small import FAST, below, points_of, small_graph, task_of, without_l3
from tests.dse.test_prefetching import heavy

LITTLE = Refining(splits=10, sums=4_000_000, most_labels=60, points=12)
GRAPH = every_operator(7)
TASKS = {
    "all": (lambda: task_of(small_graph(4), "siracusa", 60_000)),
    "no l3": (lambda: task_of(small_graph(4), without_l3())),
    "pinned engine": (lambda: task_of(GRAPH, "siracusa", pins=(Pin("point", "engine", "npu"),))),
    "pinned home": (lambda: task_of(GRAPH, pins=(Pin("point", "output_home", "l3"),))),
    "pinned point": (lambda: task_of(small_graph(5), "siracusa", pins=(Pin("*", "operating_point", "low"),))),
    "ends in l1": (lambda: task_of(small_graph(2), io_home="l1")),
    "prefetch": (lambda: task_of(heavy(), "siracusa", 22_000)),
    "segments": (lambda: task_of(fusible(1), "siracusa")),
    "tight": (lambda: task_of(small_graph(3), "siracusa", 6_000)),
}


def refined(task: Task) -> tuple[ProblemEvaluator, Refined, Bound]:
    evaluator = ProblemEvaluator(task, FAST, LITTLE)
    found = evaluator.refine()
    assert found.bound is not None
    assert found.bound.points
    return evaluator, found, found.bound


@pytest.mark.parametrize("name", TASKS)
def test_nothing_that_is_met_lies_below_the_bound(name: str) -> None:
    task = TASKS[name]()
    evaluator, found, bound = refined(task)
    assert found.points
    for each in found.points:
        check_deployment(evaluator.graph, each.deployment)
        assert each.memory_bytes <= evaluator.limits.on_chip_bytes
        assert not below(each, bound)
        homes = {home for _, home in (*each.deployment.homes, *each.deployment.param_homes)}
        assert evaluator.limits.has_l3 or L3 not in homes
    met = points_of(evaluator, 5)
    assert met
    assert not [each for _, each in met if below(each, bound)]


def test_it_depends_on_the_task_only() -> None:
    fresh, used = (ProblemEvaluator(TASKS["all"](), FAST, LITTLE) for _ in range(2))
    points_of(used, 4)
    assert fresh.refine() == used.refine()


@pytest.mark.parametrize("questions", [0, 3])
def test_what_is_known_when_time_is_over_holds(questions: int) -> None:
    task = TASKS["all"]()
    asked = iter(range(questions))
    evaluator = ProblemEvaluator(task, FAST, LITTLE)
    found = evaluator.refine(lambda: 0.0 if next(asked, None) is not None else 1.0)
    assert found.bound is not None
    assert found.points == ()
    met = [*refined(task)[1].points, *(each for _, each in points_of(evaluator, 5))]
    assert not [each for each in met if below(each, found.bound)]


def test_what_was_found_is_realised_while_there_is_time() -> None:
    task = TASKS["all"]()
    asked = iter(range(8))
    shares = dict.fromkeys(range(3, 7), LOOKED)
    found = ProblemEvaluator(task, FAST, LITTLE).refine(
        lambda: 0.0 if (index := next(asked, 8)) < 3 else shares.get(index, 1.0)
    )
    assert 0 < len(found.points) <= 4


@pytest.mark.parametrize("asked", [0.2, 0.05])
def test_it_goes_on_until_the_gap_is_what_was_asked_for(asked: float) -> None:
    task = TASKS["all"]()
    found = ProblemEvaluator(task, FAST, refining_to(asked)).refine()
    gap = quality(found.points, task.objectives, found.bound).gap
    assert gap is not None
    assert gap <= asked


def test_it_is_left_out_where_it_is_off_or_cannot_say_more() -> None:
    task = TASKS["all"]()
    assert ProblemEvaluator(task, FAST, None).refine() == Refined()
    assert ProblemEvaluator(task, FAST, Refining(layers=1)).refine() == Refined()


class Sharp(FakeEvaluator):
    """Knows a point that no trial meets."""

    def refine(self, spent: Callable[[], float] = lambda: 0.0) -> Refined:
        return Refined((point(0.5, 0.5, 500, tag="best"),), Bound(0.25, 0.25, 100))


def best_of(points: tuple[DesignPoint, ...]) -> list[str]:
    return [each.source for each in points if each.deployment.model == "best"]


@pytest.mark.parametrize("name", ["prefetch", "segments"])
def test_prefetch_and_segments_are_part_of_it(name: str) -> None:
    evaluator, found, _ = refined(TASKS[name]())
    met = [*found.points, *(each for _, each in points_of(evaluator))]
    if name == "prefetch":
        assert any(plan.prefetch for each in met for plan in each.deployment.plans)
    else:
        assert len(evaluator.segmentations) > 1
        assert any(each.deployment.segments for each in met)


def test_a_search_asks_once_and_its_points_are_the_solver_s() -> None:
    found = explore(Sharp, SearchOptions(trials=40))
    plain = explore(FakeEvaluator, SearchOptions(trials=40))
    assert best_of(found.points) == best_of(found.front) == ["solver"]
    assert found.bound == Bound(0.25, 0.25, 100)
    assert found.trials == plain.trials == 40
    assert found.points == merge((*plain.points, *Sharp().refine().points), OBJECTIVES)


def test_a_resumed_search_equals_one_that_was_not_interrupted(tmp_path: Path) -> None:
    storage, options = Storage(tmp_path / "out", "net"), SearchOptions(trials=64, seed=3)
    explore(Sharp, replace(options, trials=32), storage=storage)
    assert replace(explore(Sharp, options, storage=replace(storage, resume=True)), new_trials=64) == explore(
        Sharp, options
    )


def test_every_point_of_the_front_is_a_best_trial_of_the_study(tmp_path: Path) -> None:
    """Refined points too, of a real task: the dashboard shows the front of front.json."""
    evaluator, sharp, _ = refined(TASKS["prefetch"]())
    storage = Storage(tmp_path / "out", "net")
    found = explore(lambda: evaluator, SearchOptions(trials=16), storage=storage)
    backend = JournalStorage(JournalFileBackend(str(storage.journal)))
    study = optuna.load_study(study_name="net", storage=backend)
    best = {tuple(trial.values): trial for trial in study.best_trials}
    assert {each.deployment for each in found.front} & {each.deployment for each in sharp.points}
    for each in found.front:
        trial = best[each.latency_ms, each.energy_uj, float(each.memory_bytes)]
        assert trial.system_attrs["constraints"] == [0.0]
        assert trial.user_attrs["peak_bytes.l1"] == dict(each.peak_bytes)["l1"]
        largest = int(evaluator.space.arena.choices[-1])
        assert setting_of(evaluator, trial.params).arena_bytes >= min(each.setting.arena_bytes, largest)


class Slow(Sharp):
    """Its refinement lasts until somebody stops it."""

    def refine(self, spent: Callable[[], float] = lambda: 0.0) -> Refined:
        while spent() < LOOKED:
            pass
        return super().refine()


def test_the_limit_of_time_ends_the_refinement() -> None:
    found = explore(Slow, SearchOptions(trials=40, seconds=0.2))
    assert best_of(found.points) == ["solver"]
    assert found.bound == Bound(0.25, 0.25, 100)


def test_a_stopped_search_does_not_ask() -> None:
    stop = Event()
    found = explore(Sharp, SearchOptions(trials=40), progress=lambda _: stop.set(), stop=stop)
    assert found.interrupted
    assert best_of(found.points) == []
