"""The Optuna study of a running search: in memory, asked and told in batches."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from dse.points import DesignPoint, Evaluator, OuterSetting
from dse.search.options import SearchOptions
from dse.search.outcome import (
    CONSTRAINT,
    CONSTRAINT_KEY,
    SOLVER,
    Outcome,
    outcome_of_trial,
    point_attributes,
)
from dse.search.samplers import BatchSampler, sampler_for
from dse.search.space import POSITION, Params, distributions, params_of, seed_params, setting_of


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Without Optuna's line for every study and its notes on experimental features."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


# How often choices are drawn for an inner problem that was not asked before. Different choices may mean the
# same setting, so none need be left where not all choices were asked.
_DRAWS = 100


@dataclass(frozen=True)
class Asked:
    """A trial and the setting that its parameters stand for."""

    trial: Trial
    setting: OuterSetting


@dataclass
class LiveStudy:
    """finished: told trials in order. outcomes: by setting, so that none is evaluated twice. problems: inner
    problems asked so far. queued: seeds still to be asked."""

    evaluator: Evaluator
    options: SearchOptions
    study: Study
    space: dict[str, BaseDistribution]
    finished: list[FrozenTrial] = field(default_factory=list)
    outcomes: dict[OuterSetting, Outcome] = field(default_factory=dict)
    problems: set[tuple[Any, ...]] = field(default_factory=set)
    queued: int = 0

    @classmethod
    def begin(cls, evaluator: Evaluator, options: SearchOptions, earlier: Sequence[FrozenTrial]) -> LiveStudy:
        """A study with the `earlier` trials told and the seeds that they lack enqueued."""
        study = optuna.create_study(directions=["minimize"] * len(options.objectives))
        live = cls(evaluator, options, study, distributions(evaluator.axes))
        for trial in earlier:
            study.add_trial(trial)
            live._finish(trial, setting_of(evaluator, trial.params), outcome_of_trial(trial))
        done = [trial.params for trial in earlier]
        for params in seed_params(evaluator):
            if params not in done:
                study.enqueue_trial(params)
                live.queued += 1
        return live

    def ask(self, size: int) -> list[Asked]:
        """The next `size` trials, sampled from what is told so far."""
        options = self.options
        batch = sampler_for(options.sampler, options.seed, len(self.finished), options.batch)
        self.study.sampler = batch.sampler
        return [self._ask_novel(batch) for _ in range(size)]

    def _ask_novel(self, batch: BatchSampler) -> Asked:
        """A seed as it is, else a trial whose inner problem is new: another position on a front that is known
        would teach little. Samplers look at completed trials only, so those passed over leave no trace."""
        tries = 0 if self.queued or len(self.problems) >= self.problem_count else batch.tries + 1
        self.queued = max(0, self.queued - 1)
        asked = self._ask()
        while tries > 0 and without_position(asked.setting) in self.problems:
            tries -= 1
            self.study.tell(asked.trial, state=TrialState.FAIL)
            if tries == 0:
                self.study.enqueue_trial(self._unseen(asked.trial.params, batch.draws))
            asked = self._ask()
        self.problems.add(without_position(asked.setting))
        return asked

    def _ask(self) -> Asked:
        trial = self.study.ask(self.space)
        return Asked(trial, setting_of(self.evaluator, trial.params))

    def _unseen(self, params: Params, draws: np.random.Generator) -> dict[str, Any]:
        """`params` with choices drawn until they make an inner problem that was not asked before."""
        drawn = dict(params)
        for _ in range(_DRAWS):
            for axis in self.evaluator.axes:
                drawn[axis.name] = axis.choices[draws.integers(len(axis.choices))]
            if without_position(setting_of(self.evaluator, drawn)) not in self.problems:
                break
        return drawn

    @cached_property
    def problem_count(self) -> int:
        """How many inner problems there can be."""
        return math.prod(len(axis.choices) for axis in self.evaluator.axes)

    def tell(self, asked: Asked, outcome: Outcome) -> FrozenTrial:
        """Finish one trial."""
        for name, value in outcome.attributes.items():
            asked.trial.set_user_attr(name, value)
        asked.trial.set_constraint(CONSTRAINT, outcome.violation)
        told = self.study.tell(asked.trial, list(outcome.values))
        self._finish(told, asked.setting, outcome)
        return told

    def _finish(self, trial: FrozenTrial, setting: OuterSetting, outcome: Outcome) -> None:
        self.finished.append(trial)
        self.outcomes.setdefault(setting, outcome)
        self.problems.add(without_position(setting))

    def solver_trial(self, point: DesignPoint) -> FrozenTrial:
        """A finished trial for a point that no trial asked for: of a trial's inner front, with its choices
        and the position where it would have been asked for; or of the refinement, with the choices that come
        closest to what it uses and leave it no less room (its attributes say what it uses)."""
        return create_trial(
            state=TrialState.COMPLETE,
            values=[point.objective(name) for name in self.options.objectives],
            params=params_of(self.evaluator, point.setting),
            distributions=self.space,
            user_attrs=point_attributes(point, SOLVER),
            system_attrs={CONSTRAINT_KEY: 0.0},
        )


def without_position(setting: OuterSetting) -> tuple[Any, ...]:
    """What identifies an inner problem: one front serves all positions."""
    return tuple(getattr(setting, name) for name in setting.__dataclass_fields__ if name != POSITION)
