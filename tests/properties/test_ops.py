"""Any tiling, in any order and layout, computes what the whole operator computes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.compiler.ops.cases import CASES
from tests.compiler.ops.tiles import run_tiles, run_whole


@pytest.mark.parametrize("kind", CASES)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_tiles_compute_the_whole(kind: str, data: st.DataObject) -> None:
    case = CASES[kind](np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed")))
    layout = data.draw(st.sampled_from(case.layouts), label="layout")
    space = case.op.space(case.tensors)
    # On an NPU the reduction is not tiled.
    dims = [d for d in space.dims if d.tileable and not (d.reduction and layout != "plain")]
    sizes = {d.name: data.draw(st.integers(1, d.extent), label=d.name) for d in dims}
    order = data.draw(st.permutations([d.name for d in dims]), label="order")
    whole = run_whole(case.op, case.tensors, case.arrays)
    tiled = run_tiles(case.op, case.tensors, case.arrays, layout, sizes, order)
    np.testing.assert_array_equal(tiled, whole)


@pytest.mark.parametrize("kind", CASES)
@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_spaces_are_well_formed(kind: str, seed: int) -> None:
    case = CASES[kind](np.random.default_rng(seed))
    space = case.op.space(case.tensors)
    tileable = {d.name for d in space.dims if d.tileable}
    reductions = [d.name for d in space.dims if d.tileable and d.reduction]
    assert tuple((d.name, d.extent) for d in space.dims) == space.spec.dims
    for order in space.orders:
        assert set(order) == tileable
        assert list(order[len(order) - len(reductions) :]) == reductions
    for split in space.spec.splits:
        assert set(split) <= tileable - set(reductions)
    assert set(space.param_dims) <= tileable
    assert not space.output.dims & set(reductions)
    for access in (*space.inputs, space.output):
        # Where the tensor is longer, the view may begin at any row of `into`.
        behind = (access.into.rows - 1) * access.into.row_bytes // access.element_bytes if access.into else 0
        elements = np.prod(access.shape) + behind
        assert elements == case.tensors[access.tensor].elements
