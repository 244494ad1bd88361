"""Which of Optuna's parameters matter, for every objective."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial

LEAST_TRIALS = 8
TARGET_QUANTILE = 0.25
"""The best quarter: with the usual tenth, a search of 32 trials would judge by three of them."""

Importances = tuple[tuple[str, tuple[tuple[str, float], ...]], ...]


def importances(trials: Sequence[FrozenTrial], objectives: Sequence[str]) -> Importances:
    """(objective, (parameter, importance) with the largest first, which add up to 1), from feasible trials.

    How much the choice of a parameter tells the best quarter of the trials from all: PED-ANOVA (Watanabe et
    al., IJCAI 2023) as Optuna has it. Empty with fewer than `LEAST_TRIALS` trials or without a choice.
    """
    good = [trial for trial in trials if all(map(math.isfinite, trial.values))]
    if len(good) < LEAST_TRIALS or len(good[0].params) < 2:
        return ()
    study = optuna.create_study(directions=["minimize"] * len(objectives))
    study.add_trials(good)
    return tuple((name, _of_objective(study, column)) for column, name in enumerate(objectives))


def _of_objective(study: optuna.Study, column: int) -> tuple[tuple[str, float], ...]:
    evaluator = PedAnovaImportanceEvaluator(target_quantile=TARGET_QUANTILE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ties at the quantile are told at every call
        found = get_param_importances(
            study, evaluator=evaluator, target=lambda trial: float(trial.values[column])
        )
    return tuple((name, float(value)) for name, value in found.items())
