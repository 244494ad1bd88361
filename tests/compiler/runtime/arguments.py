"""Argument structs from operators and tile calls, as generated code fills them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from compiler.ir import Operator, TileCall
from compiler.ir.operator import align4
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
from compiler.ops.transpose import Transpose
from compiler.ops.update import Update
from tests.compiler.runtime import abi
from tests.compiler.runtime.placed import Placed


@dataclass(frozen=True)
class Job:
    """One tile with everything in memory. `weights_bytes`: unpadded size of the block's first part; `layout`:
    how it is packed."""

    call: TileCall
    inputs: Sequence[Placed]
    output: Placed
    block: npt.NDArray[np.uint8]
    weights_bytes: int
    split: int
    layout: str = "plain"
    accumulator: npt.NDArray[np.int32] | None = None

    @property
    def tables(self) -> int:
        return int(self.block.ctypes.data) + int(align4(self.weights_bytes))


def window(job: Job, taps: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]) -> abi.Window:
    region, x, y = job.call.inputs[0], job.inputs[0], job.output
    return abi.Window(
        *x.pitch[:2], *y.pitch[:2], *region.shape[:2], *job.call.output.shape[:2], *taps, *stride, *dilation,
        *region.shift[:2],
    )  # fmt: skip


def conv2d(op: Conv2d, job: Job) -> tuple[str, ctypes.Structure]:
    groups = job.call.extent("g")
    outputs, inputs = (1, 1) if op.depthwise else (job.call.extent("o"), job.call.extent("i"))
    args = abi.Conv2dArgs(
        input=job.inputs[0].address,
        output=job.output.address,
        weights=job.block.ctypes.data,
        tables=job.tables,
        accumulator=None if job.accumulator is None else job.accumulator.ctypes.data,
        window=window(job, op.window, op.stride, op.dilation),
        groups=groups,
        outputs=outputs,
        inputs=inputs,
        pad_value=op.pad_value,
        shift=op.requant.shift,
        low=op.requant.low,
        high=op.requant.high,
        out_log2=op.output_type.log2,
        in_signed=op.input_type.signed,
        first=job.call.first,
        last=job.call.last,
        npu_layout=abi.LAYOUTS[job.layout],
        split=job.split,
    )
    return ("dse_depthwise2d" if op.depthwise else "dse_conv2d"), args


def matmul(op: MatMul, job: Job) -> tuple[str, ctypes.Structure]:
    y = op.layouts[2]
    left, right, out = (
        dict(zip(order, operand.pitch, strict=True))
        for order, operand in zip(op.layouts, (*job.inputs, job.output), strict=True)
    )
    extents = dict(zip(y, job.call.output.shape, strict=True))
    inner = extents["m"] if y[0] == "h" else extents["h"]
    accumulated = dict(zip(y, (inner * extents["n"], extents["n"]), strict=False))
    args = abi.MatmulArgs(
        a=job.inputs[0].address,
        b=job.inputs[1].address,
        output=job.output.address,
        tables=job.tables,
        accumulator=None if job.accumulator is None else job.accumulator.ctypes.data,
        heads=extents["h"],
        rows=extents["m"],
        outputs=extents["n"],
        depth=job.call.extent("i"),
        ratio=op.ratio,
        phase=job.call.output.low[y.index("h")] % op.ratio,
        a_head_pitch=left["h"],
        a_row_pitch=left["m"],
        b_head_pitch=right["h"],
        b_output_pitch=right["n"],
        b_depth_pitch=right["k"],
        out_head_pitch=out["h"],
        out_row_pitch=out["m"],
        acc_head_pitch=accumulated["h"],
        acc_row_pitch=accumulated["m"],
        zero_a=op.zero_a,
        zero_b=op.zero_b,
        shift=op.requant.shift,
        low=op.requant.low,
        high=op.requant.high,
        out_log2=op.output_type.log2,
        a_signed=op.type_a.signed,
        b_signed=op.type_b.signed,
        first=job.call.first,
        last=job.call.last,
        split=job.split,
    )
    return "dse_matmul", args


def _rows(job: Job) -> tuple[int, int]:
    *rows, channels = job.call.output.shape
    return (rows[0] if rows else 1), channels


def _row_pitch(operand: Placed) -> int:
    return operand.pitch[0] if len(operand.pitch) == 2 else 0


def binary(op: Add | Mul | IntegerDiv, job: Job) -> tuple[str, ctypes.Structure]:
    rows, channels = _rows(job)
    if isinstance(op, Add):
        scalars = {"mul_a": op.mul_a, "mul_b": op.mul_b}
    elif isinstance(op, Mul):
        scalars = {"mul_a": op.mul, "zero_a": op.zero_a, "zero_b": op.zero_b}
    else:
        scalars = {"mul_a": op.factor, "mul_b": op.eta, "zero_a": op.mul, "zero_b": op.eps}
    args = abi.BinaryArgs(
        a=job.inputs[0].address,
        b=job.inputs[1].address,
        output=job.output.address,
        rows=rows,
        channels=channels,
        a_row_pitch=_row_pitch(job.inputs[0]),
        b_row_pitch=_row_pitch(job.inputs[1]) if op.broadcast == "none" else 0,
        out_row_pitch=_row_pitch(job.output),
        b_step=int(op.broadcast != "scalar"),
        add=op.add,
        shift=op.shift,
        low=op.low,
        high=op.high,
        a_log2=op.type_a.log2,
        b_log2=op.type_b.log2,
        out_log2=op.output_type.log2,
        a_signed=op.type_a.signed,
        b_signed=op.type_b.signed,
        split=job.split,
        **scalars,
    )
    return f"dse_{op.kind}", args


def requantise(op: Requantise, job: Job) -> tuple[str, ctypes.Structure]:
    rows, channels = _rows(job)
    args = abi.RequantiseArgs(
        input=job.inputs[0].address,
        output=job.output.address,
        rows=rows,
        channels=channels,
        mul=op.mul,
        add=op.add,
        shift=op.shift,
        low=op.low,
        high=op.high,
        in_log2=op.input_type.log2,
        out_log2=op.output_type.log2,
        in_signed=op.input_type.signed,
        split=job.split,
    )
    return "dse_requantise", args


def lut(op: Lut, job: Job) -> tuple[str, ctypes.Structure]:
    rows, channels = _rows(job)
    args = abi.LutArgs(
        input=job.inputs[0].address,
        output=job.output.address,
        table=job.tables,
        rows=rows,
        channels=channels,
        in_signed=op.input_type.signed,
        split=job.split,
    )
    return "dse_lut", args


def maxpool(op: MaxPool, job: Job) -> tuple[str, ctypes.Structure]:
    args = abi.MaxpoolArgs(
        input=job.inputs[0].address,
        output=job.output.address,
        window=window(job, op.window, op.stride, op.dilation),
        channels=job.call.output.shape[2],
        in_signed=op.data_type.signed,
        split=job.split,
    )
    return "dse_maxpool", args


def avgpool(op: AvgPool, job: Job) -> tuple[str, ctypes.Structure]:
    args = abi.AvgpoolArgs(
        input=job.inputs[0].address,
        output=job.output.address,
        tables=job.tables,
        window=window(job, op.window, op.stride, (1, 1)),
        channels=job.call.output.shape[2],
        pad_value=op.pad_value,
        shift=op.shift,
        low=op.low,
        high=op.high,
        in_signed=op.input_type.signed,
        count_pad=op.count_include_pad,
        split=job.split,
    )
    return "dse_avgpool", args


def softmax(op: Softmax, job: Job) -> tuple[str, ctypes.Structure]:
    args = abi.SoftmaxArgs(
        input=job.inputs[0].address,
        output=job.output.address,
        table=job.tables,
        rows=job.call.output.shape[0],
        channels=op.channels,
        in_row_pitch=job.inputs[0].pitch[0],
        out_row_pitch=job.output.pitch[0],
        sum_shift=op.sum_shift,
        zero_point=op.zero_point,
        high=op.high,
        multiplier=op.multiplier,
        period=op.causal_period,
        first=job.call.output.low[0],
        offset=op.causal_offset,
        heads=op.causal_heads,
        position=job.inputs[1].address if len(job.inputs) > 1 else None,
        in_signed=op.input_type.signed,
        split=job.split,
    )
    return "dse_softmax", args


def _whole_rows(op: ISoftmax | ITAMax | INorm | Norm, job: Job) -> dict[str, Any]:
    return {
        "input": job.inputs[0].address,
        "output": job.output.address,
        "rows": job.call.output.shape[0],
        "channels": op.channels,
        "in_row_pitch": job.inputs[0].pitch[0],
        "out_row_pitch": job.output.pitch[0],
        "in_signed": op.input_type.signed,
        "split": job.split,
    }


def isoftmax(op: ISoftmax, job: Job) -> tuple[str, ctypes.Structure]:
    scalars = {"table": job.tables, "levels": op.levels, "offset": op.offset}
    return "dse_isoftmax", abi.ISoftmaxArgs(**_whole_rows(op, job), **scalars)


def itamax(op: ITAMax, job: Job) -> tuple[str, ctypes.Structure]:
    rows = {name: value for name, value in _whole_rows(op, job).items() if name != "in_signed"}
    scalars = {"part": op.part, "first_maximum": op.first_maximum, "most": op.most}
    return "dse_itamax", abi.ITAMaxArgs(**rows, **scalars)


def inorm(op: INorm, job: Job) -> tuple[str, ctypes.Structure]:
    args = abi.INormArgs(
        **_whole_rows(op, job),
        tables=job.tables,
        shift=op.shift,
        low=op.low,
        high=op.high,
        centred=op.centred,
        biased=op.bias.array.size > 0,
    )
    return "dse_inorm", args


def norm(op: Norm, job: Job) -> tuple[str, ctypes.Structure]:
    args = abi.NormArgs(
        **_whole_rows(op, job),
        tables=job.tables,
        zero_point=op.zero_point,
        spread=op.spread,
        shift=op.requant.shift,
        low=op.requant.low,
        high=op.requant.high,
        epsilon_low=op.epsilon & 0xFFFFFFFF,
        epsilon_high=op.epsilon >> 32,
        in_wide=op.input_type.bytes == 2,
    )
    return f"dse_{op.kernel}", args


def rope(op: Rope, job: Job) -> tuple[str, ctypes.Structure]:
    x, cos, sin = job.inputs
    rows, heads, depth = job.call.output.shape
    args = abi.RopeArgs(
        input=x.address,
        cos=cos.address,
        sin=sin.address,
        output=job.output.address,
        rows=rows,
        heads=heads,
        depth=depth,
        in_row_pitch=x.pitch[0],
        in_head_pitch=x.pitch[1],
        cos_row_pitch=cos.pitch[0],
        sin_row_pitch=sin.pitch[0],
        out_row_pitch=job.output.pitch[0],
        out_head_pitch=job.output.pitch[1],
        zero_point=op.zero_point,
        mul=op.mul,
        add=op.add,
        shift=op.shift,
        low=op.low,
        high=op.high,
        in_signed=op.input_type.signed,
        interleaved=op.interleaved,
        split=job.split,
    )
    return "dse_rope", args


def update(op: Update, job: Job) -> tuple[str, ctypes.Structure]:
    rows, channels = job.call.output.shape
    args = abi.EmbedArgs(
        table=job.inputs[0].address,
        output=job.output.address,
        rows=rows,
        channels=channels,
        table_row_pitch=job.inputs[0].pitch[0],
        out_row_pitch=job.output.pitch[0],
        log2=op.data_type.log2,
        in_order=True,
        split=job.split,
    )
    return "dse_embed", args


def embed(op: Embed, job: Job) -> tuple[str, ctypes.Structure]:
    rows, channels = job.call.output.shape
    args = abi.EmbedArgs(
        tokens=job.inputs[0].address + 4 * job.call.output.low[0],
        table=job.tables,
        output=job.output.address,
        rows=rows,
        channels=channels,
        entries=op.vocabulary,
        table_row_pitch=op.channels * op.output_type.bytes,
        out_row_pitch=job.output.pitch[0],
        log2=op.output_type.log2,
        split=job.split,
    )
    return "dse_embed", args


def concat(op: Concat, job: Job) -> tuple[str, ctypes.Structure]:
    scalars = zip(job.inputs, op.widths, op.mul, op.add, op.shift, op.input_types, strict=True)
    parts = [abi.ConcatPart(x.address, w, x.pitch[0], m, a, s, t.signed) for x, w, m, a, s, t in scalars]
    array = (abi.ConcatPart * len(parts))(*parts)
    args = abi.ConcatArgs(
        parts=ctypes.addressof(array),
        count=len(parts),
        output=job.output.address,
        rows=job.call.output.shape[0],
        out_row_pitch=job.output.pitch[0],
        low=op.low,
        high=op.high,
        split=job.split,
    )
    args.keep_alive = array
    return "dse_concat", args


def transpose(op: Transpose, job: Job) -> tuple[str, ctypes.Structure]:
    def five(values: Sequence[int], fill: int) -> Any:
        return (abi.I32 * 5)(*[fill] * (5 - len(values)), *values)

    args = abi.TransposeArgs(
        input=job.inputs[0].address,
        output=job.output.address,
        extent=five(job.call.output.shape, 1),
        in_pitch=five([job.inputs[0].pitch[axis] for axis in op.perm], 0),
        out_pitch=five(job.output.pitch, 0),
        log2=op.data_type.log2,
        split=job.split,
    )
    return "dse_transpose", args


def pad(op: Pad, job: Job) -> tuple[str, ctypes.Structure]:
    region = job.call.inputs[0]
    args = abi.PadArgs(
        job.inputs[0].address, job.output.address, *region.shape, *job.call.output.shape,
        *job.inputs[0].pitch[:2], *job.output.pitch[:2], *region.shift, op.value, job.split,
    )  # fmt: skip
    return "dse_pad", args


def resize(op: Resize, job: Job) -> tuple[str, ctypes.Structure]:
    args = abi.ResizeArgs(
        job.inputs[0].address, job.output.address, *job.call.output.shape, *job.inputs[0].pitch[:2],
        *job.output.pitch[:2], *op.up, *op.down, *op.offset, *job.call.output.low[:2],
        *job.call.inputs[0].low[:2], job.split,
    )  # fmt: skip
    return "dse_resize", args


BUILDERS: dict[str, Callable[[Any, Job], tuple[str, ctypes.Structure]]] = {
    "add": binary,
    "avgpool": avgpool,
    "concat": concat,
    "conv2d": conv2d,
    "embed": embed,
    "update": update,
    "idiv": binary,
    "inorm": inorm,
    "isoftmax": isoftmax,
    "itamax": itamax,
    "lut": lut,
    "matmul": matmul,
    "maxpool": maxpool,
    "mul": binary,
    "norm": norm,
    "pad": pad,
    "requantise": requantise,
    "resize": resize,
    "rope": rope,
    "softmax": softmax,
    "transpose": transpose,
}


def arguments(op: Operator, job: Job) -> tuple[str, ctypes.Structure]:
    """The entry and its arguments for one tile."""
    return BUILDERS[op.kind](op, job)
