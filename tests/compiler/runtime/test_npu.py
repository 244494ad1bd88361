"""The NPU's functional model: layers against compute() on packed weights, jobs against their definition."""

from __future__ import annotations

import faulthandler
import os
import signal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compiler.ops.npu_weights import channel_tile
from tests.compiler.runtime.abi import LAYOUTS, Conv2dArgs, Window
from tests.compiler.runtime.check import Setting, check_case
from tests.compiler.runtime.library import Kernels
from tests.compiler.runtime.npu_cases import LIMITS, NPU_KINDS, NpuKind, npu_layer, random_job

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SEEDS = st.integers(0, 2**32 - 1)
every_kind = pytest.mark.parametrize("kind", NPU_KINDS, ids=lambda kind: f"{kind.layout}-{kind.stride}")


@every_kind
@given(seed=SEEDS, spare=st.integers(0, 3))
@QUICK
def test_layers_equal_compute(kernels: Kernels, kind: NpuKind, seed: int, spare: int) -> None:
    rng = np.random.default_rng(seed)
    assert check_case(kernels, rng, npu_layer(rng, kind), Setting(1, kind.layout, spare)) > 0


@every_kind
@given(seed=SEEDS)
@QUICK
def test_jobs_do_what_the_engine_defines(kernels: Kernels, kind: NpuKind, seed: int) -> None:
    case = random_job(np.random.default_rng(seed), kind)
    kernels.call("dse_npu_execute", case.job)
    np.testing.assert_array_equal(case.output.view, case.expected)
    assert case.output.untouched_outside()


@pytest.mark.parametrize("layout", LIMITS)
@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (2, 1), (1, 2), (3, 3)])
@pytest.mark.parametrize("entry", ["dse_conv2d_npu", "dse_depthwise2d_npu"])
def test_strides_are_refused_exactly_where_the_platform_has_none(
    kernels: Kernels, layout: str, stride: tuple[int, int], entry: str
) -> None:
    assert fatal(kernels, entry, layout, stride) == (stride not in LIMITS[layout].strides)


def fatal(kernels: Kernels, entry: str, layout: str, stride: tuple[int, int]) -> bool:
    """Whether a job of no outputs ends in dse_fatal, which aborts: tried in a process of its own."""
    window = Window(taps_y=3, taps_x=3, stride_y=stride[0], stride_x=stride[1], dilation_y=1, dilation_x=1)
    args = Conv2dArgs(window=window, first=True, last=True, npu_layout=LAYOUTS[layout])
    child = os.fork()
    if child == 0:
        faulthandler.disable()
        kernels.call(entry, args)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGABRT)
    return code != 0


@pytest.mark.parametrize("layout", LIMITS)
def test_channel_tiles_of_packing_are_those_of_the_platform(layout: str) -> None:
    limits = LIMITS[layout]
    assert {window for window, _ in limits.k_in_tile} == set(limits.windows)
    assert all(channel_tile(layout, window) == tile for window, tile in limits.k_in_tile)
    assert {channel_tile(layout, window) for window in limits.depthwise_windows} == {limits.depthwise_tile}
