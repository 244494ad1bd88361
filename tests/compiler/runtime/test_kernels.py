"""The C kernels against compute(), bit for bit, on random operators, tiles, pitches, splits and cores."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.compiler.ops.cases import CASES
from tests.compiler.runtime.abi import STRUCTS
from tests.compiler.runtime.check import Setting, check_case
from tests.compiler.runtime.library import Kernels

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_structs_are_those_of_the_header(kernels: Kernels) -> None:
    assert [kernels.struct_bytes(k) for k in range(len(STRUCTS))] == [ctypes.sizeof(s) for s in STRUCTS]
    assert kernels.struct_bytes(len(STRUCTS)) == 0


@pytest.mark.parametrize("kind", CASES)
@given(seed=st.integers(0, 2**32 - 1), cores=st.integers(1, 8), spare=st.integers(0, 3))
@QUICK
def test_kernels_equal_compute(kernels: Kernels, kind: str, seed: int, cores: int, spare: int) -> None:
    rng = np.random.default_rng(seed)
    assert check_case(kernels, rng, CASES[kind](rng), Setting(cores, "plain", spare)) > 0
