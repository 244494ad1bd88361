"""The search over pairs: each graph alone, then both under what good deployments decide alike."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from compiler.memory import DoesNotFit
from dse.evaluator import ProblemEvaluator
from dse.executors import Executor, InProcess
from dse.front import choose, merge
from dse.limits import limits_of
from dse.pairs.assign import Assignment, assignment_of
from dse.pairs.combine import Met, Placer, ends_of, estimates, scattered
from dse.pairs.points import PairBound, PairExploration, PairPoint, by_time, values
from dse.pairs.task import PairTask
from dse.points import Bound, DesignPoint, Infeasible, OuterSetting
from dse.refinement import NORMAL, Refining
from dse.search import Progress, SearchOptions, SearchResult
from dse.session import explore_task
from dse.solver.pareto import FloatArray, nondominated
from dse.spread import asked_for, spread
from dse.task import Task


@dataclass(frozen=True)
class PairEffort:
    """How much is looked at.

    decode_leads, prefill_leads: points of each graph's own front that lend their decisions to both; decode
    runs more often. settings: inner problems solved for each graph and assignment. realised: points of each
    inner front. placed: pairs that get addresses, of those that estimates leave.
    """

    decode_leads: int = 6
    prefill_leads: int = 3
    settings: int = 6
    realised: int = 8
    placed: int = 160


Fronts = tuple[tuple[DesignPoint, ...], tuple[DesignPoint, ...]]
"""Of prefill and of decode."""


@dataclass(frozen=True)
class PairResult:
    """found: None where no pair fits; then `why` says what overflows. leads: the searches of both graphs."""

    found: PairExploration | None
    why: Infeasible | None
    leads: tuple[SearchResult, SearchResult]

    def lead(self, side: str) -> SearchResult:
        """The search of "prefill" or "decode" alone."""
        return self.leads[("prefill", "decode").index(side)]


def explore_pair(
    task: PairTask,
    options: SearchOptions,
    executor: Executor | None = None,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
    refining: Refining | None = NORMAL,
    effort: PairEffort | None = None,
) -> PairResult | Infeasible:
    """Search both graphs together; Infeasible where one of them has no deployment at all.

    options: of the search of each graph alone. Raises what `explore_task` raises.
    """
    leads = []
    for own in (task.prefill, task.decode):
        outcome = explore_task(own, options, executor, None, progress, stop, None, refining)
        if isinstance(outcome, Infeasible):
            return outcome
        leads.append(outcome[0])
    prefill, decode = leads
    if not (prefill.points and decode.points):
        why = prefill.infeasible or decode.infeasible
        return PairResult(None, why, (prefill, decode))
    search = _Search(task, options, effort or PairEffort())
    found, why = search.run(prefill, decode, executor or InProcess())
    return PairResult(found, why, (prefill, decode))


@dataclass(frozen=True)
class FrontsUnder:
    """The factory of what workers do: both graphs solved under one assignment."""

    task: PairTask
    effort: PairEffort

    def __call__(self) -> Callable[[Assignment], Fronts]:
        """Nothing is kept from one assignment to the next."""
        return self.fronts

    def fronts(self, assignment: Assignment) -> Fronts:
        """Deployments of prefill and of decode that decide as the assignment says."""
        layers = self.task.shared.layers
        prefill, decode = self.task.pinned(
            assignment.pins(each.prefill for each in layers), assignment.pins(each.decode for each in layers)
        )
        return _front_of(prefill, self.effort), _front_of(decode, self.effort)


@dataclass(frozen=True)
class _Search:
    task: PairTask
    options: SearchOptions
    effort: PairEffort

    def run(
        self, prefill: SearchResult, decode: SearchResult, executor: Executor
    ) -> tuple[PairExploration | None, Infeasible | None]:
        """The front of pairs, or why none fits."""
        leads = self._leads(prefill, decode)
        with executor.open(FrontsUnder(self.task, self.effort)) as pool:
            fronts = tuple(pool.map(leads))
        met = [Met(number, *both) for number, both in enumerate(fronts) if all(both)]
        made = [self._placed(met, index) for index in self._wanted(met)]
        pairs = [pair for pair in made if isinstance(pair, PairPoint)]
        if not pairs:
            return None, _why(made)
        rows = values(pairs, self._objectives)
        points = tuple(sorted((pairs[k] for k in nondominated(rows)), key=by_time))
        rows = values(points, self._objectives)
        ends = ends_of(rows)
        return PairExploration(
            task=self.task,
            points=points,
            chosen=tuple(scattered(rows, ends, self.options.points).tolist()),
            knee=ends[0],
            trials=decode.trials,
            assignments=len(leads),
            bound=self._bound(prefill.bound, decode.bound),
        ), None

    @property
    def _objectives(self) -> tuple[str, ...]:
        return self.task.decode.objectives

    def _chosen(self, lead: SearchResult, count: int) -> tuple[DesignPoint, ...]:
        return choose(lead.points, self._objectives, count)

    def _leads(self, prefill: SearchResult, decode: SearchResult) -> tuple[Assignment, ...]:
        """What good deployments of each graph decide about the shared layers."""
        layers = self.task.shared.layers
        names = [(each.decode, each) for each in layers]
        found = [assignment_of(p.deployment, names) for p in self._chosen(decode, self.effort.decode_leads)]
        names = [(each.prefill, each) for each in layers]
        found += [
            assignment_of(p.deployment, names) for p in self._chosen(prefill, self.effort.prefill_leads)
        ]
        return tuple(dict.fromkeys(found))

    def _wanted(self, met: Sequence[Met]) -> list[tuple[int, int, int]]:
        """(place in `met`, prefill, decode) of pairs that estimates do not rule out, a spread of them."""
        tables = [estimates(self.task, each) for each in met]
        if not tables:
            return []
        rows: FloatArray = np.concatenate([table.reshape(-1, table.shape[-1]) for table in tables])
        index = [(k, p, d) for k, table in enumerate(tables) for p, d in np.ndindex(table.shape[:2])]
        kept = nondominated(rows)
        picked = kept[scattered(rows[kept], ends_of(rows[kept]), self.effort.placed)]
        return [index[k] for k in picked.tolist()]

    def _placed(self, met: Sequence[Met], index: tuple[int, int, int]) -> PairPoint | DoesNotFit:
        at, p, d = index
        placer = Placer(self.task, limits_of(self.task.decode))
        return placer.pair(met[at].prefill[p], met[at].decode[d], met[at].assignment)

    def _bound(self, prefill: Bound | None, decode: Bound | None) -> PairBound | None:
        """Each figure for itself: no pair is better than its halves alone."""
        if prefill is None or decode is None:
            return None
        before, behind = self.task.runs
        return PairBound(
            first_token_ms=prefill.latency_ms + before * decode.latency_ms,
            token_ms=decode.latency_ms,
            token_uj=(prefill.energy_uj + (before + behind) * decode.energy_uj) / self.task.tokens.generated,
            memory_bytes=max(prefill.memory_bytes, decode.memory_bytes),
        )


def _front_of(task: Task, effort: PairEffort) -> tuple[DesignPoint, ...]:
    """Deployments of a spread of several inner fronts, without those that others dominate."""
    evaluator = ProblemEvaluator(task, refining=None)
    settings = _settings(evaluator)[: effort.settings]
    made = (point for setting in settings for point in _realised(evaluator, setting, effort.realised))
    return merge(made, task.objectives)


def _settings(evaluator: ProblemEvaluator) -> tuple[OuterSetting, ...]:
    """The least memory, the roomiest setting, then both ladders of caps down at once, without segments."""
    if evaluator.infeasible() is not None:
        return ()
    asked = [replace(evaluator.setting(*seed), position=0.0) for seed in evaluator.seeds()]
    weights_bytes = min(each.l1_weights_bytes for each in asked)
    plain = (each for each in asked if not each.fusion and not each.branch_order)
    return tuple(dict.fromkeys(each for each in plain if each.l1_weights_bytes == weights_bytes))


def _realised(evaluator: ProblemEvaluator, setting: OuterSetting, count: int) -> Iterator[DesignPoint]:
    solution = evaluator.solution(setting)
    if not solution.feasible:
        return
    objectives = solution.objectives("memory" in evaluator.task.objectives)
    wanted = asked_for(objectives, 0.0)
    for index in (wanted, *spread(objectives, wanted, count)):
        made = evaluator.realise(setting, solution, index)
        if isinstance(made, DesignPoint):
            yield made


def _why(made: Sequence[PairPoint | DoesNotFit]) -> Infeasible | None:
    """The least overflow of all pairs."""
    over = [each for each in made if isinstance(each, DoesNotFit)]
    if not over:
        return None
    least = min(over, key=lambda each: each.need_bytes / max(each.capacity_bytes, 1))
    levers = ("each graph alone fits; both together need a larger --budget",)
    return Infeasible(least.level, least.need_bytes, least.capacity_bytes, least.largest, levers)
