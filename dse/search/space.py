"""Between an evaluator's axes and Optuna's parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from dse.points import Axis, Evaluator, OuterSetting

POSITION = "position"
Params = Mapping[str, Any]


def distributions(axes: Sequence[Axis]) -> dict[str, BaseDistribution]:
    """Optuna's search space: one categorical parameter an axis, and the position."""
    space: dict[str, BaseDistribution] = {axis.name: CategoricalDistribution(axis.choices) for axis in axes}
    return {**space, POSITION: FloatDistribution(0.0, 1.0)}


def setting_of(evaluator: Evaluator, params: Params) -> OuterSetting:
    """The setting that a trial's parameters stand for."""
    choices = {axis.name: str(params[axis.name]) for axis in evaluator.axes}
    return evaluator.setting(choices, float(params[POSITION]))


def params_of(evaluator: Evaluator, setting: OuterSetting) -> dict[str, Any]:
    """The parameters that come closest to a setting; its own where it was made from parameters."""
    return {**evaluator.choices(setting), POSITION: min(1.0, max(0.0, setting.position))}


def seed_params(evaluator: Evaluator) -> list[dict[str, Any]]:
    """Parameters of the evaluator's seeds. Raises ValueError for a choice that its axis does not offer."""
    result = []
    for choices, position in evaluator.seeds():
        for axis in evaluator.axes:
            if choices[axis.name] not in axis.choices:
                raise ValueError(f"seed {dict(choices)}: axis {axis.name} offers {', '.join(axis.choices)}")
        result.append({**{axis.name: choices[axis.name] for axis in evaluator.axes}, POSITION: position})
    return result
