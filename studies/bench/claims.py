"""One table of what the search is asked to reach: `make bench`, after the rates of its parts.

Every row has the median of several runs, their range, the noise (largest - least) / median, and what is
asked for. Seconds are CPU seconds. Rates of several processes are given by the clock, and as `cpu`, which is
what the clock would say with a free core for every process (`ray_scaling.py`): only that can be read on a
busy machine. A design point is an allocated, validated, priced deployment; a trial makes up to seventeen of
its inner front.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna

from compiler.frontend import load
from costmodels.platform import load_platform
from dse.collector import rare_collections
from dse.search import SearchOptions
from dse.task import Budget, Task
from studies.bench import deep, flat, ray_scaling
from studies.bench.evaluation import first_front_seconds

MODELS = Path(__file__).resolve().parents[1] / "models"
MOBILENET, DSCNN = "mobilenetv1_025_int8", "dscnn_int8"
RATE_BYTES = 1_000_000
TRIALS = 64
NODES = 500
RUNS = 5
FLAT_SECONDS = 10.0


@dataclass(frozen=True)
class Claim:
    """values: of all runs. goal: what is asked for, at least or at most."""

    what: str
    values: tuple[float, ...]
    goal: float
    at_least: bool

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def holds(self) -> bool:
        return self.median >= self.goal if self.at_least else self.median <= self.goal

    def row(self) -> str:
        """A line of the table."""
        low, high = min(self.values), max(self.values)
        noise = (high - low) / self.median if self.median else 0.0
        asked = f"{'>=' if self.at_least else '<='} {_figure(self.goal)}"
        spread = f"{_figure(low)}..{_figure(high)}"
        return (
            f"{self.what:<58} {_figure(self.median):>8}  {spread:<17} {noise:>5.0%} {len(self.values):>4}  "
            f"{asked:<9} {self.median / self.goal:>5.2f}  {'yes' if self.holds else 'no'}"
        )


def _figure(value: float) -> str:
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def first_front(runs: int) -> Claim:
    """CPU seconds of a process until its first setting is evaluated."""
    seconds = tuple(first_front_seconds()[0] for _ in range(runs))
    return Claim("first front, MobileNetV1-0.25, CPU s", seconds, 3.0, False)


def deep_network(runs: int) -> Claim:
    """CPU seconds of one process for a network of 500 nodes."""
    with rare_collections():
        seconds = tuple(deep.explored_seconds(NODES)[0] for _ in range(runs))
    return Claim(f"{NODES} nodes explored, one process, CPU s", seconds, 60.0, False)


def workers(model: str, budget_bytes: int, runs: int, rate: bool) -> list[Claim]:
    """What one and two workers make of the throughput; with `rate`, points a minute of two workers too."""
    task = Task(load(MODELS / f"{model}.onnx"), load_platform("siracusa"), Budget(budget_bytes))
    options = SearchOptions(trials=TRIALS)
    rates = ray_scaling.measured(task, options, runs)
    claims = []
    for clock, which in (("clock", 0), ("cpu", 1)):
        base = statistics.median(pair[which] for pair in rates["in process"])
        one, two = (tuple(pair[which] for pair in rates[name]) for name in ("1 worker", "2 workers"))
        claims.append(Claim(f"{model}, 1 worker / in process, {clock}", _divided(one, base), 0.9, True))
        claims.append(Claim(f"{model}, 2 workers / in process, {clock}", _divided(two, base), 1.4, True))
        if rate:
            points = ray_scaling.points_a_trial(task, options)
            made = tuple(60 * points * each for each in two)
            claims.append(Claim(f"{model}, points a minute, 2 workers, {clock}", made, 10_000, True))
    return claims


def _divided(values: Sequence[float], base: float) -> tuple[float, ...]:
    return tuple(value / base for value in values)


def flat_shares(model: str, budget_bytes: int, seeds: int) -> list[Claim]:
    """Share of the best-known hypervolume at equal CPU time; flat searches are asked for no share."""
    task = Task(load(MODELS / f"{model}.onnx"), load_platform("siracusa"), Budget(budget_bytes))
    shares = flat.shares(task, FLAT_SECONDS, seeds)
    best_flat = max(statistics.median(each) for name, each in shares.items() if name != "bilevel")
    return [
        Claim(f"{model}, share of hypervolume, {name}", tuple(each), best_flat, True)
        for name, each in shares.items()
    ]


HEADER = f"{'':<58} {'median':>8}  {'range':<17} {'noise':>5} {'runs':>4}  {'goal':<9} {'ratio':>5}  reached"


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=RUNS)
    options.add_argument("--flat-seeds", type=int, default=0, help="0: without the flat searches")
    asked = options.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print(f"{os.cpu_count()} cores, load {_load()} at the start")
    print(HEADER)
    _show([first_front(asked.runs)])
    with ray_scaling.local_ray():
        _show(workers(MOBILENET, RATE_BYTES, asked.runs, rate=True))
        _show(workers(DSCNN, ray_scaling.BUDGET_BYTES, asked.runs, rate=False))
    _show([deep_network(max(1, asked.runs // 2))])
    for model, budget_bytes in flat.CASES if asked.flat_seeds else ():
        _show(flat_shares(model, budget_bytes, asked.flat_seeds))
    print(f"load {_load()} at the end")


def _show(claims: Sequence[Claim]) -> None:
    for claim in claims:
        print(claim.row(), flush=True)


def _load() -> str:
    return ", ".join(f"{value:.1f}" for value in os.getloadavg())


if __name__ == "__main__":
    main()
