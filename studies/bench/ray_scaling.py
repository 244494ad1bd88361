"""What Ray costs and brings: trials a second in process, with one worker, with two. `make bench-ray`.

The same search, seed and trials everywhere, in turns. Start-up is excluded: a run is timed from the end of
its first batch, in which every worker builds its tables, to the end of its last. Two rates are given. `wall`
is what a clock says, and so depends on what else the machine does (its load is printed). `cpu` is what the
clock would say with a free core for every process: in each batch the driver's CPU time, then the CPU time of
the busiest worker, as if the driver never worked beside its workers. Refinement, which the driver does alone,
is left out.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import argparse
import logging
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import ray

from compiler.frontend import load
from costmodels.platform import load_platform
from dse.collector import rare_collections
from dse.evaluator import ProblemEvaluator
from dse.executors import Executor, InProcess, OnRay
from dse.points import Evaluation, OuterSetting
from dse.search import Progress, SearchOptions, SearchResult, explore
from dse.session import EvaluatorOf
from dse.task import Budget, Task

MODELS = Path(__file__).resolve().parents[1] / "models"
BUDGET_BYTES = 256_000
EXECUTORS: Mapping[str, Executor] = {"in process": InProcess(), "1 worker": OnRay(1), "2 workers": OnRay(2)}


def cpu_seconds(process: int) -> float:
    """CPU time of a process, from /proc (Linux)."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def workers() -> dict[int, float]:
    """CPU time of every actor of this Ray, by process."""
    found = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError):  # processes come and go
            if entry.name.isdecimal() and (entry / "cmdline").read_bytes().startswith(b"ray::_Worker"):
                found[int(entry.name)] = cpu_seconds(int(entry.name))
    return found


@dataclass(frozen=True)
class _Instant:
    wall: float
    driver: float
    workers: Mapping[int, float]


@dataclass
class _Watch:
    """Notes the time at the end of every batch; `spent`: CPU seconds of its own looking, not counted."""

    batch: int
    instants: dict[int, _Instant] = field(default_factory=dict)
    spent: float = 0.0

    def __call__(self, progress: Progress) -> None:
        if progress.trials % self.batch == 0 and progress.trials not in self.instants:
            begin = time.process_time()
            self.instants[progress.trials] = _Instant(time.monotonic(), begin - self.spent, workers())
            self.spent += time.process_time() - begin

    def rates(self) -> tuple[float, float]:
        """Trials a second from the end of the first batch: by the clock, and with a free core for each."""
        trials, instants = list(self.instants), list(self.instants.values())
        cpu = 0.0
        for before, after in pairwise(instants):
            spent = [total - before.workers.get(process, 0.0) for process, total in after.workers.items()]
            cpu += after.driver - before.driver + max(spent, default=0.0)
        count = trials[-1] - trials[0]
        return count / (instants[-1].wall - instants[0].wall), count / cpu


Rates = dict[str, list[tuple[float, float]]]


def measured(task: Task, options: SearchOptions, runs: int) -> Rates:
    """Rates of every executor, in turns. Raises AssertionError where the fronts differ."""
    rates: Rates = {name: [] for name in EXECUTORS}
    expected: SearchResult | None = None
    for _ in range(runs):
        for name, executor in EXECUTORS.items():
            watch = _Watch(options.batch)
            with rare_collections():
                result = explore(EvaluatorOf(task, None), options, executor, progress=watch)
            expected = expected or result
            assert result == expected, f"{name} found another front"
            rates[name].append(watch.rates())
    return rates


def points_a_trial(task: Task, options: SearchOptions) -> float:
    """Deployments allocated, validated and priced a trial, those of the first batch left out. Settings that
    were asked before make none."""
    made: list[int] = []
    ends: list[int] = []

    class Counting(ProblemEvaluator):
        def evaluate(self, setting: OuterSetting) -> Evaluation:
            found = super().evaluate(setting)
            made.append(len(found.others) + (found.point is not None))
            return found

    def note(progress: Progress) -> None:
        if progress.trials == options.batch:
            ends.append(len(made))

    result = explore(lambda: Counting(task, refining=None), options, progress=note)
    return sum(made[ends[-1] :]) / (result.trials - options.batch)


@contextmanager
def local_ray() -> Iterator[None]:
    """Two CPUs of this machine."""
    quiet = {"include_dashboard": False, "logging_level": logging.ERROR, "log_to_driver": False}
    ray.init(address="local", num_cpus=2, **quiet)
    try:
        yield
    finally:
        ray.shutdown()


def report(model: str, rates: Rates) -> None:
    """A line for every executor and clock: median, spread, ratio to in process."""
    for clock, which in (("wall", 0), ("cpu", 1)):
        base = statistics.median(pair[which] for pair in rates["in process"])
        for who, pairs in rates.items():
            values = [pair[which] for pair in pairs]
            median = statistics.median(values)
            noise = (max(values) - min(values)) / median
            spread = f"({min(values):.1f}..{max(values):.1f}, noise {noise:.0%}, {len(values)} runs)"
            label = f"{model:<22} {clock:<4} {who:<10}"
            print(f"{label} {median:6.1f} trials/s  {spread:<38} {median / base:.2f}x")


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--models", nargs="+", default=["dscnn_int8", "mobilenetv1_025_int8"])
    options.add_argument("--trials", type=int, default=80)
    options.add_argument("--runs", type=int, default=5)
    asked = options.parse_args()
    print(f"{os.cpu_count()} cores, load {', '.join(f'{value:.1f}' for value in os.getloadavg())}")
    with local_ray():
        for model in asked.models:
            task = Task(load(MODELS / f"{model}.onnx"), load_platform("siracusa"), Budget(BUDGET_BYTES))
            rates = measured(task, SearchOptions(trials=asked.trials), asked.runs)
            report(model, rates)
    print(f"load {', '.join(f'{value:.1f}' for value in os.getloadavg())}")


if __name__ == "__main__":
    main()
