"""The NPU's functional model: layers against compute() on packed weights, jobs against their definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.compiler.runtime.check import Setting, check_case
from tests.compiler.runtime.library import Kernels
from tests.compiler.runtime.npu_cases import npu_layer, random_job

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(params=["neureka", "ne16"])
def npu(request: pytest.FixtureRequest) -> tuple[str, Kernels]:
    """A layout and the library built for it."""
    name = {"neureka": "kernels", "ne16": "kernels_ne16"}[request.param]
    library: Kernels = request.getfixturevalue(name)
    return request.param, library


@given(seed=SEEDS, spare=st.integers(0, 3))
@QUICK
def test_layers_equal_compute(npu: tuple[str, Kernels], seed: int, spare: int) -> None:
    layout, kernels = npu
    rng = np.random.default_rng(seed)
    assert check_case(kernels, rng, npu_layer(rng), Setting(1, layout, spare)) > 0


@given(seed=SEEDS)
@QUICK
def test_jobs_do_what_the_engine_defines(npu: tuple[str, Kernels], seed: int) -> None:
    layout, kernels = npu
    case = random_job(np.random.default_rng(seed), layout == "ne16")
    kernels.call("dse_npu_execute", case.job)
    np.testing.assert_array_equal(case.output.view, case.expected)
    assert case.output.untouched_outside()
