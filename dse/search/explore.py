"""The loop: ask a batch, evaluate it wherever the executor runs, tell it in trial order, save it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

from dse.executors import Executor, InProcess, Pool
from dse.front import choose, knee, quality
from dse.points import Evaluation, Evaluator, OuterSetting, Refined
from dse.refinement import LOOKED
from dse.search.archive import Archive, Sieve
from dse.search.history import Step, marks
from dse.search.importance import importances
from dse.search.interrupt import interruptible
from dse.search.options import Progress, SearchOptions, SearchResult
from dse.search.outcome import SOLVER, outcome_of
from dse.search.store import Saved, Storage, Store
from dse.search.study import Asked, LiveStudy, quiet_optuna, without_position

T = TypeVar("T")
MakeEvaluator = Callable[[], Evaluator]
OnProgress = Callable[[Progress], None]


def explore(
    make: MakeEvaluator,
    options: SearchOptions,
    executor: Executor | None = None,
    storage: Storage | None = None,
    progress: OnProgress | None = None,
    stop: threading.Event | None = None,
    started_seconds: float | None = None,
) -> SearchResult:
    """Search what `make()` evaluates until the trials or the time of `options` are used up.

    make: a picklable factory; called once here and once in every worker. executor: InProcess() by default.
    storage: where the study goes, None to keep it in memory. progress: called after every evaluation.
    stop: set it to end the search; Ctrl-C in the main thread does that too. What was evaluated is kept.
    started_seconds: where on `time.monotonic` the time of the options begins, by default here.

    The evaluator is asked to refine once, in this process, after the first batch. What it gives joins the
    result and not the stored study: a resumed search asks again.

    The same `make`, options (with trials) and seed give an equal result with every executor, also if the
    search was interrupted at the end of a batch and resumed. Raises StorageError, ExecutorError, and
    whatever the evaluator raises.
    """
    begin = time.monotonic() if started_seconds is None else started_seconds
    stop = stop or threading.Event()
    once = _Once(make)
    work = EvaluateBatch(once, options.objectives)
    with quiet_optuna(), interruptible(stop), (executor or InProcess()).open(work) as pool:
        search = _Search.begin(once(), options, storage, pool, stop, begin)
        search.run(progress or (lambda _: None))
        return search.result()


@dataclass
class _Once(Generic[T]):
    """Calls `make` at most once a process; what was made does not travel."""

    make: Callable[[], T]
    made: list[T] = field(default_factory=list)

    def __call__(self) -> T:
        if not self.made:
            self.made.append(self.make())
        return self.made[0]

    def __reduce__(self) -> tuple[Any, ...]:
        return (_Once, (self.make,))


@dataclass(frozen=True)
class EvaluateBatch:
    """The factory of the work that executors do: evaluate one setting, drop what is dominated.

    What is dropped depends on what the worker met before, the front of all workers together does not.
    """

    make: MakeEvaluator
    objectives: tuple[str, ...]

    def __call__(self) -> Callable[[OuterSetting], Evaluation]:
        """Build the evaluator in the worker."""
        return partial(_evaluate, self.make(), Sieve(self.objectives))


def _evaluate(evaluator: Evaluator, sieve: Sieve, setting: OuterSetting) -> Evaluation:
    return sieve.sift(evaluator.evaluate(setting))


@dataclass
class _Search:
    options: SearchOptions
    live: LiveStudy
    store: Store | None
    pool: Pool[OuterSetting, Evaluation]
    stop: threading.Event
    begin_seconds: float
    archive: Archive
    before: int
    infeasible: int
    steps: list[Step]
    earlier_seconds: float
    batch_seconds: float = 0.0
    refined: Refined | None = None
    reached: float | None = None

    @classmethod
    def begin(
        cls,
        evaluator: Evaluator,
        options: SearchOptions,
        storage: Storage | None,
        pool: Pool[OuterSetting, Evaluation],
        stop: threading.Event,
        begin_seconds: float,
    ) -> _Search:
        store = None
        if storage is not None:
            store = Store(storage, options.objectives, _identity(options, storage, evaluator))
        saved = Saved() if store is None else store.load()
        live = LiveStudy.begin(evaluator, options, saved.trials)
        archive = Archive(options.objectives).with_saved(saved.points, saved.bound)
        infeasible = sum(outcome.violation > 0 for outcome in live.outcomes.values())
        before = len(live.finished)
        steps = list(saved.steps)
        earlier = steps[-1].seconds if steps else 0.0
        return cls(
            options, live, store, pool, stop, begin_seconds, archive, before, infeasible, steps, earlier
        )

    def run(self, progress: OnProgress) -> None:
        """Batch after batch; time is looked at only between batches."""
        while (count := self._next_batch()) > 0:
            begin = self._elapsed()
            asked = self.live.ask(count)
            evaluations = self._evaluate_batch(asked, progress)
            self._tell(asked, evaluations)
            self.batch_seconds = self._elapsed() - begin
            progress(self._progress(0))
            self._refine(progress)
        self._refine(progress)

    def _next_batch(self) -> int:
        """How many trials to ask: up to the next multiple of the batch size, so that batches stay aligned."""
        done, options = len(self.live.finished), self.options
        if self.stop.is_set():
            return 0
        # Another batch like the last would miss the limit by more than stopping here does.
        ending = self._elapsed() + self.batch_seconds / 2
        if options.seconds is not None and done > self.before and ending >= options.seconds:
            return 0
        count = options.batch - done % options.batch
        return count if options.trials is None else min(count, options.trials - done)

    def _refine(self, progress: OnProgress) -> None:
        """Once a search, unless it is stopped: the first front is out by then, and time is left to it."""
        if self.refined is not None or self.stop.is_set():
            return
        try:
            self.refined = self.live.evaluator.refine(self._spent)
        except KeyboardInterrupt:
            self.stop.set()
            return
        self.reached = self._reached()
        progress(self._progress(0))

    def _spent(self) -> float:
        """Share of the time that is over; after a stop at least so much that nothing more is looked for."""
        seconds = self.options.seconds
        spent = 0.0 if seconds is None else self._elapsed() / seconds
        return max(spent, LOOKED) if self.stop.is_set() else spent

    @property
    def whole(self) -> Archive:
        """What trials have met, and the refinement."""
        return self.archive if self.refined is None else self.archive.with_refined(self.refined)

    def _evaluate_batch(
        self, asked: Sequence[Asked], progress: OnProgress
    ) -> Mapping[OuterSetting, Evaluation]:
        """Evaluations of the settings that are new; fewer if the search is stopped meanwhile.

        Settings that share an inner problem travel together, so that one worker solves it once for all; the
        largest such groups go first, so that the workers end at about the same time. A single worker leaves
        the first setting of all, which brings the bound and so takes long, to the end: the front comes first.
        """
        groups = _by_problem(each.setting for each in asked if each.setting not in self.live.outcomes)
        if self.pool.workers == 1 and not self.live.finished:
            groups.sort(key=lambda group: asked[0].setting in group)
        items = [setting for group in groups for setting in group]
        done: dict[OuterSetting, Evaluation] = {}
        results = self.pool.map(items, [len(group) for group in groups])
        try:
            for setting, evaluation in zip(items, results, strict=False):
                done[setting] = evaluation
                progress(self._progress(len(done), () if self.archive.points else tuple(done.values())))
                if self.stop.is_set():
                    break
        except KeyboardInterrupt:
            self.stop.set()
        return done

    def _tell(self, asked: Sequence[Asked], evaluations: Mapping[OuterSetting, Evaluation]) -> None:
        """In trial order. Trials whose setting was not reached before a stop are forgotten."""
        fresh: list[Evaluation] = []
        told = []
        for each in asked:
            evaluation = evaluations.get(each.setting)
            outcome = self.live.outcomes.get(each.setting)
            if outcome is None and evaluation is not None:
                outcome = outcome_of(evaluation, self.options.objectives)
                fresh.append(evaluation)
            if outcome is not None:
                told.append(self.live.tell(each, outcome))
        self.infeasible += sum(evaluation.point is None for evaluation in fresh)
        before, self.archive = self.archive, self.archive.with_evaluations(fresh)
        self.reached = self._reached()
        step = Step(len(self.live.finished), self._searched(), self.archive.new_since(before))
        self.steps.append(step)
        if self.store is not None:
            self.store.append(told, step, self.archive.bound)

    def _searched(self) -> float:
        """Seconds that the study has taken, those of earlier searches included."""
        return self.earlier_seconds + self._elapsed()

    def _reached(self) -> float | None:
        """Share of the bound's hypervolume that the front reaches; None without a bound."""
        whole = self.whole
        gap = quality(whole.points, self.options.objectives, whole.bound).gap
        return None if gap is None else 1.0 - gap

    def _is_cut_short(self) -> bool:
        trials = self.options.trials
        return self.stop.is_set() and (trials is None or len(self.live.finished) < trials)

    def _elapsed(self) -> float:
        return time.monotonic() - self.begin_seconds

    def _progress(self, evaluated: int, untold: Sequence[Evaluation] = ()) -> Progress:
        """untold: evaluations whose points count already."""
        options = self.options
        archive = self.archive.with_evaluations(untold) if untold else self.archive
        return Progress(
            trials=len(self.live.finished) + evaluated,
            limit=options.trials,
            seconds=self._elapsed(),
            seconds_limit=options.seconds,
            front=len(archive.points),
            infeasible=self.infeasible,
            best=archive.best(),
            reached=self.reached,
        )

    def result(self) -> SearchResult:
        """Choose the front, enter its solver points into the study."""
        whole = self.whole
        points, objectives = whole.points, self.options.objectives
        front = choose(points, objectives, self.options.points) if points else ()
        if self.store is not None:
            self.store.add([self.live.solver_trial(point) for point in front if point.source == SOLVER])
        return SearchResult(
            points=points,
            front=front,
            knee=front.index(points[knee(points, objectives)]) if points else None,
            trials=len(self.live.finished),
            new_trials=len(self.live.finished) - self.before,
            bound=whole.bound,
            interrupted=self._is_cut_short(),
            infeasible=None if points else self.archive.infeasible,
            seconds=self._elapsed(),
            history=marks(self.steps, objectives),
            importances=importances(self.live.finished, objectives),
        )


def _by_problem(settings: Iterable[OuterSetting]) -> list[list[OuterSetting]]:
    """Different settings grouped by inner problem, the largest groups first."""
    groups: dict[tuple[Any, ...], list[OuterSetting]] = {}
    for setting in dict.fromkeys(settings):
        groups.setdefault(without_position(setting), []).append(setting)
    return sorted(groups.values(), key=len, reverse=True)


def _identity(options: SearchOptions, storage: Storage, evaluator: Evaluator) -> dict[str, str]:
    """What a stored study must have been made with; the axes because its trials speak in their choices."""
    own = {
        "objectives": ",".join(options.objectives),
        "seed": str(options.seed),
        "sampler": options.sampler,
        "batch": str(options.batch),
        "axes": "; ".join(f"{axis.name} {','.join(axis.choices)}" for axis in evaluator.axes),
    }
    return {**dict(storage.identity), **own}
