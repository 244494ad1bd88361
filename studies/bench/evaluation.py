"""How fast candidates are priced and deployments evaluated: `make bench`.

On MobileNetV1-0.25 for Siracusa under 1 MB, one process, CPU time, several runs of each measurement:

- a convolution of a size that ImageNet networks have, from bare dimensions to prices (`candidates.py`).
- tile candidates: the tilings that the explorer itself enumerates for every distinct layer, engine and loop
  order, their kernel time known, priced with `price_layer` from bare counts (every stream, pipeline,
  energy); the same for more tilings of each layer.
- deployments: design points of the explorer's own settings, from their decisions: buffers, static allocation
  of every level, validation, price of every layer. "Plans known": every layer's plan occurred in a deployment
  before, as most do in a search, and its price and buffers are remembered; every deployment is allocated,
  validated and summed anew. "Plans new": nothing is remembered from before the run.
- design points: the same from the solver's choice on (decisions, footprints), as a search makes them: with
  nothing remembered, and again.
- settings: what one trial costs, inner solver included, with the option tables built.
- first front: from the start of a process to the first evaluated setting and its points, imports and option
  tables included: CPU time and time by the clock, which another load of the machine lengthens.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path

from compiler.deployment import L2, Deployment
from compiler.frontend import load
from compiler.ir import Module
from compiler.ops.engines import npu_blockers
from compiler.schedule import Decisions, Deployer, LevelCapacities, footprint
from compiler.schedule.legality import scheduled
from costmodels.engines.npu import NpuEngine
from costmodels.layer import LayerWork, candidate_count
from costmodels.pipeline import price_layer
from costmodels.platform import Platform, load_platform
from dse.estimate import Estimator
from dse.evaluator import OTHERS, ProblemEvaluator
from dse.options.candidates import Candidates, Effort, layer_candidates
from dse.options.homes import NONE, HomeChoice, Mode, streams
from dse.points import DesignPoint, OuterSetting
from dse.solver.solve import Solution
from dse.spread import asked_for, spread
from dse.task import Budget, Task
from studies.bench.candidates import ConvLayer

MODEL = Path(__file__).resolve().parents[1] / "models" / "mobilenetv1_025_int8.onnx"
BUDGET_BYTES = 1_000_000
RUNS = 5
REPEATS = 3
CONVOLUTIONS = 10
"""Convolutions a run: one takes milliseconds."""
ALIGNMENT_BYTES = 4
FINE = Effort(sizes=(("y", 24), ("x", 16), ("i", 8), ("n", 64)), other=32, candidates=100_000)
"""More sizes by dimension than the explorer tries: longer arrays."""


@dataclass(frozen=True)
class Rates:
    """Items a CPU second of several runs."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def noise(self) -> float:
        """(largest - least) / median."""
        return (max(self.values) - min(self.values)) / self.median


def measure(work: Callable[[], int], runs: int = RUNS) -> Rates:
    """Rates of `work`, which returns how many items it did; one run before goes unmeasured."""
    work()
    return Rates(tuple(_rate(work) for _ in range(runs)))


def _rate(work: Callable[[], int]) -> float:
    start = time.process_time()
    done = work()
    return done / (time.process_time() - start)


# -- tile candidates ---------------------------------------------------------------------------------


def candidate_sets(module: Module, platform: Platform, effort: Effort) -> Iterator[Candidates]:
    """The tilings of every distinct layer, on every engine that may run it, in every loop order."""
    graph = module.main
    l1_bytes = platform.level_of["l1"].usable_bytes
    seen = set()
    for op in graph:
        space = op.space(graph.by_name)
        if (space.spec, space.dims) in seen:
            continue
        seen.add((space.spec, space.dims))
        for engine in platform.engines:
            if not (isinstance(engine, NpuEngine) and npu_blockers(op, engine.constraints)):
                yield from layer_candidates(op, space, engine, l1_bytes, effort)


def work_of(candidates: Candidates, module: Module) -> LayerWork:
    """Double-buffered, everything at home in L2."""
    op, tensors = candidates.operator, module.main.by_name
    params = L2 if int(candidates.params.region_bytes.max(initial=0)) else NONE
    choice = HomeChoice((L2,) * len(op.inputs), L2, params)
    mode = Mode(2, ("direct",) * (len(op.inputs) + 2))
    sizes = tuple(tensors[name].bytes for name in (*op.inputs, op.output))
    return streams(candidates, choice, mode, sizes).work


def price_all(platform: Platform, works: Sequence[LayerWork], repeats: int) -> int:
    """Price everything some times; the number of candidates priced."""
    for _ in range(repeats):
        for work in works:
            price_layer(platform, work)
    return repeats * sum(map(candidate_count, works))


# -- deployments -------------------------------------------------------------------------------------


def explored_points(evaluator: ProblemEvaluator) -> Iterator[DesignPoint]:
    """All points of the explorer's own first settings."""
    for choices, position in evaluator.seeds():
        found = evaluator.evaluate(evaluator.setting(choices, position))
        yield from (point for point in (found.point, *found.others) if point is not None)


def decisions_of(module: Module, deployment: Deployment) -> Decisions:
    """A deployment without its addresses."""
    graph = scheduled(module.main, deployment)
    needs = tuple(
        footprint(op, op.space(graph.by_name), plan)
        for op, plan in zip(graph.operators, deployment.plans, strict=True)
    )
    homes = deployment.home_of, deployment.param_home_of
    return Decisions(deployment.plans, needs, *homes, deployment.segments)


@dataclass(frozen=True)
class Evaluations:
    """Deployments of one task, to be made and priced again."""

    task: Task
    capacities: LevelCapacities
    points: tuple[DesignPoint, ...]
    decisions: tuple[Decisions, ...]

    def evaluate(self) -> int:
        """Allocate, validate and price all, with nothing remembered; the number of deployments."""
        return self._evaluated(self._deployer(), Estimator(self.task))

    def evaluate_known(self) -> Callable[[], int]:
        """The same for who has met every layer's plan."""
        deployer, estimator = self._deployer(), Estimator(self.task)
        return partial(self._evaluated, deployer, estimator)

    def _evaluated(self, deployer: Deployer, estimator: Estimator) -> int:
        for point, decisions in zip(self.points, self.decisions, strict=True):
            deployment = deployer.deploy(point.setting.operating_point, decisions)
            assert isinstance(deployment, Deployment)
            found = estimator.design_point(point.setting, deployment, point.source)
            assert (found.latency_ms, found.energy_uj) == (point.latency_ms, point.energy_uj)
        return len(self.points)

    def allocate(self) -> int:
        """Only the first half: buffers, addresses, validation."""
        deployer = self._deployer()
        for point, decisions in zip(self.points, self.decisions, strict=True):
            assert isinstance(deployer.deploy(point.setting.operating_point, decisions), Deployment)
        return len(self.points)

    def _deployer(self) -> Deployer:
        return Deployer(self.task.module, self.task.platform.name, self.capacities)


def evaluations(task: Task) -> Evaluations:
    """Every distinct deployment that the first settings lead to."""
    evaluator = ProblemEvaluator(task)
    points = tuple({point.deployment.to_json(): point for point in explored_points(evaluator)}.values())
    decisions = tuple(decisions_of(task.module, point.deployment) for point in points)
    return Evaluations(task, LevelCapacities(evaluator.limits.capacities), points, decisions)


def settings(task: Task) -> Callable[[], int]:
    """Evaluate the first settings, with the option tables built, under arenas that were not asked for yet."""
    evaluator = ProblemEvaluator(task)
    list(explored_points(evaluator))
    asked = count(1)

    def evaluate() -> int:
        smaller = ALIGNMENT_BYTES * next(asked)
        chosen = [evaluator.setting(choices, position) for choices, position in evaluator.seeds()]
        for setting in chosen:
            evaluator.evaluate(replace(setting, arena_bytes=setting.arena_bytes - smaller))
        return len(chosen)

    return evaluate


# -- design points as a search makes them --------------------------------------------------------------


@dataclass(frozen=True)
class Realisations:
    """Points of the fronts of the explorer's first settings, to be realised by evaluators of the task."""

    task: Task
    chosen: tuple[tuple[OuterSetting, Solution, int], ...]

    @classmethod
    def of(cls, task: Task) -> Realisations:
        """The points that a search realises of each of its first settings."""
        evaluator = ProblemEvaluator(task)
        chosen: list[tuple[OuterSetting, Solution, int]] = []
        for choices, position in evaluator.seeds():
            setting = evaluator.setting(choices, position)
            solution = evaluator.solution(setting)
            if solution.feasible:
                objectives = solution.objectives("memory" in task.objectives)
                wanted = asked_for(objectives, setting.position)
                points = (wanted, *spread(objectives, wanted, OTHERS))
                chosen += [(setting, solution, index) for index in points]
        return cls(task, tuple(chosen))

    def rates(self, runs: int) -> tuple[Rates, Rates]:
        """Rates of fresh evaluators, whose option tables are built, and of the same once more."""
        rates = [self._run() for _ in range(runs + 1)][1:]
        return Rates(tuple(first for first, _ in rates)), Rates(tuple(again for _, again in rates))

    def _run(self) -> tuple[float, float]:
        evaluator = ProblemEvaluator(self.task)
        for setting, _, _ in self.chosen:
            evaluator.solution(setting)  # builds the option tables

        def realise() -> int:
            return sum(isinstance(evaluator.realise(*each), DesignPoint) for each in self.chosen)

        return _rate(realise), _rate(realise)


FIRST = """
from pathlib import Path
from dse.collector import collect_rarely
collect_rarely()
from dse.cli.commands import explore
from compiler.frontend import import_model
from costmodels.platform import load_platform
from dse.session import EvaluatorOf
from dse.task import Budget, Task
task = Task(import_model(Path({model!r})).module, load_platform("siracusa"), Budget({budget}))
evaluator = EvaluatorOf(task)()
assert evaluator.infeasible() is None
setting = evaluator.setting(*evaluator.seeds()[-1])
print(len(evaluator.evaluate(setting).others))
"""


def first_front_seconds() -> tuple[float, float]:
    """CPU and wall clock seconds of a process that imports the command, reads the model and evaluates one
    setting."""
    before = os.times()
    text = FIRST.format(model=str(MODEL), budget=BUDGET_BYTES)
    subprocess.run([sys.executable, "-c", text], check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return cpu, after.elapsed - before.elapsed


# -- the report --------------------------------------------------------------------------------------


def main() -> None:
    """Measure and print."""
    task = Task(load(MODEL), load_platform("siracusa"), Budget(BUDGET_BYTES))
    print(f"{task.module.name}, {len(task.module.main.operators)} layers, on {task.platform.name}")
    report_convolution()
    report_candidates(task.module, task.platform)
    report_deployments(task)
    report_points(task)


def report_convolution() -> None:
    """Rates from bare dimensions to prices, by engine."""
    layer = ConvLayer()
    for name in ("siracusa", "rv32sim"):
        platform = load_platform(name)
        for engine in platform.engines:
            price = partial(layer.price, platform, engine, CONVOLUTIONS)
            _print(f"tilings from nothing, {name} {engine.name}", measure(price))


def report_points(task: Task) -> None:
    """Rates of making design points, and the time to the first ones."""
    chosen = Realisations.of(task)
    first, again = chosen.rates(RUNS)
    print(f"{len(chosen.chosen)} design points")
    _print("design points made, nothing remembered", first)
    _print("design points made, again", again)
    report_first_front()


def report_first_front() -> None:
    """Median of several processes."""
    cpu, wall = zip(*(first_front_seconds() for _ in range(RUNS)), strict=True)
    for seconds, clock in ((cpu, "CPU s"), (wall, "s by the clock")):
        middle, noise = statistics.median(seconds), max(seconds) - min(seconds)
        print(f"first front after {middle:.2f} {clock} (noise {noise / middle:.0%}, {RUNS} runs)")


def report_candidates(module: Module, platform: Platform) -> None:
    """Rates of pricing tile candidates."""
    works = [work_of(candidates, module) for candidates in candidate_sets(module, platform, Effort())]
    many = [work_of(candidates, module) for candidates in candidate_sets(module, platform, FINE)]
    print(
        f"{len(works)} sets of {sum(map(candidate_count, works))} tile candidates, "
        f"{sum(map(candidate_count, many))} when tried finely"
    )
    bare = _print("tile candidates priced", measure(lambda: price_all(platform, works, REPEATS)))
    fine = _print("tile candidates priced, fine tilings", measure(lambda: price_all(platform, many, 1)))
    print(f"fine / default: {fine.median / bare.median:.2f}")


def report_deployments(task: Task) -> None:
    """Rates of evaluating deployments and settings."""
    batch = evaluations(task)
    print(f"{len(batch.points)} deployments")
    _print("deployments evaluated, plans new", measure(batch.evaluate))
    known = _print("deployments evaluated, plans known", measure(batch.evaluate_known()))
    allocated = _print("deployments allocated and validated", measure(batch.allocate))
    _print("settings evaluated, inner solver included", measure(settings(task), runs=3))
    print(f"share of allocation: {known.median / allocated.median:.0%}")


def _print(what: str, rates: Rates) -> Rates:
    print(
        f"{what:<42} {_figure(rates.median):>9} /s  "
        f"({_figure(min(rates.values))}..{_figure(max(rates.values))}, noise {rates.noise:.0%}, "
        f"{len(rates.values)} runs)"
    )
    return rates


def _figure(value: float) -> str:
    return f"{value / 1e6:.2f} M" if value >= 1e6 else f"{value:.3g}" if value < 100 else f"{value:,.0f}"


if __name__ == "__main__":
    main()
