"""Which operators an NPU may run without changing a bit."""

from __future__ import annotations

from compiler.ir.operator import Operator
from compiler.ops.conv2d import Conv2d
from costmodels.npu import NpuConstraints


def npu_blockers(op: Operator, constraints: NpuConstraints) -> tuple[str, ...]:
    """Why `op` may not run on an NPU with these constraints, one reason each; empty: it may."""
    if not isinstance(op, Conv2d):
        return (f"{op.kind} is no convolution",)
    checks = (*_geometry(op, constraints), *_types(op, constraints), *_requantisation(op, constraints))
    return tuple(reason for blocked, reason in checks if blocked)


Checks = tuple[tuple[bool, str], ...]


def _geometry(op: Conv2d, limits: NpuConstraints) -> Checks:
    allowed = limits.depthwise_windows if op.depthwise else limits.windows
    what = "depthwise" if op.depthwise else "dense"
    kh, kw = op.window
    return (
        (op.groups > 1 and not op.depthwise, f"{op.groups} groups that are not depthwise"),
        (op.window not in allowed, f"{what} {kh}x{kw} window"),
        (op.stride not in limits.strides, f"stride {op.stride[0]}x{op.stride[1]}"),
        (op.dilation != (1, 1), f"dilation {op.dilation[0]}x{op.dilation[1]}"),
        (max(op.pads) > limits.max_padding, f"padding {max(op.pads)} above {limits.max_padding} a side"),
        # dse_npu.h: the engines pad 3x3 windows alone.
        (op.window == (1, 1) and max(op.pads) > 0, "padding around a 1x1 window"),
    )


def _types(op: Conv2d, limits: NpuConstraints) -> Checks:
    return (
        (op.input_type.value not in limits.input_types, f"{op.input_type.value} input"),
        (op.output_type.value not in limits.output_types, f"{op.output_type.value} output"),
    )


def _requantisation(op: Conv2d, limits: NpuConstraints) -> Checks:
    requant, output = op.requant, op.output_type
    smallest, largest = int(requant.mul.array.min()), int(requant.mul.array.max())
    clamped = (requant.low, requant.high) != (output.low, output.high)
    return (
        (clamped, f"clamp [{requant.low}, {requant.high}] is not the range of {output.value}"),
        (smallest <= 0, f"multiplier {smallest} is not positive"),
        (largest >= 1 << limits.scale_bits, f"multiplier {largest} exceeds {limits.scale_bits} bits"),
        (requant.shift > limits.max_shift, f"shift {requant.shift} above {limits.max_shift}"),
    )
