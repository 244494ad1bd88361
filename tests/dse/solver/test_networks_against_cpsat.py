"""The inner problems of the MLPerf Tiny networks: the solver's exact fronts against a constraint model.

Homes of tensors and parameters, copies on their way, segments and caps are those that a search meets; only
tilings are fewer. Rows are rounded to whole numbers first, for both, so that equal means equal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from compiler.frontend import import_model
from costmodels.platform import load_platform
from dse.evaluator import ProblemEvaluator
from dse.network import Problem
from dse.options import Effort
from dse.solver.pareto import FloatArray
from dse.solver.problem import L1_TILE, Move, Network, Setting
from dse.solver.solve import solve
from dse.task import Budget, Task
from tests.dse.solver.cpsat import ConstraintModel
from tests.dse.solver.instances import naive_front

MODELS = Path(__file__).parents[3] / "studies" / "models"
FEW = Effort(sizes=(("y", 2), ("x", 2), ("i", 2), ("n", 2)), other=2, candidates=60)
BUDGET_BYTES = 128_000
GRID_STEPS = 300  # of the least time, and of the least energy, that all layers need together
GRID_BYTES = 256  # of stages and tiles


@dataclass(frozen=True)
class Case:
    """The first seed of this kind: number of the segmentation, whether tensors may live in L3, and whether L1
    has room for parameters."""

    model: str
    fusion: int = 0
    far: bool = False
    weights_in_l1: bool = False

    def __str__(self) -> str:
        marks = [f"fused{self.fusion}" * (self.fusion > 0), "far" * self.far, "l1" * self.weights_in_l1]
        return "-".join([self.model, *(mark for mark in marks if mark)])


CASES = (
    Case("resnet8"),
    Case("resnet8", fusion=1),
    Case("resnet8", fusion=2),
    Case("resnet8", far=True),
    Case("resnet8", weights_in_l1=True),
    Case("dscnn"),
    Case("dscnn", fusion=1),
    Case("dscnn", far=True),
    Case("autoencoder"),
    Case("autoencoder", far=True),
    Case("mobilenetv1_025"),
    Case("mobilenetv1_025", fusion=2),
)


@cache
def evaluator_of(model: str) -> ProblemEvaluator:
    module = import_model(MODELS / f"{model}_int8.onnx").module
    return ProblemEvaluator(Task(module, load_platform("siracusa"), Budget(BUDGET_BYTES)), FEW)


def problem_of(case: Case) -> tuple[Problem, Setting]:
    """The inner problem as the search has it, and its setting with memory as an objective."""
    evaluator = evaluator_of(case.model)
    for choices, position in evaluator.seeds():
        outer = evaluator.setting(choices, position)
        inner = evaluator.limits.inner(outer, with_memory=True)
        kind = Case(case.model, outer.fusion, outer.l3_activations, outer.l1_weights_bytes > 0)
        if kind == case and inner.l1_cap_bytes > inner.l1_resident_bytes:
            return evaluator.problem(outer.operating_point, case.far, 0, case.fusion), inner
    raise AssertionError(f"no seed of {case}")


def on_grid(network: Network) -> Network:
    """The network with rows of whole numbers: steps of time and of energy, bytes rounded down."""
    least = [np.concatenate([move.rows for move in layer.moves]).min(axis=0) for layer in network.layers]
    units = np.sum(least, axis=0)[:2] / GRID_STEPS
    known: dict[int, tuple[Move, ...]] = {}

    def rounded(move: Move) -> Move:
        priced, sizes = np.round(move.rows[:, :L1_TILE] / units), move.rows[:, L1_TILE:]
        rows = naive_front(np.concatenate([priced, sizes // GRID_BYTES * GRID_BYTES], axis=1))
        return replace(move, rows=rows, refs=np.arange(len(rows)))

    for layer in network.layers:
        if id(layer.moves) not in known:
            known[id(layer.moves)] = tuple(map(rounded, layer.moves))
    layers = tuple(replace(layer, moves=known[id(layer.moves)]) for layer in network.layers)
    return replace(network, layers=layers)


def least_within(front: FloatArray, wanted: int, caps: FloatArray) -> int:
    """Smallest value of an objective among points at most at their caps."""
    return int(front[(front <= caps).all(axis=1), wanted].min())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_front_answers_epsilon_constraints_as_cpsat_does(case: Case) -> None:
    problem, setting = problem_of(case)
    network = on_grid(problem.network)
    solution = solve(network, setting)
    assert solution.exact
    front = solution.objectives(with_memory=True)
    low, high, middle = front.min(axis=0), front.max(axis=0), front[len(front) // 2]
    share = np.floor(low + 0.4 * (high - low))
    model = ConstraintModel(network, setting)
    objectives = model.time, model.energy, model.resident
    for wanted, limited, caps in ((0, (1,), share), (1, (2,), share), (2, (0,), share), (0, (1, 2), middle)):
        bounds = np.full(3, np.inf)
        bounds[list(limited)] = caps[list(limited)]
        found = model.least(objectives[wanted], *((objectives[k], int(caps[k])) for k in limited))
        assert found == least_within(front, wanted, bounds)
    two = solve(network, replace(setting, with_memory=False))
    assert two.exact
    np.testing.assert_array_equal(two.objectives(), naive_front(front[:, :2]))


def test_nothing_lies_beyond_the_ends_of_a_front() -> None:
    problem, setting = problem_of(Case("dscnn", fusion=1))
    network = on_grid(problem.network)
    front = solve(network, setting).objectives(with_memory=True)
    model = ConstraintModel(network, setting)
    objectives = model.time, model.energy, model.resident
    for wanted, other in ((0, 1), (1, 2), (2, 0)):
        end = int(front[:, wanted].min())
        assert model.least(objectives[other], (objectives[wanted], end)) is not None
        assert model.least(objectives[other], (objectives[wanted], end - 1)) is None


@pytest.mark.parametrize("model", sorted({case.model for case in CASES}))
def test_cases_are_what_a_search_meets(model: str) -> None:
    """Copies on their way in every network, parameters in every home, segments where there are any."""
    problems = {case: problem_of(case)[0] for case in CASES if case.model == model}
    assert all(bool(problem.segments) == (case.fusion > 0) for case, problem in problems.items())
    assert all(len(problem.network.layers) > len(problem.steps) for problem in problems.values())
    plain = problems[Case(model)].network
    homes = {move.home_params for layer in plain.layers for move in layer.moves}
    assert homes >= {"L1", "L2", "L3", "WM"}
