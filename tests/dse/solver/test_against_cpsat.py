"""The front of a network too large for brute force against an independent constraint model."""

from __future__ import annotations

import pytest

from dse.solver.problem import Setting
from dse.solver.solve import solve
from tests.dse.solver.cpsat import ConstraintModel
from tests.dse.solver.instances import benchmark_network


@pytest.mark.parametrize(("name", "wm_share"), [("dscnn", 0.0), ("resnet8", 0.25)])
def test_front_points_are_optimal_for_their_energy(name: str, wm_share: float) -> None:
    network = benchmark_network(name, rows=6)
    weights = sum(layer.params_bytes for layer in network.layers)
    largest = max(tensor.size_bytes for tensor in network.tensors)
    setting = Setting(40_000, int(1.7 * largest), int(0.3 * weights), int(wm_share * weights))
    points = solve(network, setting).points
    assert len(points) > 2
    model = ConstraintModel(network, setting)
    for time, energy in points[[0, -1], :2]:
        assert model.least(model.time, (model.energy, int(energy))) == time
    middle = len(points) // 2
    assert model.least(model.time, (model.energy, int(points[middle, 1]) - 1)) == points[middle + 1, 0]
