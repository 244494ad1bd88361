"""The whole front in (time, energy, max-live memory), and its lower bounds, against every deployment."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.solver.bottleneck import Caps
from dse.solver.heights import most_volume, volume
from dse.solver.hypervolume import hypervolume
from dse.solver.labels import merge_alike
from dse.solver.pareto import FloatArray
from dse.solver.problem import Network
from dse.solver.whole import Effort, whole_front
from tests.dse.solver.instances import every_deployment, naive_front, random_network

seeds = st.integers(0, 2**31 - 1)
# Of a reference of 1 000: 1e-7, where fronts reach to some tens and the gap is judged up to somewhat more.
EXACT = Effort(gap=0.0, tolerance=1e-10, grain=0.0, labels=100_000, splits=100_000, sums=10**12)


def random_caps(seed: int) -> Caps:
    """Sometimes loose, sometimes binding, sometimes too small."""
    rng = np.random.default_rng([seed, 2])
    l1, l2, memory, total = (
        int(rng.integers(low, high)) for low, high in ((15, 70), (20, 120), (0, 25), (30, 150))
    )
    return Caps(l1, l2, memory, total)


def totals_within(network: Network, caps: Caps) -> FloatArray:
    """[n, 3] time, energy, memory of every deployment that keeps to the caps, from its definition."""
    totals = np.array([total for _, total in every_deployment(network)]).reshape(-1, 7)
    l2, in_memory, l1, l1_peak, l2_peak = totals[:, 2:].T
    memory = l2 + in_memory + l1 + l1_peak + l2_peak
    fits = (l1_peak + l1 <= caps.l1) & (l2_peak + l2 <= caps.l2)
    fits &= (in_memory <= caps.weight_memory) & (memory <= caps.total)
    return np.asarray(np.concatenate([totals[:, :2], memory[:, None]], axis=1)[fits])


@given(seeds, st.booleans())
@settings(max_examples=150, deadline=None)
def test_front_is_the_brute_force_front(seed: int, branches: bool) -> None:
    network, caps = random_network(seed, branches), random_caps(seed)
    wanted = naive_front(totals_within(network, caps))
    front = whole_front([network], caps, EXACT, np.full(3, 1_000.0))
    if front is None:
        assert len(wanted) == 0
        return
    assert front.gap < 1e-6
    np.testing.assert_array_equal(front.reached.objectives, wanted)


@given(seeds, st.integers(1, 20), st.sampled_from([0.0, 0.02, 0.1]), st.integers(0, 15))
@settings(max_examples=200, deadline=None)
def test_no_deployment_beats_the_lower_bounds(seed: int, labels: int, rough: float, splits: int) -> None:
    networks = [random_network(seed), random_network(seed + 1)]
    caps = random_caps(seed)
    effort = Effort(gap=0.0, tolerance=rough, grain=rough, labels=labels, splits=splits)
    front = whole_front(networks, caps, effort)
    everything = np.concatenate([totals_within(network, caps) for network in networks])
    if front is None:
        return
    for point in naive_front(everything):
        assert (front.least <= point * (1 + 1e-9)).all(axis=1).any()
    reference = everything.max(axis=0) + 1.0
    assert hypervolume(naive_front(everything), reference) <= hypervolume(front.least, reference) * (1 + 1e-9)


@given(seeds, st.integers(1, 20))
@settings(max_examples=60, deadline=None)
def test_reached_points_are_attained_by_their_decisions(seed: int, labels: int) -> None:
    network, caps = random_network(seed), random_caps(seed)
    front = whole_front([network], caps, Effort(labels=labels, splits=5))
    if front is None:
        return
    reached = front.reached
    known = dict(every_deployment(network))
    for k, objectives in enumerate(reached.objectives):
        total = known[tuple(zip(reached.moves[k], reached.rows[k], strict=True))]
        assert tuple(objectives) == (total[0], total[1], sum(total[2:]))
        assert tuple(reached.peaks[k]) == total[5:]
        assert tuple(reached.resident[k]) == total[2:5]
    within = {tuple(row) for row in totals_within(network, caps).tolist()}
    assert within.issuperset(map(tuple, reached.objectives.tolist()))


rows = st.lists(st.tuples(*[st.integers(0, 12)] * 3), min_size=1, max_size=30)


@given(rows, st.integers(1, 10))
@settings(max_examples=200, deadline=None)
def test_volume_by_heights_is_the_hypervolume(points: list[tuple[int, int, int]], count: int) -> None:
    array, reference = np.array(points, dtype=np.float64), np.array([10.0, 11.0, 9.0])
    assert volume(array, reference) == hypervolume(array, reference)
    chosen = most_volume(array, reference, count, 0.0)
    best = max((hypervolume(array[[k]], reference) for k in range(len(array))), default=0.0)
    assert len(set(chosen)) == len(chosen) <= count
    if chosen:
        assert hypervolume(array[chosen[:1]], reference) == best


@given(rows, st.integers(1, 10))
@settings(max_examples=100, deadline=None)
def test_merged_labels_are_below_all_that_they_stand_for(
    points: list[tuple[int, int, int]], limit: int
) -> None:
    costs = np.array(points, dtype=np.float64)
    state = np.sort(np.arange(len(points)) % 3).astype(np.int64)
    first, least = merge_alike(costs, state, limit)
    assert len(first) <= max(limit, len(np.unique(state)))
    assert (np.diff(state[first]) >= 0).all()
    for row, home in zip(costs, state, strict=True):
        assert ((least <= row).all(axis=1) & (state[first] == home)).any()
