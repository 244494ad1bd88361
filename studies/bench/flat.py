"""The bilevel search against flat Optuna searches over all decisions, at equal time: `make bench-flat`.

Flat means what the field does with Optuna: one categorical parameter for every decision of every layer
(engine, parts of every tiled dimension, loop order, buffering, homes of tensor and parameters, staging), and
the operating point. A trial's decisions go through the very allocator, validator and pricer that `dse
explore` uses. The flat searches are helped where that is cheap: a kernel splits itself over the cores as is
quickest, choices that an engine cannot have are repaired, and what does not fit is still priced, with the
overflow as the constraint value. One of them starts from the policies of `dse.baselines`.

Time is CPU time of one process, set-up included, so that other work on the machine changes nothing. Figures:
share of the best-known hypervolume (union of all runs and of a longer exploration), median of all seeds.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import math
import statistics
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler

from compiler.deployment import DIRECT, L1, L2, L3, TILE, WEIGHT_MEMORIES, WHOLE, Deployment, LayerPlan
from compiler.frontend import load
from compiler.ir import Dim, Operator, Space
from compiler.memory import DoesNotFit
from compiler.schedule import Decisions, LevelCapacities, deploy, footprint
from compiler.schedule.footprint import Footprint
from compiler.tiling import Grid
from costmodels.engines.npu import NpuEngine
from costmodels.pipeline import kernel_time
from costmodels.platform import load_platform
from dse.baselines import baselines
from dse.estimate import Estimator
from dse.front import merge, reference_point, values
from dse.front.quality import volume
from dse.limits import Limits, limits_of
from dse.options.candidates import layout_of, measure
from dse.options.pins import engine_blockers
from dse.points import OBJECTIVES, DesignPoint, OuterSetting
from dse.search import Progress, SearchOptions, Storage, explore
from dse.search.store import read_steps
from dse.session import EvaluatorOf
from dse.task import Budget, Task

MODELS = Path(__file__).resolve().parents[1] / "models"
CASES = (("resnet8_int8", 256_000), ("dscnn_int8", 128_000))
PARTS = (1, 2, 3, 4, 6, 8, 12, 16)
"""Into how many tiles a dimension is cut; sizes are rounded up to what dimension and engine want."""
UNLIMITED = LevelCapacities(dict.fromkeys((L1, L2, L3, *WEIGHT_MEMORIES), 1 << 40))
BEST_KNOWN_TRIALS = 320

Params = Mapping[str, Any]
Tile = tuple[tuple[str, int], ...]
Growth = list[tuple[float, DesignPoint]]
"""Points with the CPU seconds at which they were met."""


# -- the flat space ----------------------------------------------------------------------------------


@dataclass
class FlatSpace:
    """Every decision of a task as one categorical parameter, and the way from choices to a design point."""

    task: Task
    _needs: dict[LayerPlan, Footprint] = field(default_factory=dict)
    _splits: dict[object, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def limits(self) -> Limits:
        return limits_of(self.task)

    @cached_property
    def estimator(self) -> Estimator:
        return Estimator(self.task)

    @cached_property
    def layers(self) -> tuple[tuple[Operator, Space], ...]:
        graph = self.task.module.main
        return tuple((op, op.space(graph.by_name)) for op in graph.operators)

    @cached_property
    def ends(self) -> frozenset[str]:
        graph = self.task.module.main
        return frozenset((*graph.inputs, *graph.outputs))

    @cached_property
    def distributions(self) -> dict[str, CategoricalDistribution]:
        """The search space of all samplers; what leaves no choice is no parameter."""
        points = [point.name for point in self.task.platform.operating_points]
        found: dict[str, list[str] | list[int]] = {"operating_point": points}
        far = [L3] if self.limits.has_l3 else []
        for op, space in self.layers:
            found[f"{op.name}.engine"] = self.engines(op)
            for dim in space.dims:
                if dim.tileable:
                    found[f"{op.name}.{dim.name}"] = [k for k in PARTS if k <= dim.extent]
            found[f"{op.name}.order"] = list(range(len(space.orders)))
            found[f"{op.name}.buffering"] = [1, 2]
            if op.output not in self.ends:
                found[f"{op.name}.home"] = [L2, L1, *far]
            if space.param_dims:
                found[f"{op.name}.params"] = list(self.limits.param_homes)
            found[f"{op.name}.staging"] = [TILE, WHOLE] if far else [TILE]
        return {name: CategoricalDistribution(tuple(c)) for name, c in found.items() if len(c) > 1}

    def engines(self, op: Operator) -> list[str]:
        """Engines that can run a layer."""
        return [engine.name for engine in self.task.platform.engines if not engine_blockers(op, engine)]

    def point(self, params: Params) -> tuple[DesignPoint, float]:
        """The design point that choices stand for, and by how much it exceeds a memory (0: it fits)."""
        decisions = self._decisions(params)
        name = params.get("operating_point", self.task.platform.point().name)
        made = self._deploy(name, decisions, LevelCapacities(self.limits.capacities))
        if isinstance(made, DoesNotFit):
            made = self._deploy(name, decisions, UNLIMITED)
        assert isinstance(made, Deployment)
        setting = OuterSetting(made.peak_bytes(L1), made.peak_bytes(L2), name, True, 0.0)
        return self.estimator.design_point(setting, made, "flat"), self._overflow(made)

    def _deploy(self, name: str, decisions: Decisions, room: LevelCapacities) -> Deployment | DoesNotFit:
        return deploy(self.task.module, self.task.platform.name, name, decisions, room)

    def _overflow(self, made: Deployment) -> float:
        peaks = {level: made.peak_bytes(level) for level in self.limits.capacities}
        pairs = [(peaks[level], room) for level, room in self.limits.capacities.items()]
        pairs.append((sum(peaks[level] for level in self.limits.on_chip_levels), self.limits.on_chip_bytes))
        return max(0.0, *(need / max(room, 1) - 1.0 for need, room in pairs))

    def _decisions(self, params: Params) -> Decisions:
        graph = self.task.module.main
        homes = dict.fromkeys(self.ends, self.task.io_home)
        homes |= {
            op.output: params.get(f"{op.name}.home", L2)
            for op, _ in self.layers
            if op.output not in self.ends
        }
        plans, needs, params_at = [], [], {}
        for op, space in self.layers:
            engine = params.get(f"{op.name}.engine", self.engines(op)[0])
            at = params.get(f"{op.name}.params", L2)
            readable = isinstance(self.task.platform.engine_of[engine], NpuEngine) and op.has_weights
            params_at[op.name] = L2 if at in WEIGHT_MEMORIES and not readable else at
            plan = self._plan(op, space, engine, params, homes, params_at[op.name])
            if plan not in self._needs:
                self._needs[plan] = footprint(op, op.space(graph.by_name), plan)
            plans.append(plan)
            needs.append(self._needs[plan])
        return Decisions(tuple(plans), tuple(needs), homes, params_at)

    def _plan(
        self, op: Operator, space: Space, engine: str, params: Params, homes: Mapping[str, str], at: str
    ) -> LayerPlan:
        name, owner = op.name, self.task.platform.engine_of[engine]
        far = params.get(f"{name}.staging", TILE)
        streams = (*(homes[tensor] for tensor in op.inputs), at, homes[op.output])
        order = space.orders[params.get(f"{name}.order", 0)]
        tile = tuple((dim.name, _size(dim, params.get(f"{name}.{dim.name}", 1), owner)) for dim in space.dims)
        return LayerPlan(
            operator=name,
            engine=engine,
            layout=layout_of(owner),
            tile=tile,
            order=order,
            split=self._split(op, space, engine, order, tile),
            buffering=params.get(f"{name}.buffering", 2),
            staging=tuple(far if home == L3 else DIRECT for home in streams),
        )

    def _split(
        self, op: Operator, space: Space, engine: str, order: tuple[str, ...], tile: Tile
    ) -> tuple[str, ...]:
        """The quickest; found once for every tile."""
        key = (op.name, engine, order, tile)
        if key not in self._splits:
            owner = self.task.platform.engine_of[engine]
            grid = Grid(space, np.array([[size for _, size in tile]], np.int64))
            c = measure(op, space, engine, layout_of(owner), order, grid)
            number = int(np.asarray(kernel_time(owner, space.spec, c.classes).split).flat[0])
            self._splits[key] = space.spec.splits[number]
        return self._splits[key]


def _size(dim: Dim, parts: int, engine: object) -> int:
    """ceil(extent / parts), rounded up to the dimension's granule and, on an NPU, to its own tile."""
    size, steps = -(-dim.extent // parts), dim.granule
    if isinstance(engine, NpuEngine):
        if dim.name == "i":
            return dim.extent
        limits = engine.constraints
        own = {"o": limits.k_out_tile, "g": limits.depthwise_tile}.get(dim.name, engine.timing.tile_side)
        steps = math.lcm(steps, own)
    return min(dim.extent, -(-size // steps) * steps)


# -- the searches ------------------------------------------------------------------------------------


def _tpe(seed: int) -> BaseSampler:
    return TPESampler(seed=seed)


SAMPLERS: Mapping[str, Callable[[int], BaseSampler]] = {
    "flat random": lambda seed: RandomSampler(seed=seed),
    "flat TPE": _tpe,
    "flat NSGA-II": lambda seed: NSGAIISampler(seed=seed),
    "flat NSGA-II, seeded": lambda seed: NSGAIISampler(seed=seed),
}


@dataclass(frozen=True)
class Run:
    """What a search met, how many trials it made and how many of them fitted."""

    growth: Growth
    trials: int
    feasible: int


def flat(task: Task, sampler: str, seed: int, seconds: float) -> Run:
    """Optuna over all decisions for that much CPU time."""
    begin = time.process_time()
    space, growth, trials = FlatSpace(task), [], 0
    study = optuna.create_study(directions=["minimize"] * 3, sampler=SAMPLERS[sampler](seed))
    if sampler.endswith("seeded"):
        for params in seeds_of(task, space):
            study.enqueue_trial(dict(params))
    while time.process_time() - begin < seconds:
        trial = study.ask(dict(space.distributions))
        point, over = space.point(trial.params)
        trial.set_constraint("fits", over)
        study.tell(trial, [point.objective(name) for name in OBJECTIVES])
        trials += 1
        if over <= 0:
            growth.append((time.process_time() - begin, point))
    return Run(growth, trials, len(growth))


def seeds_of(task: Task, space: FlatSpace) -> Iterator[Params]:
    """The policies of `dse.baselines` in the words of the flat space, as near as its parts come."""
    for found in baselines(task):
        if found.point is None:
            continue
        deployment = found.point.deployment
        chosen: dict[str, Any] = {"operating_point": deployment.operating_point}
        for (op, layer), plan in zip(space.layers, deployment.plans, strict=True):
            wanted = {"engine": plan.engine, "order": layer.orders.index(plan.order)}
            wanted |= {"buffering": plan.buffering, "home": deployment.home_of[op.output]}
            wanted |= {"params": deployment.param_home_of[op.name], "staging": WHOLE}
            wanted |= {dim.name: _parts(dim, plan.sizes[dim.name]) for dim in layer.dims if dim.tileable}
            chosen |= {f"{op.name}.{key}": value for key, value in wanted.items()}
        yield {key: value for key, value in chosen.items() if key in space.distributions}


def _parts(dim: Dim, size: int) -> int:
    """The number of parts on offer that is nearest to a tile's own."""
    own = -(-dim.extent // size)
    return min((k for k in PARTS if k <= dim.extent), key=lambda k: (abs(k - own), k))


def bilevel(task: Task, seed: int, seconds: float = math.inf, trials: int | None = None) -> Run:
    """`dse explore`'s own search, stopped at that much CPU time."""
    begin, ends, stop = time.process_time(), dict[int, float](), threading.Event()

    def watch(progress: Progress) -> None:
        now = time.process_time() - begin
        ends[progress.trials] = now
        if now >= seconds:
            stop.set()

    options = SearchOptions(trials=trials, seconds=None if trials else 1e9, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        storage = Storage(Path(folder))
        result = explore(EvaluatorOf(task), options, storage=storage, progress=watch, stop=stop)
        steps, _ = read_steps(storage.points)
    growth = [(ends[step.trials], point) for step in steps for point in step.points]
    return Run(growth, result.trials, len(growth))


# -- the report --------------------------------------------------------------------------------------


def share(growth: Growth, until: float, best: Sequence[DesignPoint]) -> float:
    """Hypervolume of what was met until then, as a share of the best-known front's."""
    reference = reference_point(best, OBJECTIVES)
    front = merge((point for seconds, point in growth if seconds <= until), OBJECTIVES)
    inside = [row for row in values(front, OBJECTIVES) if (row < reference).all()] if front else []
    reached = volume(np.array(inside), reference) if inside else 0.0
    return reached / volume(values(best, OBJECTIVES), reference)


Runs = Mapping[str, Sequence[Run]]


def all_runs(task: Task, seconds: float, seeds: int) -> tuple[Runs, tuple[DesignPoint, ...]]:
    """Runs of all searches on one task, by search, and the best-known front."""
    runs: dict[str, list[Run]] = {name: [] for name in ("bilevel", *SAMPLERS)}
    for seed in range(seeds):
        runs["bilevel"].append(bilevel(task, seed, seconds))
        for name in SAMPLERS:
            runs[name].append(flat(task, name, seed, seconds))
    reference = bilevel(task, 99, trials=BEST_KNOWN_TRIALS).growth
    everything = [point for each in runs.values() for run in each for _, point in run.growth]
    return runs, merge((*everything, *(point for _, point in reference)), OBJECTIVES)


def shares(task: Task, seconds: float, seeds: int) -> Mapping[str, list[float]]:
    """By search: the share of the best-known hypervolume at the end of every run."""
    runs, best = all_runs(task, seconds, seeds)
    return {name: [share(run.growth, seconds, best) for run in each] for name, each in runs.items()}


def compare(task: Task, seconds: float, seeds: int) -> None:
    """All searches on one task; prints a line for each."""
    runs, best = all_runs(task, seconds, seeds)
    sizes = f"{len(task.module.main.operators)} layers, {task.budget.on_chip_bytes} B"
    known = f"{len(best)} points best known, {len(FlatSpace(task).distributions)} flat parameters"
    print(f"{task.module.name}, {sizes}: {known}")
    times = [seconds / 10, seconds / 3, seconds]
    print(f"{'':<22} {'trials':>7} {'fit':>5}  " + "  ".join(f"{t:>15.3g} s" for t in times))
    for name, each in runs.items():
        cells = [_spread([share(run.growth, until, best) for run in each]) for until in times]
        trials = statistics.median(run.trials for run in each)
        fitted = sum(run.feasible for run in each) / sum(run.trials for run in each)
        fit = "-" if name == "bilevel" else f"{fitted:.0%}"
        print(f"{name:<22} {trials:>7.0f} {fit:>5}  " + "  ".join(f"{cell:>17}" for cell in cells))


def _spread(shares: Sequence[float]) -> str:
    return f"{statistics.median(shares):.3f} ({min(shares):.2f}..{max(shares):.2f})"


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=10.0)
    options.add_argument("--seeds", type=int, default=3)
    asked = options.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore")
    for model, budget_bytes in CASES:
        task = Task(load(MODELS / f"{model}.onnx"), load_platform("siracusa"), Budget(budget_bytes))
        compare(task, asked.seconds, asked.seeds)


if __name__ == "__main__":
    main()
