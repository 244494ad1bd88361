"""The Xpulp kernels, instructions emulated in C, against compute(): the same cases as the portable ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.compiler.ops.cases import CASES, convolution
from tests.compiler.runtime.check import Setting, check_case
from tests.compiler.runtime.library import Kernels

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("kind", CASES)
@given(seed=st.integers(0, 2**32 - 1), cores=st.integers(1, 8), spare=st.integers(0, 3))
@QUICK
def test_kernels_equal_compute(xpulp_kernels: Kernels, kind: str, seed: int, cores: int, spare: int) -> None:
    rng = np.random.default_rng(seed)
    assert check_case(xpulp_kernels, rng, CASES[kind](rng), Setting(cores, "plain", spare, units=True)) > 0


@given(
    seed=st.integers(0, 2**32 - 1),
    cores=st.integers(1, 8),
    groups=st.integers(4, 20),
    stride=st.integers(1, 2),
)
@QUICK
def test_depthwise_strips_equal_compute(
    xpulp_kernels: Kernels, seed: int, cores: int, groups: int, stride: int
) -> None:
    """3x3 without dilation: the windows that strips of columns compute."""
    rng = np.random.default_rng(seed)
    case = convolution(rng, groups, 1, 1, (3, 3), npu_stride=stride)
    assert check_case(xpulp_kernels, rng, case, Setting(cores, "plain", seed % 4, units=True)) > 0
