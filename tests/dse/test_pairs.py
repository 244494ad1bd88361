"""The search over pairs of graphs: what its points are, and that nothing better was dropped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compiler.memory import DoesNotFit
from compiler.schedule import check_deployment
from costmodels.platform import load_platform
from dse.executors import Make
from dse.limits import limits_of
from dse.pairs import PairExploration, PairTask, Tokens, explore_pair
from dse.pairs.assign import assignment_of
from dse.pairs.combine import Met, Placer, ends_of, estimates, scattered
from dse.pairs.explore import FrontsUnder, PairEffort, PairResult
from dse.pairs.points import values
from dse.points import Infeasible
from dse.search import SearchOptions
from dse.task import Budget, Pin, Task, TaskError
from tests.pairs import small_pair

TOKENS = Tokens(8, 3)
"""Two tokens more than prefill reads."""


EFFORT = PairEffort(1, 1, 2, 4, 20)
ALONE = (Pin("*", "fuse", "off"), Pin("*", "operating_point", "nominal"))
"""Segments and other voltages would multiply the time of these tests."""
IN_L2 = (*ALONE, Pin("*", "params_home", "l2"))


class Backwards:
    """Works on the last item first."""

    workers = 2

    @contextmanager
    def open(self, make: Make[Any, Any]) -> Iterator[Backwards]:
        self.work = make()
        yield self

    def map(self, items: Sequence[Any], chunks: object = 1) -> Iterator[Any]:
        return iter([self.work(item) for item in reversed(items)][::-1])


def pair_task(
    folder: Path, budget: int = 64_000, tokens: Tokens = TOKENS, pins: tuple[Pin, ...] = ALONE
) -> PairTask:
    found, platform = small_pair(folder), load_platform("siracusa")
    prefill, decode = (
        Task(each.module, platform, Budget(budget), pins=pins) for each in (found.prefill, found.decode)
    )
    return PairTask(prefill, decode, found.shared, tokens)


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> PairTask:
    return pair_task(tmp_path_factory.mktemp("task"))


@pytest.fixture(scope="module")
def pinned(tmp_path_factory: pytest.TempPathFactory) -> PairTask:
    """With parameters in L2, which is quick."""
    return pair_task(tmp_path_factory.mktemp("pinned"), pins=IN_L2)


def explored(task: PairTask) -> PairResult:
    result = explore_pair(task, SearchOptions(trials=1, points=5), refining=None, effort=EFFORT)
    assert isinstance(result, PairResult)
    return result


@pytest.fixture(scope="module")
def found(task: PairTask) -> PairExploration:
    result = explored(task).found
    assert result is not None
    return result


def test_points_are_legal_and_share_everything(task: PairTask, found: PairExploration) -> None:
    assert len(found.points) > 3
    for point in found.points:
        check_deployment(task.prefill.module.main, point.prefill.deployment)
        check_deployment(task.decode.module.main, point.decode.deployment)
        assert task.shared.agreed(point.prefill.deployment, point.decode.deployment) == task.shared.layers
        halves = (point.prefill.deployment, point.decode.deployment)
        assert all(size == max(d.peak_bytes(level) for d in halves) for level, size in point.peak_bytes)
        assert point.memory_bytes <= 64_000


def test_figures_are_those_of_the_text(found: PairExploration) -> None:
    point = found.points[0]
    prefill, decode = point.prefill, point.decode
    assert point.runs == (2, 2)
    assert point.first_token_ms == pytest.approx(prefill.latency_ms + 2 * decode.latency_ms)
    assert point.text_ms == pytest.approx(prefill.latency_ms + 4 * decode.latency_ms)
    assert point.token_uj == pytest.approx((prefill.energy_uj + 4 * decode.energy_uj) / 3)


def test_no_point_dominates_another_and_none_beats_the_bound(found: PairExploration) -> None:
    rows = values(found.points, found.task.decode.objectives)
    for k, row in enumerate(rows):
        assert not np.any(np.all(np.delete(rows, k, 0) <= row, axis=1))
    bound = found.bound
    assert bound is not None
    ideal = (bound.first_token_ms, bound.token_ms, bound.token_uj, bound.memory_bytes)
    assert np.all(rows >= np.array(ideal) * (1 - 1e-9))


def test_chosen_points_have_the_knee(found: PairExploration) -> None:
    assert found.knee in found.chosen
    assert len(found.chosen) == min(5, len(found.points))
    assert dict(found.named)[found.knee_id] is found.points[found.knee]


def test_workers_change_nothing(pinned: PairTask) -> None:
    again = explore_pair(pinned, SearchOptions(trials=1, points=5), Backwards(), refining=None, effort=EFFORT)
    assert isinstance(again, PairResult)
    assert again.found is not None
    assert again.found == explored(pinned).found


def test_estimates_are_exact_but_for_memory_which_they_bound(task: PairTask, found: PairExploration) -> None:
    layers = [(each.decode, each) for each in task.shared.layers]
    assignment = assignment_of(found.points[0].decode.deployment, layers)
    met = Met(0, *(front[:4] for front in FrontsUnder(task, EFFORT).fronts(assignment)))
    table = estimates(task, met)
    placer = Placer(task, limits_of(task.decode))
    placed = 0
    for p, d in np.ndindex(table.shape[:2]):
        pair = placer.pair(met.prefill[p], met.decode[d], 0)
        if not isinstance(pair, DoesNotFit):
            (row,) = values([pair], task.decode.objectives)
            np.testing.assert_allclose(table[p, d, :3], row[:3])
            assert table[p, d, 3] <= row[3]
            placed += 1
    assert placed


def test_a_text_that_outgrows_the_caches_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        TaskError, match="8 tokens of prompt and 4 generated ones: 11 are read, decode has room for 10"
    ):
        pair_task(tmp_path, tokens=Tokens(8, 4))


def test_nothing_fits(tmp_path: Path) -> None:
    tiny = pair_task(tmp_path, budget=300)
    assert isinstance(explore_pair(tiny, SearchOptions(trials=2)), Infeasible)


def test_each_fits_alone_but_not_both(pinned: PairTask, tmp_path: Path) -> None:
    """With the least memory of the larger graph alone, nothing is left for the other one's part."""
    roomy = explored(pinned).found
    assert roomy is not None
    assert roomy.bound is not None
    result = explored(pair_task(tmp_path, budget=roomy.bound.memory_bytes, pins=IN_L2))
    assert result.found is None
    assert result.why is not None
    assert result.why.need_bytes > result.why.capacity_bytes


@pytest.mark.parametrize(("prompt", "runs"), [(1, (0, 2)), (6, (0, 2)), (7, (1, 2))])
def test_runs_of_decode(prompt: int, runs: tuple[int, int]) -> None:
    assert Tokens(prompt, 3).decode_runs(6) == runs


def test_scattered_rows_keep_the_ends() -> None:
    rows = np.random.default_rng(0).uniform(1, 2, (200, 3))
    ends = ends_of(rows)
    chosen = scattered(rows, ends, 20)
    assert set(ends) <= set(chosen.tolist())
    assert len(set(chosen.tolist())) == 20
    assert ends[1:] == rows.argmin(axis=0).tolist()
