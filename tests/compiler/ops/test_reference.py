"""compute() against loops over Python integers, in every layout."""

from __future__ import annotations

import numpy as np
import pytest

from tests.compiler.ops.cases import CASES
from tests.compiler.ops.naive import NAIVE
from tests.compiler.ops.tiles import run_whole


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", CASES)
def test_compute_equals_the_definition(kind: str, seed: int) -> None:
    case = CASES[kind](np.random.default_rng(seed))
    expected = NAIVE[case.op.kind](case.op, *case.arrays)
    for layout in case.layouts:
        result = run_whole(case.op, case.tensors, case.arrays, layout)
        np.testing.assert_array_equal(result.reshape(-1), expected.reshape(-1))


@pytest.mark.parametrize("kind", CASES)
def test_cases_do_not_saturate_everywhere(kind: str) -> None:
    case = CASES[kind](np.random.default_rng(0))
    result = run_whole(case.op, case.tensors, case.arrays)
    assert len(np.unique(result)) > 1
