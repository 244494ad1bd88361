"""The least memory of a network against brute force over every deployment."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.solver.bottleneck import Caps, Counted
from dse.solver.minimum import MinimumMemory, minimum_memory, stuck_layer
from dse.solver.problem import Network
from dse.solver.width import wide_tensors
from tests.dse.solver.instances import benchmark_network, every_deployment, random_network

seeds = st.integers(0, 2**31 - 1)
counted = st.builds(Counted, st.booleans(), st.booleans(), st.booleans())
# Homes of parameters: a platform with everything, one without weight memory, two without L3.
homes = st.sampled_from([("L2", "L3", "WM", "L1"), ("L2", "L3", "L1"), ("L2", "L1"), ("L2", "WM", "L1")])


def random_caps(seed: int) -> Caps:
    """Sometimes loose, sometimes binding, sometimes impossible."""
    rng = np.random.default_rng([seed, 5])

    def cap(low: int, high: int) -> float:
        return math.inf if rng.random() < 0.3 else int(rng.integers(low, high))

    return Caps(l1=cap(8, 70), l2=cap(20, 90), weight_memory=cap(0, 30), total=cap(30, 130))


def by_brute_force(network: Network, caps: Caps, counted: Counted) -> list[tuple[float, float]]:
    """(sum over the counted memories, arena) of every deployment within the caps."""
    found = []
    for _, (_, _, l2, memory, l1, l1_peak, arena) in every_deployment(network):
        total = (l1_peak + l1) * counted.l1 + (arena + l2) * counted.l2 + memory * counted.weight_memory
        fits = l1_peak + l1 <= caps.l1 and arena + l2 <= caps.l2
        if fits and memory <= caps.weight_memory and total <= caps.total:
            found.append((total, arena))
    return found


def sum_of(found: MinimumMemory, counted: Counted) -> int:
    total = found.l1_total_bytes * counted.l1 + found.l2_total_bytes * counted.l2
    return total + found.weight_memory_bytes * counted.weight_memory


@given(seeds, homes, counted)
@settings(max_examples=500, deadline=None)
def test_it_is_the_brute_force_minimum(seed: int, params: tuple[str, ...], counted: Counted) -> None:
    network, caps = random_network(seed, params=params), random_caps(seed)
    wanted = by_brute_force(network, caps, counted)
    found = minimum_memory(network, caps, counted)
    if not wanted:
        assert found is None
        return
    assert found is not None
    assert sum_of(found, counted) == min(wanted)[0]
    if counted.l2:
        assert found.arena_bytes == min(wanted)[1]
    assert found.floor_bytes == sum_of(found, counted)


@given(seeds, homes)
@settings(max_examples=150, deadline=None)
def test_its_parts_are_those_of_one_deployment(seed: int, params: tuple[str, ...]) -> None:
    network, caps = random_network(seed, params=params), random_caps(seed)
    found = minimum_memory(network, caps)
    if found is None:
        return
    parts = (found.resident_l2_bytes, found.weight_memory_bytes, found.l1_resident_bytes)
    peaks = (found.l1_bytes, found.arena_bytes)
    assert (*parts, *peaks) in {total[2:] for _, total in every_deployment(network)}
    assert found.l1_total_bytes <= caps.l1
    assert found.l2_total_bytes <= caps.l2
    assert found.total_bytes <= caps.total


@given(seeds, homes, st.sampled_from([1, 2, 4]))
@settings(max_examples=150, deadline=None)
def test_pinned_homes_give_a_deployment_and_a_valid_floor(
    seed: int, params: tuple[str, ...], state_limit: int
) -> None:
    network, caps = random_network(seed, params=params), random_caps(seed)
    wanted = by_brute_force(network, caps, Counted())
    found = minimum_memory(network, caps, wide=wide_tensors(network, state_limit))
    if found is None:
        return
    assert found.total_bytes in {total for total, _ in wanted}
    assert found.floor_bytes <= min(wanted)[0]


@given(seeds)
@settings(max_examples=80, deadline=None)
def test_a_layer_is_stuck_exactly_if_nothing_runs(seed: int) -> None:
    network = random_network(seed)
    assert (stuck_layer(network) is None) == bool(by_brute_force(network, Caps(), Counted()))


@pytest.mark.parametrize("name", ["resnet8", "dscnn", "mobilenet"])
def test_benchmark_shapes_have_an_exact_minimum(name: str) -> None:
    network = benchmark_network(name, rows=20)
    found = minimum_memory(network)
    assert found is not None
    assert found.floor_bytes == found.total_bytes
    tight = minimum_memory(network, Caps(total=found.total_bytes))
    assert tight == found
    assert minimum_memory(network, Caps(total=found.total_bytes - 1)) is None
