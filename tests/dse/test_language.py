"""A decoder with int16 rows, a table and a causal mask through the options and the solver."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.counts import predict_counts
from compiler.lower import lower
from compiler.simulate import simulate
from tests.compiler.deployed import codes, outputs_of
from tests.compiler.networks import language
from tests.dse.small import evaluator_of, points_of, task_of


@pytest.mark.parametrize("io_home", ["l1", "l2"])
def test_points_compute_and_move_what_they_say(io_home: str) -> None:
    graph = language(3)
    found = points_of(evaluator_of(task_of(graph, budget=1_000_000, io_home=io_home)), seeds=3)
    homes, inputs = set(), codes(graph, 1)
    for _, point in found[:: max(len(found) // 12, 1)]:
        simulated = simulate(graph, lower(graph, point.deployment), inputs)
        for name, expected in outputs_of(graph, inputs).items():
            np.testing.assert_array_equal(simulated.outputs[name], expected)
        assert simulated.counts == predict_counts(graph, point.deployment)
        homes.add(point.deployment.param_home_of["embed"])
    assert len(homes) > 1
