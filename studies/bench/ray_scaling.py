"""What Ray costs and brings: trials a second in process, with one worker, with two. `make bench-ray`.

The same search, seed and trials everywhere, in turns. Start-up is excluded: a run is timed from the end of
its first batch, in which every worker builds its tables, to its last trial. Wall clock; a machine that does
other work meanwhile shows it in the noise, and its load is printed.
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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ray

from compiler.frontend import load
from costmodels.platform import load_platform
from dse.executors import Executor, InProcess, OnRay
from dse.search import Progress, SearchOptions, SearchResult, explore
from dse.session import EvaluatorOf
from dse.task import Budget, Task

MODELS = Path(__file__).resolve().parents[1] / "models"
BUDGET_BYTES = 256_000
EXECUTORS: Mapping[str, Executor] = {"in process": InProcess(), "1 worker": OnRay(1), "2 workers": OnRay(2)}


@dataclass
class _Watch:
    """Notes when the first batch was told."""

    first: int
    began: float | None = None

    def __call__(self, progress: Progress) -> None:
        if self.began is None and progress.trials >= self.first:
            self.began = time.monotonic()


def timed(task: Task, options: SearchOptions, executor: Executor) -> tuple[SearchResult, float]:
    """A search, and its trials a second after the first batch."""
    watch = _Watch(options.batch)
    result = explore(EvaluatorOf(task), options, executor, progress=watch)
    assert watch.began is not None
    return result, (result.trials - options.batch) / (time.monotonic() - watch.began)


def measured(task: Task, options: SearchOptions, runs: int) -> dict[str, list[float]]:
    """Rates of every executor, in turns. Raises AssertionError where the fronts differ."""
    rates: dict[str, list[float]] = {name: [] for name in EXECUTORS}
    expected: SearchResult | None = None
    for _ in range(runs):
        for name, executor in EXECUTORS.items():
            result, rate = timed(task, options, executor)
            expected = expected or result
            assert result == expected, f"{name} found another front"
            rates[name].append(rate)
    return rates


def report(name: str, rates: Mapping[str, Sequence[float]]) -> None:
    """One line for every executor: median, spread, ratio to in process."""
    base = statistics.median(rates["in process"])
    for who, values in rates.items():
        median = statistics.median(values)
        noise = (max(values) - min(values)) / median
        print(
            f"{name:<24} {who:<11} {median:7.2f} trials/s  "
            f"({min(values):.2f}..{max(values):.2f}, noise {noise:.0%})  {median / base:.2f}x"
        )


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--models", nargs="+", default=["dscnn_int8", "mobilenetv1_025_int8"])
    options.add_argument("--trials", type=int, default=80)
    options.add_argument("--runs", type=int, default=5)
    asked = options.parse_args()
    ray.init(
        address="local", num_cpus=2, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False
    )
    print(f"{os.cpu_count()} cores, load {', '.join(f'{value:.1f}' for value in os.getloadavg())}")
    for model in asked.models:
        task = Task(load(MODELS / f"{model}.onnx"), load_platform("siracusa"), Budget(BUDGET_BYTES))
        rates = measured(task, SearchOptions(trials=asked.trials), asked.runs)
        report(model, rates)
    print(f"load {', '.join(f'{value:.1f}' for value in os.getloadavg())}")
    ray.shutdown()


if __name__ == "__main__":
    main()
