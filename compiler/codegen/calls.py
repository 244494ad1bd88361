"""The kernel call of one tile in C: designated initialisers of the runtime's argument structs.

Each function answers with the lines of a block in which these names are in scope: `in0`, `in1`, ...
and `out` (dse_operand), their ranges `r_in0`, ..., `r_out` (dse_range arrays), `weights` and `tables`
(parameter block), and where a reduction is tiled `accumulator`, `first` and `last`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch

from compiler.codegen.call_fields import Fields, Layer, extent, initialiser, literal, pitch, split_of, widths
from compiler.codegen.calls_rows import (
    binary_call,
    embed_call,
    inorm_call,
    isoftmax_call,
    itamax_call,
    lut_call,
    norm_call,
    requantise_call,
    rope_call,
    softmax_call,
    update_call,
)
from compiler.ir import Operator
from compiler.ops.add import Add
from compiler.ops.avgpool import AvgPool
from compiler.ops.concat import Concat
from compiler.ops.conv2d import Conv2d
from compiler.ops.embed import Embed
from compiler.ops.inorm import INorm
from compiler.ops.integer_div import IntegerDiv
from compiler.ops.isoftmax import ISoftmax
from compiler.ops.itamax import ITAMax
from compiler.ops.lut import Lut
from compiler.ops.matmul import MatMul
from compiler.ops.maxpool import MaxPool
from compiler.ops.mul import Mul
from compiler.ops.norm import Norm
from compiler.ops.pad import Pad
from compiler.ops.requantise import Requantise
from compiler.ops.resize import Resize
from compiler.ops.rope import Rope
from compiler.ops.softmax import Softmax
from compiler.ops.transpose import MAX_RANK, Transpose
from compiler.ops.update import Update


def _window(window: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Fields:
    return {
        "window.in_row_pitch": pitch("in0", 0),
        "window.in_pixel_pitch": pitch("in0", 1),
        "window.out_row_pitch": pitch("out", 0),
        "window.out_pixel_pitch": pitch("out", 1),
        "window.in_rows": extent("in0", 0),
        "window.in_cols": extent("in0", 1),
        "window.out_rows": extent("out", 0),
        "window.out_cols": extent("out", 1),
        "window.taps_y": window[0],
        "window.taps_x": window[1],
        "window.stride_y": stride[0],
        "window.stride_x": stride[1],
        "window.dilation_y": dilation[0],
        "window.dilation_x": dilation[1],
        "window.shift_y": "r_in0[0].shift",
        "window.shift_x": "r_in0[1].shift",
    }


def _channels(op: Conv2d) -> Fields:
    """Groups of the tile, outputs and inputs of one group."""
    if op.depthwise:
        return {"groups": extent("out", 2), "outputs": 1, "inputs": 1}
    if op.groups == 1:
        return {"groups": 1, "outputs": extent("out", 2), "inputs": extent("in0", 2)}
    per_out, per_in = op.out_channels // op.groups, op.in_shape[2] // op.groups
    return {"groups": f"{extent('out', 2)} / {per_out}", "outputs": per_out, "inputs": per_in}


def _conv2d(op: Conv2d, layer: Layer) -> list[str]:
    reduces = layer.accumulator is not None
    fields: dict[str, str | int | bool] = {
        "input": "in0.data",
        "output": "out.data",
        "weights": "weights",
        "tables": "(const int32_t *)(const void *)tables",
        "accumulator": "accumulator" if reduces else "NULL",
        **_window(op.window, op.stride, op.dilation),
        **_channels(op),
        "pad_value": op.pad_value,
        "shift": op.requant.shift,
        "low": op.requant.low,
        "high": op.requant.high,
        **widths(out_log2=op.output_type),
        "in_signed": op.input_type.signed,
        "first": "first" if reduces else True,
        "last": "last" if reduces else True,
        "weights_in_wm": layer.params is not None and layer.params.weights is not None,
        "prefetch": layer.on_npu,
        **({"npu_layout": f"DSE_NPU_{layer.layout.upper()}"} if layer.on_npu else {}),
        "split": split_of(layer),
    }
    name = "dse_depthwise2d" if op.depthwise else "dse_conv2d"
    call = f"dse_npu_wait({name}_npu(&args));" if layer.on_npu else f"{name}(&args);"
    return [*initialiser("dse_conv2d_args", fields), call]


def _matmul(op: MatMul, layer: Layer) -> list[str]:
    a, b, y = op.layouts
    reduces = layer.accumulator is not None
    heads, rows, outputs = extent("out", y.index("h")), extent("out", y.index("m")), extent("out", 2)
    head_pitch, row_pitch = (
        (f"{rows} * {outputs}", outputs) if y[0] == "h" else (outputs, f"{heads} * {outputs}")
    )
    fields: dict[str, str | int | bool] = {
        "a": "in0.data",
        "b": "in1.data",
        "output": "out.data",
        "tables": "(const int32_t *)(const void *)tables",
        "accumulator": "accumulator" if reduces else "NULL",
        "heads": heads,
        "rows": rows,
        "outputs": outputs,
        "depth": extent("in0", 2),
        "ratio": op.ratio,
        "phase": f"r_out[{y.index('h')}].low % {op.ratio}" if op.ratio > 1 else 0,
        "a_head_pitch": pitch("in0", a.index("h")),
        "a_row_pitch": pitch("in0", a.index("m")),
        "b_head_pitch": pitch("in1", b.index("h")),
        "b_output_pitch": pitch("in1", b.index("n")),
        "b_depth_pitch": pitch("in1", b.index("k")),
        "out_head_pitch": pitch("out", y.index("h")),
        "out_row_pitch": pitch("out", y.index("m")),
        **({"acc_head_pitch": head_pitch, "acc_row_pitch": row_pitch} if reduces else {}),
        "zero_a": op.zero_a,
        "zero_b": op.zero_b,
        "shift": op.requant.shift,
        "low": op.requant.low,
        "high": op.requant.high,
        **widths(out_log2=op.output_type),
        "a_signed": op.type_a.signed,
        "b_signed": op.type_b.signed,
        "first": "first" if reduces else True,
        "last": "last" if reduces else True,
        "split": split_of(layer),
    }
    return [*initialiser("dse_matmul_args", fields), "dse_matmul(&args);"]


def _maxpool(op: MaxPool, layer: Layer) -> list[str]:
    fields: Fields = {
        "input": "in0.data",
        "output": "out.data",
        **_window(op.window, op.stride, op.dilation),
        "channels": extent("out", 2),
        "in_signed": op.data_type.signed,
        "split": split_of(layer),
    }
    return [*initialiser("dse_maxpool_args", fields), "dse_maxpool(&args);"]


def _avgpool(op: AvgPool, layer: Layer) -> list[str]:
    fields: Fields = {
        "input": "in0.data",
        "output": "out.data",
        "tables": "(const int32_t *)(const void *)tables",
        **_window(op.window, op.stride, (1, 1)),
        "channels": extent("out", 2),
        "pad_value": op.pad_value,
        "shift": op.shift,
        "low": op.low,
        "high": op.high,
        "in_signed": op.input_type.signed,
        "count_pad": op.count_include_pad,
        "split": split_of(layer),
    }
    return [*initialiser("dse_avgpool_args", fields), "dse_avgpool(&args);"]


def _concat(op: Concat, layer: Layer) -> list[str]:
    parts = [
        f"    {{in{k}.data, {width}, {pitch(f'in{k}', 0)}, {op.mul[k]}, {op.add[k]}, {op.shift[k]}, "
        f"{literal(op.input_types[k].signed)}}},"
        for k, width in enumerate(op.widths)
    ]
    fields: Fields = {
        "parts": "parts",
        "count": len(op.widths),
        "output": "out.data",
        "rows": extent("out", 0),
        "out_row_pitch": pitch("out", 0),
        "low": op.low,
        "high": op.high,
        "split": split_of(layer),
    }
    return [
        f"const dse_concat_part parts[{len(op.widths)}] = {{",
        *parts,
        "};",
        *initialiser("dse_concat_args", fields),
        "dse_concat(&args);",
    ]


def _transpose(op: Transpose, layer: Layer) -> list[str]:
    missing = MAX_RANK - len(op.perm)
    ones = ["1"] * missing
    zeros = ["0"] * missing
    rank = range(len(op.perm))
    sizes = ", ".join([*ones, *(extent("out", k) for k in rank)])
    source = ", ".join([*zeros, *(pitch("in0", op.perm[k]) for k in rank)])
    target = ", ".join([*zeros, *(pitch("out", k) for k in rank)])
    fields: Fields = {
        "input": "in0.data",
        "output": "out.data",
        "extent": f"{{{sizes}}}",
        "in_pitch": f"{{{source}}}",
        "out_pitch": f"{{{target}}}",
        **widths(log2=op.data_type),
        "split": split_of(layer),
    }
    return [*initialiser("dse_transpose_args", fields), "dse_transpose(&args);"]


def _pad(op: Pad, layer: Layer) -> list[str]:
    fields: dict[str, str | int | bool] = {"input": "in0.data", "output": "out.data"}
    for stream, prefix in (("in0", "in"), ("out", "out")):
        for axis, name in enumerate(("rows", "cols", "channels")):
            fields[f"{prefix}_{name}"] = extent(stream, axis)
        fields[f"{prefix}_row_pitch"] = pitch(stream, 0)
        fields[f"{prefix}_pixel_pitch"] = pitch(stream, 1)
    for axis, name in enumerate("yxc"):
        fields[f"shift_{name}"] = f"r_in0[{axis}].shift"
    fields |= {"value": op.value, "split": split_of(layer)}
    return [*initialiser("dse_pad_args", fields), "dse_pad(&args);"]


def _resize(op: Resize, layer: Layer) -> list[str]:
    fields: Fields = {
        "input": "in0.data",
        "output": "out.data",
        "out_rows": extent("out", 0),
        "out_cols": extent("out", 1),
        "channels": extent("out", 2),
        "in_row_pitch": pitch("in0", 0),
        "in_pixel_pitch": pitch("in0", 1),
        "out_row_pitch": pitch("out", 0),
        "out_pixel_pitch": pitch("out", 1),
        "up_y": op.up[0],
        "up_x": op.up[1],
        "down_y": op.down[0],
        "down_x": op.down[1],
        "offset_y": op.offset[0],
        "offset_x": op.offset[1],
        "out_y": "r_out[0].low",
        "out_x": "r_out[1].low",
        "in_y": "r_in0[0].low",
        "in_x": "r_in0[1].low",
        "split": split_of(layer),
    }
    return [*initialiser("dse_resize_args", fields), "dse_resize(&args);"]


@singledispatch
def kernel_call(op: Operator, layer: Layer) -> list[str]:
    """C lines that run a layer's kernel on the current tile."""
    raise TypeError(f"no C kernel for operator {op.kind} of layer {op.name}")


kernel_call.register(Conv2d)(_conv2d)
kernel_call.register(Lut)(lut_call)
kernel_call.register(MatMul)(_matmul)
kernel_call.register(MaxPool)(_maxpool)
kernel_call.register(AvgPool)(_avgpool)
kernel_call.register(Softmax)(softmax_call)
kernel_call.register(ISoftmax)(isoftmax_call)
kernel_call.register(ITAMax)(itamax_call)
kernel_call.register(INorm)(inorm_call)
kernel_call.register(Norm)(norm_call)
kernel_call.register(Embed)(embed_call)
kernel_call.register(Rope)(rope_call)
kernel_call.register(Requantise)(requantise_call)
kernel_call.register(Concat)(_concat)
kernel_call.register(Transpose)(_transpose)
kernel_call.register(Pad)(_pad)
kernel_call.register(Resize)(_resize)
kernel_call.register(Update)(update_call)


@kernel_call.register
def _(op: Add, layer: Layer) -> list[str]:
    return binary_call(op, layer, {"mul_a": op.mul_a, "mul_b": op.mul_b})


@kernel_call.register
def _(op: Mul, layer: Layer) -> list[str]:
    return binary_call(op, layer, {"mul_a": op.mul, "zero_a": op.zero_a, "zero_b": op.zero_b})


@kernel_call.register
def _(op: IntegerDiv, layer: Layer) -> list[str]:
    scalars: Fields = {"mul_a": op.factor, "mul_b": op.eta, "zero_a": op.mul, "zero_b": op.eps}
    return binary_call(op, layer, scalars)


def tables_pointer(layer: Layer, block_bytes: str) -> str:
    """C expression of the tables part, which ends a block of both parts that starts at `weights`.

    A tile that does not finish its reduction has no tables.
    """
    start = f"weights + ({block_bytes} - 8u * dse_extent(r_out[2]))"
    return f"last ? {start} : NULL" if layer.accumulator is not None else start
