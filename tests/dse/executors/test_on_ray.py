"""Ray beyond the contract: starting it, clusters, workers that run other code or keep dying."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from dse.executors import ExecutorError, InProcess, OnRay, executor_for
from dse.executors.on_ray import check_sources
from dse.executors.sources import PACKAGES, package_directory, sources_hash
from dse.points import Evaluation, OuterSetting
from dse.search import Progress, SearchOptions, explore
from tests.dse.search.fake import FakeEvaluator

CLUSTER_SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "PYTHONUNBUFFERED": "1"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a one-node cluster of its own."""
    ray = Path(sys.executable).with_name("ray")
    # On the loopback only, so that no authentication has to be arranged.
    command = [str(ray), "start", "--head", "--port=0", "--node-ip-address=127.0.0.1", "--num-cpus=2"]
    command += ["--include-dashboard=false", "--block"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path_factory.mktemp("cluster"),
        env={**os.environ, **CLUSTER_SETTINGS},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    found = (re.search(r"--address='([\d.:]+)'", line) for line in process.stdout)
    yield next(match.group(1) for match in found if match)
    process.terminate()  # it ends its own children; a signal to all at once makes it wait for them in vain
    process.wait(timeout=30)


def test_starts_on_this_machine_and_searches_as_one_process_does() -> None:
    options = SearchOptions(trials=32, seed=4)
    assert explore(FakeEvaluator, options, OnRay(2)) == explore(FakeEvaluator, options)


@dataclass(frozen=True)
class Known(FakeEvaluator):
    """Leaves a file with the name of its process wherever it evaluates."""

    folder: Path = Path()

    def evaluate(self, setting: OuterSetting) -> Evaluation:
        (self.folder / str(os.getpid())).touch()
        return super().evaluate(setting)


def test_workers_killed_amid_a_search_change_nothing(tmp_path: Path) -> None:
    killed: list[int] = []

    def kill_one(progress: Progress) -> None:
        """One worker after 20 trials, one of those that are left after 40."""
        alive = [
            int(path.name) for path in tmp_path.iterdir() if int(path.name) not in (*killed, os.getpid())
        ]
        if progress.trials >= 20 * (len(killed) + 1) and len(killed) < 2 and alive:
            os.kill(alive[0], signal.SIGKILL)
            killed.append(alive[0])

    options = SearchOptions(trials=80, seed=4)
    found = explore(partial(Known, folder=tmp_path), options, OnRay(2), progress=kill_one)
    assert len(killed) == 2
    assert found == explore(FakeEvaluator, options)


def test_a_cluster_runs_the_code_of_the_driver(cluster: str) -> None:
    command = [sys.executable, "-m", "tests.dse.executors.cluster_driver", cluster]
    environment = {**os.environ, **CLUSTER_SETTINGS}
    driver = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert driver.stdout == "shipped True, same True\n", driver.stderr


def test_no_cluster_there_is_one_clear_line() -> None:
    with (
        pytest.raises(ExecutorError, match=r"Ray at 127\.0\.0\.1:1: ") as caught,
        OnRay(1, "127.0.0.1:1").open(lambda: str),
    ):
        pass
    assert "\n" not in str(caught.value)


def test_other_sources_are_refused() -> None:
    check_sources("a" * 64, ["a" * 64])
    with pytest.raises(ExecutorError, match="worker 1 runs other code"):
        check_sources("a" * 64, ["a" * 64, "b" * 64])


def test_the_hash_follows_names_and_contents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
    monkeypatch.setattr("dse.executors.sources.package_directory", lambda name: tmp_path / name)
    seen = [sources_hash()]
    (tmp_path / "dse" / "a.py").write_text("x = 1\n")
    seen.append(sources_hash())
    (tmp_path / "dse" / "a.py").write_text("x = 2\n")
    seen.append(sources_hash())
    (tmp_path / "dse" / "a.py").rename(tmp_path / "compiler" / "a.py")
    seen.append(sources_hash())
    assert len(set(seen)) == 4
    (tmp_path / "dse" / "notes.txt").write_text("not code")
    assert sources_hash() == seen[-1]


def test_an_unknown_package_is_an_error() -> None:
    with pytest.raises(ModuleNotFoundError):
        package_directory("no_such_package_here")


def test_who_asks_for_one_worker_gets_this_process() -> None:
    assert executor_for() == executor_for(1) == InProcess()
    assert executor_for(4) == OnRay(4)
    assert executor_for(1, "a:1") == OnRay(1, "a:1")
    assert executor_for(None, "a:1") == OnRay(None, "a:1")
    with pytest.raises(ExecutorError, match="0 workers"):
        executor_for(0)


def test_ray_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, dse.executors, dse.search; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
