"""Which convolutions an NPU may run, and the reasons why not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from compiler.ir import IntType
from compiler.ir.tensor import Constant
from compiler.ops.conv2d import Conv2d
from compiler.ops.engines import npu_blockers
from compiler.ops.requant import Requant
from costmodels.npu import NpuConstraints
from tests.compiler.ops.cases import CASES

LIMITS = NpuConstraints(
    layout="neureka",
    windows=((1, 1), (3, 3)),
    depthwise_windows=((3, 3),),
    strides=((1, 1),),
    max_padding=2,
    scale_bits=8,
    max_shift=24,
    k_in_tile=(((1, 1), 32), ((3, 3), 28)),
    k_out_tile=32,
    depthwise_tile=28,
)


def convolution(window: int = 3, groups: int = 1, per_in: int = 4, mul: int = 7) -> Conv2d:
    channels = 4
    return Conv2d(
        name="c",
        inputs=("x",),
        output="y",
        in_shape=(9, 9, groups * per_in),
        weights=Constant(np.ones((channels, window, window, per_in), np.int8)),
        requant=requant(mul),
        groups=groups,
    )


def requant(mul: int = 7, low: int = -128, shift: int = 9) -> Requant:
    zeros = Constant(np.zeros(4, np.int32))
    return Requant(Constant(np.array([5, 5, 5, mul], np.int32)), zeros, shift, low, 127)


@pytest.mark.parametrize(
    "op",
    [
        convolution(),
        convolution(1),
        convolution(groups=4, per_in=1),
        replace(convolution(), pads=(2, 0, 1, 2)),
    ],
)
def test_what_the_npu_is_made_for_has_no_blockers(op: Conv2d) -> None:
    assert npu_blockers(op, LIMITS) == ()


@pytest.mark.parametrize(
    ("op", "reason"),
    [
        (convolution(5), "dense 5x5 window"),
        (convolution(1, groups=4, per_in=1), "depthwise 1x1 window"),
        (convolution(groups=2), "2 groups that are not depthwise"),
        (replace(convolution(), stride=(2, 1)), "stride 2x1"),
        (replace(convolution(), dilation=(1, 2)), "dilation 1x2"),
        (replace(convolution(), pads=(0, 3, 0, 0)), "padding 3 above 2 a side"),
        (replace(convolution(1), pads=(0, 1, 0, 0)), "padding around a 1x1 window"),
        (convolution(mul=0), "multiplier 0 is not positive"),
        (convolution(mul=256), "multiplier 256 exceeds 8 bits"),
        (replace(convolution(), requant=requant(low=0)), "clamp [0, 127] is not the range of int8"),
        (replace(convolution(), requant=requant(shift=25)), "shift 25 above 24"),
        (replace(convolution(), output_type=IntType.I16), "int16 output"),
    ],
)
def test_reasons(op: Conv2d, reason: str) -> None:
    assert reason in npu_blockers(op, LIMITS)


def test_other_operators_stay_on_the_cores() -> None:
    add = CASES["add"](np.random.default_rng(0)).op
    assert npu_blockers(add, LIMITS) == ("add is no convolution",)
