"""The front of a network too large for brute force against an independent constraint model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ortools.sat.python import cp_model

from dse.solver.problem import ENERGY, L1_TILE, STAGING, TIME, Network, Setting
from dse.solver.solve import solve
from tests.dse.solver.instances import benchmark_network


def least_time(network: Network, setting: Setting, energy_cap: int) -> int:
    """Smallest time with energy <= `energy_cap`: one Boolean per option row and per home of a tensor."""
    model: Any = cp_model.CpModel()
    homes = [{h: model.new_bool_var(f"{t.name}@{h}") for h in t.homes} for t in network.tensors]
    for choice in homes:
        model.add_exactly_one(choice.values())
    time, energy, resident, in_wm = [], [], [], []
    for step, layer in enumerate(network.layers):
        taken = list(_options(model, network, homes, step))
        model.add_exactly_one(var for var, _, _ in taken)
        _limit(
            model,
            network,
            homes,
            step,
            "L1",
            setting.l1_cap_bytes,
            [(v, int(r[L1_TILE])) for v, r, _ in taken],
        )
        _limit(
            model,
            network,
            homes,
            step,
            "L2",
            setting.arena_bytes,
            [(v, int(r[STAGING])) for v, r, _ in taken],
        )
        time += [v * int(r[TIME]) for v, r, _ in taken]
        energy += [v * int(r[ENERGY]) for v, r, _ in taken]
        resident += [v * layer.params_bytes for v, _, home in taken if home == "L2"]
        in_wm += [v * layer.params_wm_bytes for v, _, home in taken if home == "WM"]
    model.add(sum(energy) <= energy_cap)
    model.add(sum(resident) <= setting.budget_resident_bytes)
    model.add(sum(in_wm) <= setting.wm_capacity_bytes)
    model.minimize(sum(time))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 2
    solver.parameters.max_time_in_seconds = 60
    assert solver.solve(model) == cp_model.OPTIMAL
    return int(solver.objective_value)


def _options(
    model: Any, network: Network, homes: list[dict[str, Any]], step: int
) -> Iterator[tuple[Any, Any, str]]:
    layer = network.layers[step]
    for number, move in enumerate(layer.moves):
        for row in range(len(move.rows)):
            var = model.new_bool_var(f"{layer.name}.{number}.{row}")
            for tensor, home in zip(
                (*layer.inputs, layer.output), (*move.homes_in, move.home_out), strict=True
            ):
                model.add_implication(var, homes[tensor][home])
            yield var, move.rows[row], move.home_params


def _limit(
    model: Any,
    network: Network,
    homes: list[dict[str, Any]],
    step: int,
    home: str,
    cap: int,
    own: list[tuple[Any, int]],
) -> None:
    live = [
        homes[index][home] * network.tensors[index].size_bytes
        for index, (begin, end) in enumerate(network.live_ranges())
        if begin <= step < end and home in homes[index]
    ]
    model.add(sum(live) + sum(var * size for var, size in own) <= cap)


@pytest.mark.parametrize(("name", "wm_share"), [("dscnn", 0.0), ("resnet8", 0.25)])
def test_front_points_are_optimal_for_their_energy(name: str, wm_share: float) -> None:
    network = benchmark_network(name, rows=6)
    weights = sum(layer.params_bytes for layer in network.layers)
    largest = max(tensor.size_bytes for tensor in network.tensors)
    setting = Setting(40_000, int(1.7 * largest), int(0.3 * weights), int(wm_share * weights))
    points = solve(network, setting).points
    assert len(points) > 2
    for time, energy in points[[0, -1], :2]:
        assert least_time(network, setting, int(energy)) == time
    middle = len(points) // 2
    assert least_time(network, setting, int(points[middle, 1]) - 1) == points[middle + 1, 0]
