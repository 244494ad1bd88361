"""The search loop against a problem whose whole front is known."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest

from dse.front import merge, quality, reference_point, values
from dse.front.quality import volume
from dse.points import OBJECTIVES, Axis, DesignPoint, Evaluation, OuterSetting
from dse.search import Progress, SearchError, SearchOptions, Storage, explore
from dse.search.interrupt import interruptible
from dse.search.study import without_position
from tests.dse.search.fake import FakeEvaluator, all_points


def price(point: DesignPoint) -> tuple[float, float, int]:
    return point.latency_ms, point.energy_uj, point.memory_bytes


@dataclass(frozen=True)
class Counting(FakeEvaluator):
    """Records what it was asked to evaluate."""

    asked: list[OuterSetting] = field(default_factory=list, compare=False)

    def evaluate(self, setting: OuterSetting) -> Evaluation:
        self.asked.append(setting)
        return super().evaluate(setting)


WHOLE_FRONT = merge(all_points(FakeEvaluator()), OBJECTIVES)


def reached(points: Sequence[DesignPoint]) -> float:
    """Share of the hypervolume of the whole front."""
    top = reference_point(WHOLE_FRONT, OBJECTIVES)
    return volume(values(points, OBJECTIVES), top) / volume(values(WHOLE_FRONT, OBJECTIVES), top)


@pytest.mark.parametrize("sampler", ["nsga2", "tpe", "random"])
def test_finds_a_mutually_nondominated_front_close_to_the_whole_one(sampler: str) -> None:
    found = explore(FakeEvaluator, SearchOptions(trials=64, sampler=sampler))
    assert found.trials == found.new_trials == 64
    assert found.points == merge(found.points, OBJECTIVES)
    assert 0.95 < reached(found.points) <= 1 + 1e-12


class Wide(FakeEvaluator):
    """Four more axes, on which every step away from the first choice costs 40 % time and energy."""

    EXTRA = tuple(Axis(f"extra{i}", ("a", "b", "c", "d"), "costs") for i in range(4))

    @property
    def axes(self) -> tuple[Axis, ...]:
        return (*super().axes, *self.EXTRA)

    def setting(self, choices: Mapping[str, str], position: float) -> OuterSetting:
        digits = "".join(choices[axis.name] for axis in self.EXTRA)
        return replace(super().setting(choices, position), operating_point=f"{choices['point']} {digits}")

    def seeds(self) -> tuple[tuple[Mapping[str, str], float], ...]:
        worst = dict.fromkeys((axis.name for axis in self.EXTRA), "d")
        return tuple(({**labels, **worst}, position) for labels, position in super().seeds())

    def evaluate(self, setting: OuterSetting) -> Evaluation:
        point, digits = setting.operating_point.split()
        found = super().evaluate(replace(setting, operating_point=point))
        factor = 1.4 ** sum(map("abcd".index, digits))

        def dearer(p: DesignPoint) -> DesignPoint:
            own = replace(p.setting, operating_point=setting.operating_point)
            return replace(p, latency_ms=p.latency_ms * factor, energy_uj=p.energy_uj * factor, setting=own)

        asked = None if found.point is None else dearer(found.point)
        return replace(
            found, setting=setting, point=asked, others=tuple(map(dearer, found.others)), bound=None
        )


def test_nsga2_learns_where_random_sampling_does_not() -> None:
    def mean(sampler: str) -> float:
        runs = [explore(Wide, SearchOptions(trials=160, sampler=sampler, seed=seed)) for seed in range(4)]
        return sum(reached(run.points) for run in runs) / len(runs)

    assert mean("nsga2") > mean("random") + 0.05


def test_trials_go_where_the_inner_front_is_not_known_yet() -> None:
    evaluator = Counting()
    found = explore(lambda: evaluator, SearchOptions(trials=200))
    problems = {without_position(setting) for setting in evaluator.asked}
    assert len(problems) > 150  # of 160
    assert len(found.points) > 0.95 * len(WHOLE_FRONT)


def test_repeats_exactly_and_depends_on_the_seed() -> None:
    first, again, other = (explore(FakeEvaluator, SearchOptions(trials=40, seed=seed)) for seed in (3, 3, 4))
    assert first == again
    assert first.points != other.points


def test_front_has_the_knee_and_the_extremes() -> None:
    found = explore(FakeEvaluator, SearchOptions(trials=64, points=5))
    assert len(found.front) == 5
    assert found.knee is not None
    assert set(map(id, found.front)) <= set(map(id, found.points))
    for name in OBJECTIVES:
        assert min(p.objective(name) for p in found.front) == min(p.objective(name) for p in found.points)


def test_points_say_whether_a_trial_asked_for_them() -> None:
    evaluator = Counting()
    found = explore(lambda: evaluator, SearchOptions(trials=32))
    asked = {evaluation.point for evaluation in map(evaluator.evaluate, list(evaluator.asked))}
    prices = {price(p) for p in asked if p is not None}
    for p in found.points:
        assert (p.source == "trial") == (price(p) in prices)
    assert {p.source for p in found.points} == {"trial", "solver"}


def test_seeds_come_first_and_no_setting_is_evaluated_twice() -> None:
    evaluator = Counting()
    explore(lambda: evaluator, SearchOptions(trials=200, batch=8))
    seeds = [evaluator.setting(labels, position) for labels, position in evaluator.seeds()]
    assert set(evaluator.asked[:8]) >= set(seeds)
    assert max(Counter(evaluator.asked).values()) == 1


def test_nothing_fits(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Hopeless(FakeEvaluator):
        def setting(self, choices: Mapping[str, str], position: float) -> OuterSetting:
            return replace(super().setting(choices, position), l3_activations=False)

    directory = tmp_path / "out"
    found = explore(partial(Hopeless, need_bytes=10**9), SearchOptions(trials=60), storage=Storage(directory))
    assert found.points == found.front == ()
    assert found.knee is None
    assert found.infeasible is not None
    assert found.infeasible.need_bytes == 10**9
    assert found.infeasible.capacity_bytes == 384_000  # the roomiest setting came closest
    assert not directory.exists()


@pytest.mark.parametrize("objectives", [("latency",), ("energy", "memory"), ("memory", "latency", "energy")])
def test_any_subset_of_objectives(objectives: tuple[str, ...]) -> None:
    found = explore(FakeEvaluator, SearchOptions(objectives=objectives, trials=48))
    assert found.points == merge(found.points, objectives)
    assert (len(found.points) == 1) == (len(objectives) == 1)
    judged = quality(found.points, objectives, found.bound)
    assert judged.gap is not None
    assert 0 <= judged.gap < 1


def test_stop_event_keeps_the_part_of_the_batch_that_is_done() -> None:
    stop = threading.Event()

    def watch(progress: Progress) -> None:
        if progress.trials == 20:
            stop.set()

    found = explore(FakeEvaluator, SearchOptions(trials=64), progress=watch, stop=stop)
    assert found.interrupted
    assert found.trials == 20
    assert found.points


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_batch_systems_keep_what_was_found(number: signal.Signals) -> None:
    pressed: list[int] = []

    def press(progress: Progress) -> None:
        if progress.trials == 17 and not pressed:
            pressed.append(17)
            os.kill(os.getpid(), number)

    # Ray, if a test before this one used it, has left a handler of its own, which a search respects.
    usual = signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL
    before = signal.signal(number, usual)
    try:
        found = explore(FakeEvaluator, SearchOptions(trials=64), progress=press)
        assert signal.getsignal(number) is usual
    finally:
        signal.signal(number, before)
    assert found.interrupted
    assert found.trials == 17


def test_a_signal_that_is_ignored_stays_so() -> None:
    stop = threading.Event()
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with interruptible(stop):
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert not stop.is_set()


def test_keyboard_interrupt_inside_an_evaluation_keeps_the_rest() -> None:
    @dataclass(frozen=True)
    class Pressed(Counting):
        def evaluate(self, setting: OuterSetting) -> Evaluation:
            if len(self.asked) == 18:
                raise KeyboardInterrupt
            return super().evaluate(setting)

    found = explore(Pressed, SearchOptions(trials=64))
    assert found.interrupted
    assert found.trials == 18


def test_time_ends_at_a_batch_and_the_trials_repeat_it() -> None:
    timed = explore(FakeEvaluator, SearchOptions(seconds=0.0, seed=5))
    assert timed.trials == 16
    assert not timed.interrupted
    assert explore(FakeEvaluator, SearchOptions(trials=timed.trials, seed=5)) == timed


def test_progress_counts_up_to_the_limit() -> None:
    seen: list[Progress] = []
    found = explore(FakeEvaluator, SearchOptions(trials=40), progress=seen.append)
    assert [p.trials for p in seen] == sorted(p.trials for p in seen)
    assert seen[-1].trials == seen[-1].limit == 40
    assert seen[-1].front == len(found.points)
    assert seen[-1].best == tuple(min(p.objective(n) for p in found.points) for n in OBJECTIVES)


def test_the_front_shows_before_the_first_seed_brings_the_bound() -> None:
    evaluator = Counting()
    first = evaluator.setting(*evaluator.seeds()[0])
    shown: list[tuple[int, bool]] = []

    def watch(progress: Progress) -> None:
        shown.append((progress.front, first in evaluator.asked))

    explore(lambda: evaluator, SearchOptions(trials=16), progress=watch)
    assert shown[0][0] > 0
    assert [asked for _, asked in shown].index(True) > 5
    assert shown[-1][1]


def test_an_error_of_the_evaluator_comes_through() -> None:
    class Broken(FakeEvaluator):
        def evaluate(self, setting: OuterSetting) -> Evaluation:
            raise ZeroDivisionError("in the evaluator")

    with pytest.raises(ZeroDivisionError, match="in the evaluator"):
        explore(Broken, SearchOptions(trials=1))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"objectives": ("latency", "area")}, "latency,area"),
        ({"objectives": ()}, "none"),
        ({"sampler": "magic"}, "nsga2, tpe, random"),
        ({"trials": None}, "neither"),
        ({"trials": 0}, "trials is 0"),
        ({"batch": 0}, "batch is 0"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_wrong_options_are_named(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(SearchError, match=message):
        SearchOptions(**{"trials": 8, **wrong})  # type: ignore[arg-type]
