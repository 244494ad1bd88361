"""Tile sizes, candidates, grids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from compiler.ir import Axis, Dim
from compiler.tiling import Grid, TileLimits, enumerate_tiles, reload_depth, tile_sizes
from compiler.tiling.traffic import line_structure
from tests.compiler.networks import every_operator

GRAPH = every_operator(0)
DENSE = GRAPH.operators[0].space(GRAPH.by_name)

extents = st.one_of(st.integers(1, 300), st.integers(4000, 20000))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    extent=extents,
    granule=st.sampled_from((1, 2, 4, 7)),
    limit=st.integers(2, 40),
    preferred=st.sampled_from((1, 16, 28)),
)
@example(extent=4097, granule=1, limit=3, preferred=1)
def test_tile_sizes(extent: int, granule: int, limit: int, preferred: int) -> None:
    sizes = tile_sizes(Dim("y", extent, granule=granule), limit, preferred).tolist()
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == extent
    assert sizes[0] >= 1
    assert all(size % granule == 0 or size == extent for size in sizes)
    # Thinning keeps `limit` evenly spread sizes and at most as many aligned ones.
    assert len(sizes) <= limit + (limit if preferred > 1 else 0) + 1


@settings(max_examples=100, deadline=None, derandomize=True)
@given(extent=st.integers(1, 400))
def test_without_a_limit_no_other_size_is_better(extent: int) -> None:
    sizes = tile_sizes(Dim("y", extent), 10**6).tolist()
    # For every size there is one with as many tiles that is no larger.
    for size in range(1, extent + 1):
        tiles = -(-extent // size)
        assert any(-(-extent // known) == tiles and known <= size for known in sizes)


def test_preferred_multiples_survive_thinning() -> None:
    sizes = tile_sizes(Dim("o", 1000), 6, preferred=32)
    assert sum(size % 32 == 0 for size in sizes) >= 3


@pytest.mark.parametrize("dim", [Dim("g", 12, tileable=False), Dim("g", 1)])
def test_what_cannot_be_tiled_stays_whole(dim: Dim) -> None:
    assert tile_sizes(dim, 10).tolist() == [dim.extent]


def test_candidates_are_all_combinations() -> None:
    limits = TileLimits(3, {"o": 8}, frozenset({"i"}))
    tiles = enumerate_tiles(DENSE, limits)
    axes = [
        [dim.extent] if dim.name == "i" else tile_sizes(dim, 3, 8 if dim.name == "o" else 1).tolist()
        for dim in DENSE.dims
    ]
    assert tiles.shape == (np.prod([len(axis) for axis in axes]), len(DENSE.dims))
    assert len(np.unique(tiles, axis=0)) == len(tiles)
    for column, axis in zip(tiles.T, axes, strict=True):
        assert sorted(set(column.tolist())) == axis


def test_grid_of_a_known_tiling() -> None:
    # dense: y 6, x 11, g 1, o 40, i 8
    grid = Grid(DENSE, np.array([[4, 11, 1, 16, 8], [6, 11, 1, 40, 8]]))
    assert grid.trips.tolist() == [[2, 1, 1, 3, 1], [1, 1, 1, 1, 1]]
    assert grid.steps.tolist() == [6, 1]
    extents, counts = grid.classes
    shapes = {
        (int(extents["y"][0, k]), int(extents["o"][0, k])): int(counts[0, k])
        for k in range(counts.shape[1])
        if counts[0, k]
    }
    assert shapes == {(4, 16): 2, (2, 16): 2, (4, 8): 1, (2, 8): 1}
    assert counts.sum(axis=1).tolist() == [6, 1]


def test_halo_and_padding_in_axis_sums() -> None:
    # Rows 2y-1 .. 2y+1 of 13; tiles of 4 output rows: rows -1..7 and 7..11, clipped to 0..7 and 7..11.
    rows = DENSE.inputs[0].axes[0]
    sums = Grid(DENSE, np.array([[4, 11, 1, 40, 8]])).axis_sums(rows)
    assert (sums.total.tolist(), sums.largest.tolist(), sums.trips.tolist()) == ([8 + 5], [8], [2])
    assert not sums.full[0]


def test_two_tiled_dimensions_on_an_axis_are_refused() -> None:
    grid = Grid(DENSE, np.array([[3, 4, 1, 40, 8]]))
    with pytest.raises(ValueError, match="several tiled dimensions"):
        grid.axis_sums(Axis(20, (("y", 1), ("x", 1))))


def test_reload_depth_is_the_innermost_own_loop() -> None:
    grid = Grid(DENSE, np.array([[3, 11, 1, 10, 8], [6, 11, 1, 40, 8]]))
    order = ("o", "y", "x", "i")
    assert reload_depth(grid, order, frozenset({"y", "x"})).tolist() == [2, 0]
    assert reload_depth(grid, order, frozenset({"o", "i"})).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("full", "structure"),
    [
        ((True, True, True), (0, 0)),
        ((False, True, True), (0, 0)),
        ((True, False, True), (1, 0)),
        ((False, False, True), (1, 0)),
        ((True, True, False), (2, 0)),
        ((False, True, False), (2, 0)),
        ((True, False, False), (2, 1)),
        ((False, False, False), (2, 1)),
        ((), (0, 0)),
    ],
)
def test_line_structure(full: tuple[bool, ...], structure: tuple[int, int]) -> None:
    assert line_structure(full) == structure
