"""Convolution with constant weights: dense, grouped, depthwise; Gemm and MatMul as 1x1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from compiler.ir.operator import Operator
from compiler.ir.tensor import Constant, IntType
from compiler.ops.requant import Requant


@dataclass(frozen=True, kw_only=True)
class Conv2d(Operator):
    """y[oy,ox,o] = requant(sum over taps and i of x[oy*sy + ky*dy - top, ...] * w[o,ky,kx,i]).

    Views: input (H, W, C), output (Ho, Wo, O). Raw codes are multiplied; the input's zero point is
    folded into `requant.add`, and taps outside the input read `pad_value` (its zero point). Gemm and
    MatMul with constant weights have in_shape (rows, 1, K) and a 1x1 window.

    in_shape (H, W, C); weights int8 [O, kh, kw, C/groups]; pads (top, left, bottom, right).
    """

    kind: ClassVar[str] = "conv2d"
    in_shape: tuple[int, int, int]
    weights: Constant
    requant: Requant
    groups: int = 1
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    pad_value: int = 0
    input_type: IntType = IntType.I8
    output_type: IntType = IntType.I8
