"""What every executor promises: the same results in the same order, whoever dies on the way."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest
import ray

from dse.executors import Executor, ExecutorError, InProcess, OnRay
from dse.executors.base import chunk_bounds
from dse.search import SearchOptions, explore
from tests.dse.search.fake import FakeEvaluator

EXECUTORS: dict[str, Callable[[], Executor]] = {
    "in process": InProcess,
    "two Ray workers": partial(OnRay, 2),
}


@pytest.fixture(scope="module", autouse=True)
def connection() -> Iterator[None]:
    """One start of Ray serves all: executors use a connection that is there and leave it open."""
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(params=EXECUTORS)
def executor(request: pytest.FixtureRequest) -> Executor:
    return EXECUTORS[str(request.param)]()


class Refusal(ValueError):
    """An error with a type of its own, as compilers and solvers have."""


def square(item: int) -> int:
    if item < 0:
        raise Refusal(f"{item} is negative")
    return item * item


def make_square() -> Callable[[int], int]:
    return square


@dataclass(frozen=True)
class CountedMake:
    """Leaves a mark for every time that it is called."""

    directory: Path

    def __call__(self) -> Callable[[int], int]:
        number = len(list(self.directory.iterdir()))
        (self.directory / f"{number}-{os.getpid()}").touch()
        return square


@dataclass(frozen=True)
class DieOnce:
    """Takes the worker's process down at item 5, the first time."""

    mark: Path
    driver: int

    def __call__(self) -> Callable[[int], int]:
        return self.work

    def work(self, item: int) -> int:
        if item == 5 and os.getpid() != self.driver and not self.mark.exists():
            self.mark.touch()
            os._exit(1)
        return item + 1


def die(item: int) -> int:
    os._exit(1)


class Unpicklable(Exception):
    def __reduce__(self) -> NoReturn:
        raise TypeError("stays here")


def refuse_to_travel(item: int) -> int:
    raise Unpicklable(f"item {item}")


def test_results_come_in_order(executor: Executor) -> None:
    items = [7, 3, 3, 0, 9, 1, 8]
    with executor.open(make_square) as pool:
        assert pool.workers >= 1
        for chunk in (1, 3, 100, (4, 1, 2)):
            assert list(pool.map(items, chunk)) == [49, 9, 9, 0, 81, 1, 64]
        assert list(pool.map([])) == list(pool.map([], ())) == []
        assert list(pool.map([2], 5)) == [4]


def test_chunks_cover_all_items() -> None:
    assert chunk_bounds(7, 3) == ((0, 3), (3, 6), (6, 7))
    assert chunk_bounds(7, (4, 1, 2)) == ((0, 4), (4, 5), (5, 7))
    assert chunk_bounds(0, ()) == chunk_bounds(0, 4) == ()
    for wrong in ((4, 4), (3, 3), (7, 0)):
        with pytest.raises(ValueError, match="for 7"):
            chunk_bounds(7, wrong)


def test_the_factory_is_called_once_a_worker(executor: Executor, tmp_path: Path) -> None:
    with executor.open(CountedMake(tmp_path)) as pool:
        for _ in range(3):
            list(pool.map(list(range(6))))
        made = [path.name.split("-")[1] for path in tmp_path.iterdir()]
        assert 1 <= len(made) == len(set(made)) <= pool.workers


def test_an_error_arrives_with_its_type_after_the_results_before_it(executor: Executor) -> None:
    with executor.open(make_square) as pool:
        results = pool.map([1, 2, -3, 4], 4)
        assert [next(results), next(results)] == [1, 4]
        with pytest.raises(Refusal, match="-3 is negative"):
            next(results)
        assert list(pool.map([5])) == [25]


def test_an_error_that_cannot_travel_keeps_its_text(executor: Executor) -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Unpicklable())
    with executor.open(lambda: refuse_to_travel) as pool, pytest.raises(Exception, match="item 1"):
        list(pool.map([1]))


def test_a_map_may_be_left_early(executor: Executor) -> None:
    with executor.open(make_square) as pool:
        assert next(iter(pool.map(list(range(20))))) == 0
        assert list(pool.map([6, 7])) == [36, 49]


def test_a_killed_worker_costs_no_result(executor: Executor, tmp_path: Path) -> None:
    mark = tmp_path / "died"
    with executor.open(DieOnce(mark, os.getpid())) as pool:
        assert list(pool.map(list(range(12)), 2)) == list(range(1, 13))
    assert mark.exists() == isinstance(executor, OnRay)


def test_a_chunk_that_kills_every_worker_is_given_up() -> None:
    with (
        OnRay(1).open(lambda: die) as pool,
        pytest.raises(ExecutorError, match="3 workers died of the same 2 items"),
    ):
        list(pool.map([1, 2], 2))


def test_a_search_is_the_same(executor: Executor) -> None:
    options = SearchOptions(trials=40, seed=1)
    assert explore(FakeEvaluator, options, executor) == explore(FakeEvaluator, options)
