"""What one trial tells: values, constraint, attributes for the dashboard. No deployments."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial

from dse.points import DesignPoint, Evaluation

CONSTRAINT = "fits"
# Where Optuna keeps constraints: one key each since version 5, and before that one list, which is what
# optuna-dashboard 0.21 shows.
CONSTRAINT_KEY = f"constraints:{CONSTRAINT}"
OLD_CONSTRAINT_KEY = "constraints"
SOURCE = "source"
TRIAL, SOLVER = "trial", "solver"


@dataclass(frozen=True)
class Outcome:
    """values: of the objectives, infinite where nothing fits. violation: 0 where feasible, else > 0."""

    values: tuple[float, ...]
    violation: float
    attributes: Mapping[str, Any]


def outcome_of(evaluation: Evaluation, objectives: Sequence[str]) -> Outcome:
    """What the trial of `evaluation` tells. Raises ValueError if it has neither a point nor a violation."""
    point = evaluation.point
    if point is not None:
        return Outcome(
            tuple(point.objective(name) for name in objectives), 0.0, point_attributes(point, TRIAL)
        )
    if not evaluation.violation > 0:
        raise ValueError(f"no point and no violation for {evaluation.setting}")
    why = evaluation.infeasible
    attributes = {SOURCE: TRIAL, "infeasible": "" if why is None else why.message()}
    return Outcome((math.inf,) * len(objectives), float(evaluation.violation), attributes)


def point_attributes(point: DesignPoint, source: str) -> dict[str, Any]:
    """A design point's figures, for people who look at the study."""
    return {
        SOURCE: source,
        "latency_ms": point.latency_ms,
        "latency_cycles": point.latency_cycles,
        "energy_uj": point.energy_uj,
        "memory_bytes": point.memory_bytes,
        **{f"peak_bytes.{level}": size for level, size in point.peak_bytes},
        **{f"layers.{engine}": count for engine, count in point.engines},
        "boot_bytes": point.boot_bytes,
        "boot_ms": point.boot_ms,
    }


def outcome_of_trial(trial: FrozenTrial) -> Outcome:
    """The outcome that a finished trial of a stored study told."""
    violation = float(trial.system_attrs.get(CONSTRAINT_KEY, 0.0))
    return Outcome(tuple(trial.values), violation, dict(trial.user_attrs))


def both_constraint_keys(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """System attributes of a stored trial: Optuna 5 reads one key, the dashboard the other."""
    return {**attributes, OLD_CONSTRAINT_KEY: [attributes.get(CONSTRAINT_KEY, 0.0)]}


def one_constraint_key(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The reverse: with both keys a sampler would count the violation twice."""
    return {key: value for key, value in attributes.items() if key != OLD_CONSTRAINT_KEY}
