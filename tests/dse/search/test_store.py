"""The study on disk: what tools read from it, and what a resume makes of it."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from dse.points import Evaluation, OuterSetting
from dse.search import Progress, SearchOptions, SearchResult, Storage, StorageError, explore
from tests.dse.search.fake import FakeEvaluator

OPTIONS = SearchOptions(trials=80, seed=2, points=6)


def stored(storage: Storage) -> optuna.Study:
    where = storage.url or JournalStorage(JournalFileBackend(str(storage.journal)))
    return optuna.load_study(study_name=storage.name, storage=where)


def run(storage: Storage | None, options: SearchOptions = OPTIONS, resume: bool = False) -> SearchResult:
    return explore(FakeEvaluator, options, storage=storage and replace(storage, resume=resume))


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path / "out", "net", identity=(("model", "abc"), ("budget", "1MB")))


@pytest.fixture
def database(tmp_path: Path) -> Storage:
    return Storage(tmp_path / "out", "net", url=f"sqlite:///{tmp_path / 'study.db'}")


def test_one_trial_is_one_design_point(storage: Storage) -> None:
    found = run(storage)
    trials = stored(storage).trials
    asked = [trial for trial in trials if trial.user_attrs["source"] == "trial"]
    assert len(asked) == 80
    assert trials[:80] == asked
    assert all(trial.state == TrialState.COMPLETE for trial in trials)
    evaluator = FakeEvaluator()
    for trial in asked:
        labels = {axis.name: trial.params[axis.name] for axis in evaluator.axes}
        evaluation = evaluator.evaluate(evaluator.setting(labels, trial.params["position"]))
        if evaluation.point is None:
            assert trial.values == [float("inf")] * 3
            assert trial.system_attrs["constraints"] == [evaluation.violation]
            assert trial.system_attrs["constraints:fits"] == evaluation.violation > 0
            assert "does not fit" in trial.user_attrs["infeasible"]
        else:
            point = evaluation.point
            assert trial.values == [point.latency_ms, point.energy_uj, point.memory_bytes]
            assert trial.system_attrs["constraints"] == [0.0]
            assert trial.user_attrs["peak_bytes.l1"] == dict(point.peak_bytes)["l1"]
            assert trial.user_attrs["layers.npu"] == 1
    assert found.points


def test_chosen_solver_points_enter_the_study_as_trials(storage: Storage) -> None:
    found = run(storage)
    expected = {
        (p.latency_ms, p.energy_uj, float(p.memory_bytes)) for p in found.front if p.source == "solver"
    }
    solver = [t for t in stored(storage).trials if t.user_attrs["source"] == "solver"]
    assert expected
    assert {tuple(trial.values) for trial in solver} == expected
    evaluator = FakeEvaluator()
    for trial in solver:  # asked for at its parameters, the point is met again
        labels = {axis.name: trial.params[axis.name] for axis in evaluator.axes}
        point = evaluator.evaluate(evaluator.setting(labels, trial.params["position"])).point
        assert point is not None
        assert trial.values == [point.latency_ms, point.energy_uj, point.memory_bytes]


def test_metric_names_and_parameters_are_there_for_the_dashboard(storage: Storage) -> None:
    run(storage)
    study = stored(storage)
    assert study.metric_names == ["latency_ms", "energy_uj", "memory_bytes"]
    parameters = {frozenset(trial.params) for trial in study.trials}
    assert parameters == {frozenset({"l1", "arena", "engines", "point", "l3", "position"})}


@pytest.mark.parametrize("sampler", ["nsga2", "tpe", "random"])
def test_resuming_at_a_batch_equals_never_stopping(storage: Storage, sampler: str) -> None:
    options = replace(OPTIONS, sampler=sampler)
    run(storage, replace(options, trials=32))
    resumed = run(storage, options, resume=True)
    assert resumed == replace(run(None, options), new_trials=48)


def test_resume_evaluates_no_finished_trial_again(storage: Storage) -> None:
    asked: list[OuterSetting] = []

    class Watched(FakeEvaluator):
        def evaluate(self, setting: OuterSetting) -> Evaluation:
            asked.append(setting)
            return super().evaluate(setting)

    explore(Watched, replace(OPTIONS, trials=48), storage=storage)
    explore(Watched, OPTIONS, storage=replace(storage, resume=True))
    assert max(Counter(asked).values()) == 1


def test_resume_after_a_stop_within_a_batch(storage: Storage) -> None:
    stop = threading.Event()

    def watch(progress: Progress) -> None:
        if progress.trials == 39:
            stop.set()

    cut = explore(FakeEvaluator, OPTIONS, storage=storage, progress=watch, stop=stop)
    assert cut.trials == 39
    resumed = run(storage, resume=True)
    assert (resumed.trials, resumed.new_trials) == (80, 41)
    asked = [trial for trial in stored(storage).trials if trial.user_attrs["source"] == "trial"]
    assert len(asked) == 80


def test_resume_with_all_trials_done_changes_nothing(storage: Storage) -> None:
    first = run(storage)
    before = len(stored(storage).trials)
    assert run(storage, resume=True) == replace(first, new_trials=0)
    assert len(stored(storage).trials) == before


def test_resume_of_nothing_starts(storage: Storage) -> None:
    assert run(storage, resume=True) == run(None)


def test_resume_survives_a_killed_writer(storage: Storage) -> None:
    whole = run(None)
    run(storage, replace(OPTIONS, trials=32))
    for path in (storage.journal, storage.points):
        path.write_bytes(path.read_bytes() + b'{"torn":')
    assert run(storage, resume=True) == replace(whole, new_trials=48)


def test_without_resume_a_journal_is_replaced(storage: Storage) -> None:
    run(storage)
    again = run(storage, replace(OPTIONS, trials=16))
    assert again.trials == 16
    asked = [trial for trial in stored(storage).trials if trial.user_attrs["source"] == "trial"]
    assert len(asked) == 16


def test_resume_of_another_search_is_refused(storage: Storage) -> None:
    run(storage, replace(OPTIONS, trials=16))
    other = replace(storage, identity=(("model", "abc"), ("budget", "2MB")))
    with pytest.raises(StorageError, match="made with budget 1MB, not 2MB"):
        run(other, resume=True)
    with pytest.raises(StorageError, match="made with seed 2, not 3"):
        run(storage, replace(OPTIONS, seed=3), resume=True)


def test_damaged_points_are_refused(storage: Storage) -> None:
    run(storage, replace(OPTIONS, trials=16))
    storage.points.write_text('{"point": {"latency_ms": 1}}\n', encoding="utf-8")
    with pytest.raises(StorageError, match=r"study\.points\.jsonl.*DesignPoint"):
        run(storage, resume=True)


def test_a_database_resumes_too(database: Storage) -> None:
    options = replace(OPTIONS, trials=20, batch=10)
    run(database, replace(options, trials=10))
    assert run(database, options, resume=True) == replace(run(None, options), new_trials=10)
    with pytest.raises(StorageError, match="has a study 'net' already"):
        run(database, options)


@pytest.mark.parametrize("url", ["nonsense", "sqlite:////no/such/place/study.db"])
def test_a_wrong_url_is_one_clear_line(tmp_path: Path, url: str) -> None:
    with pytest.raises(StorageError) as caught:
        run(Storage(tmp_path, url=url))
    assert url in str(caught.value)
    assert "\n" not in str(caught.value)
