"""Hand-made networks with known fronts, determinism, and what the solver refuses."""

from __future__ import annotations

import numpy as np
import pytest

from dse.solver.bottleneck import Caps, Counted
from dse.solver.minimum import minimum_memory
from dse.solver.problem import Layer, Move, Network, Setting, Tensor
from dse.solver.solve import solve
from tests.dse.solver.instances import benchmark_network


def move(rows: list[list[float]], params: str = "-", home_in: str = "L2", home_out: str = "L2") -> Move:
    return Move((home_in,), home_out, params, np.array(rows, dtype=np.float64), np.arange(len(rows)) + 100)


def two_layers() -> Network:
    """Each layer: 40 bytes of weights, fast and frugal from L2, slow from L3; the first may also choose a
    large tile.
    """
    first = (move([[10, 10, 8, 0], [7, 12, 30, 0]], "L2"), move([[20, 50, 8, 4]], "L3"))
    second = (move([[5, 5, 8, 0]], "L2"), move([[25, 60, 8, 4]], "L3"))
    return Network(
        (Tensor("x", 10, ("L2",)), Tensor("h", 6, ("L2",)), Tensor("y", 2, ("L2",))),
        (Layer("a", (0,), 1, 40, first), Layer("b", (1,), 2, 40, second)),
        (0,),
        (2,),
    )


def setting(l1: int = 32, arena: int = 20, resident: int = 80, with_memory: bool = False) -> Setting:
    return Setting(l1, arena, resident, with_memory=with_memory)


def least(network: Network, l1: int) -> tuple[int, int] | None:
    """(arena, resident bytes) of least sum under a cap on L1."""
    found = minimum_memory(network, Caps(l1=l1), Counted(l1=False))
    if found is None:
        return None
    return (found.arena_bytes, found.resident_l2_bytes + found.weight_memory_bytes)


def test_everything_fits_and_the_tile_is_the_only_choice() -> None:
    solution = solve(two_layers(), setting())
    assert solution.points.tolist() == [[12, 17, 80, 0], [15, 15, 80, 0]]
    assert solution.refs.tolist() == [[101, 100], [100, 100]]


def test_half_the_weights_fit_so_the_dearer_layer_keeps_them() -> None:
    assert solve(two_layers(), setting(resident=79)).points.tolist() == [[25, 55, 40, 0]]


def test_a_small_l1_leaves_the_small_tile() -> None:
    assert solve(two_layers(), setting(l1=29)).points.tolist() == [[15, 15, 80, 0]]


def test_memory_as_objective_keeps_the_slow_points() -> None:
    front = solve(two_layers(), setting(with_memory=True)).objectives(with_memory=True)
    assert front.tolist() == [[12, 17, 80], [15, 15, 80], [25, 55, 40], [45, 110, 0]]


def test_arena_below_live_tensors_names_the_layer() -> None:
    solution = solve(two_layers(), setting(arena=15))
    assert not solution.feasible
    assert solution.stuck_layer == 0
    assert solution.exact


def test_parameters_that_fit_nowhere_are_no_stuck_layer() -> None:
    resident_only = two_layers()
    layers = tuple(
        Layer(x.name, x.inputs, x.output, x.params_bytes, x.moves[:1]) for x in resident_only.layers
    )
    network = Network(resident_only.tensors, layers, (0,), (2,))
    solution = solve(network, setting(resident=60))
    assert not solution.feasible
    assert solution.stuck_layer is None
    assert least(network, 32) == (16, 80)


def test_minimum_memory_streams_parameters_and_counts_their_staging() -> None:
    assert least(two_layers(), 32) == (20, 0)
    assert least(two_layers(), 7) is None


def test_an_output_stays_live_to_the_end() -> None:
    network = two_layers()
    kept = Network(network.tensors, network.layers, (0,), (1, 2))
    early = Network(network.tensors, network.layers, (0,), (2,))
    # x + h, then h + y: 16 bytes either way; as long as x is an output too, all three are live at the end.
    assert least(kept, 32) == least(early, 32)
    assert least(Network(network.tensors, network.layers, (0,), (0, 2)), 32) == (22, 0)


@pytest.mark.parametrize("name", ["resnet8", "dscnn", "mobilenet"])
def test_benchmark_shapes_are_solved_and_repeatable(name: str) -> None:
    network = benchmark_network(name, rows=20)
    weights = sum(layer.params_bytes for layer in network.layers)
    limits = Setting(60_000, int(1.7 * max(t.size_bytes for t in network.tensors)), int(0.3 * weights))
    one, two = solve(network, limits, gap=0.01), solve(network, limits, gap=0.01)
    assert one.exact
    assert one.stats.states == (9 if name == "resnet8" else 3)
    np.testing.assert_array_equal(one.points, two.points)
    np.testing.assert_array_equal(one.rows, two.rows)
    assert (np.diff(one.points[:, 0]) > 0).all()
    assert (np.diff(one.points[:, 1]) < 0).all()


def test_region_of_a_coarse_search_holds_the_exact_front() -> None:
    network = benchmark_network("resnet8", rows=20)
    weights = sum(layer.params_bytes for layer in network.layers)
    limits = Setting(60_000, 63_000, int(0.3 * weights))
    coarse, exact = solve(network, limits, gap=0.05), solve(network, limits)
    wanted = exact.objectives()
    missed = ~(coarse.objectives()[:, None] <= wanted[None]).all(axis=2).any(axis=0)
    assert missed.any()
    assert coarse.region.admits(wanted * (1 + 1e-9)).all()


def test_bad_arguments_are_refused() -> None:
    network = two_layers()
    with pytest.raises(ValueError, match=r"gap -0\.1"):
        solve(network, setting(), gap=-0.1)
    with pytest.raises(ValueError, match="state limit 0"):
        solve(network, setting(), state_limit=0)
    with pytest.raises(ValueError, match="label limit 0"):
        solve(network, setting(), label_limit=0)
    with pytest.raises(ValueError, match=r"shape \[k, 2\], got \(1, 3\)"):
        solve(network, setting(), known=np.zeros((1, 3)))
    with pytest.raises(ValueError, match="arena_bytes -1"):
        setting(arena=-1)
    with pytest.raises(ValueError, match="l1_resident_bytes 9 exceeds l1_cap_bytes 8"):
        Setting(8, 1, 1, l1_resident_bytes=9)


def test_bad_networks_are_refused() -> None:
    network = two_layers()
    x, h, y = network.tensors
    a, b = network.layers
    with pytest.raises(ValueError, match="'h' is read before it is written"):
        Network((x, h, y), (b, a), (0,), (2,))
    with pytest.raises(ValueError, match="'h' is produced twice"):
        Network((x, h, y), (a, a), (0,), (1,))
    with pytest.raises(ValueError, match="'y' is never written"):
        Network((x, h, y), (a,), (0,), (2,))
    with pytest.raises(ValueError, match=r"index 7 is outside \[0, 3\)"):
        Network((x, h, y), (a, b), (0,), (7,))
    with pytest.raises(ValueError, match="no layers"):
        Network((x,), (), (0,), (0,))
    with pytest.raises(ValueError, match="exactly one home"):
        Network((Tensor("x", 1, ("L1", "L2")), h, y), (a, b), (0,), (2,))
    with pytest.raises(ValueError, match="'l2'"):
        Tensor("t", 1, ("l2",))
    with pytest.raises(ValueError, match=r"shape \[n, 4\]"):
        move([[1, 2, 3]])
    with pytest.raises(ValueError, match="finite"):
        move([[1, 2, 3, -1]])
    with pytest.raises(ValueError, match="1 input homes for 2 inputs"):
        Layer("a", (0, 1), 2, 0, (move([[1, 1, 1, 1]]),))
    with pytest.raises(ValueError, match="refs of shape"):
        Move(("L2",), "L2", "-", np.zeros((2, 4)), np.zeros(3, dtype=np.int64))
