"""Random small operators of every kind, with the tensors around them: one seed, one case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from compiler.ir import IntType, Tensor
from compiler.ir.tensor import Constant
from compiler.ops.add import add_from_scales
from compiler.ops.avgpool import avgpool_from_scales
from compiler.ops.broadcast import Broadcast
from compiler.ops.concat import concat_from_scales
from compiler.ops.conv2d import Conv2d, conv_requant
from compiler.ops.inorm import INorm
from compiler.ops.integer_div import IntegerDiv
from compiler.ops.isoftmax import ISoftmax, polynomial_table
from compiler.ops.itamax import ITAMax
from compiler.ops.lut import lut_from_function
from compiler.ops.matmul import LAYOUTS, matmul_from_scales
from compiler.ops.maxpool import MaxPool
from compiler.ops.mul import mul_from_scales
from compiler.ops.norm import RealNorm, norm_from_scales
from compiler.ops.pad import Pad
from compiler.ops.requantise import requantise_from_scales
from compiler.ops.resize import Resize
from compiler.ops.transpose import Transpose
from tests.compiler.ops.cases_language import causal, embed, rope, softmax, update
from tests.compiler.ops.drawn import Case, Rng, case, pair, pick, tensor, wide


def convolution(
    rng: Rng, groups: int, per_in: int, per_out: int, window: tuple[int, int], npu_stride: int = 0
) -> Case:
    """A convolution; with `npu_stride` as NPUs want it: this stride, no dilation, no padding around 1x1."""
    stride, dilation = pair(rng, 1, 3), pair(rng, 1, 2)
    if npu_stride:
        stride, dilation = (npu_stride, npu_stride), (1, 1)
    most = 0 if npu_stride and window == (1, 1) else 2
    pads = (*pair(rng, 0, most), *pair(rng, 0, most))
    span = [(k - 1) * d + 1 for k, d in zip(window, dilation, strict=True)]
    height, width = (max(pick(rng, 1, 7), s) for s in span)
    in_shape = (height, width, groups * per_in)
    x = tensor(rng, "x", (1, *in_shape))
    out_hw = [(in_shape[k] + pads[k] + pads[k + 2] - span[k]) // stride[k] + 1 for k in (0, 1)]
    y = tensor(rng, "y", (1, *out_hw, groups * per_out))
    weights = rng.integers(-128, 128, (groups * per_out, *window, per_in)).astype(np.int8)
    scales = rng.uniform(0.001, 0.02, groups * per_out)
    bias = rng.normal(0, 1, groups * per_out)
    op = Conv2d(
        name="conv",
        inputs=("x",),
        output="y",
        in_shape=in_shape,
        weights=Constant(weights),
        requant=conv_requant(weights, x, scales, bias, y),
        groups=groups,
        stride=stride,
        dilation=dilation,
        pads=pads,
        pad_value=x.zero_point,
        input_type=x.dtype,
        output_type=y.dtype,
    )
    packs = window in ((1, 1), (3, 3)) and (groups == 1 or per_in == per_out == 1)
    return case(rng, op, x, y, layouts=("plain", "neureka", "ne16") if packs else ("plain",))


def dense(rng: Rng) -> Case:
    window = ((1, 1), (3, 3), (2, 3), (5, 1))[rng.integers(4)]
    return convolution(rng, 1, pick(rng, 1, 40), pick(rng, 1, 9), window)


def depthwise(rng: Rng) -> Case:
    return convolution(rng, pick(rng, 1, 40), 1, 1, ((3, 3), (3, 3), (1, 2))[rng.integers(3)])


def grouped(rng: Rng) -> Case:
    return convolution(rng, pick(rng, 2, 4), pick(rng, 1, 3), pick(rng, 2, 3), pair(rng, 1, 3))


def linear(rng: Rng, *types: IntType) -> Case:
    """A Gemm: rows x 1 x K, window 1x1; its outputs have 8 bits, or one of these types."""
    # One weight is as well depthwise, which has 8-bit outputs.
    rows, depth, units = pick(rng, 1, 5), pick(rng, 1 + bool(types), 70), pick(rng, 1, 9)
    x, y = tensor(rng, "x", (rows, depth)), tensor(rng, "y", (rows, units))
    y = wide(rng, y, *types)
    weights = rng.integers(-128, 128, (units, 1, 1, depth)).astype(np.int8)
    requant = conv_requant(weights, x, 0.004, rng.normal(0, 1, units), y)
    op = Conv2d(
        name="gemm",
        inputs=("x",),
        output="y",
        in_shape=(rows, 1, depth),
        weights=Constant(weights),
        requant=requant,
        pad_value=x.zero_point,
        input_type=x.dtype,
        output_type=y.dtype,
    )
    return case(rng, op, x, y, layouts=("plain",) if types else ("plain", "neureka", "ne16"))


def matmul(rng: Rng) -> Case:
    """A product of activations, in any layouts; every other one without zero points."""
    ratio, (rows, outputs, depth) = pick(rng, 1, 3), (pick(rng, 1, top) for top in (7, 11, 20))
    heads = ratio * pick(rng, 1, 3)
    first, second, third = (known[rng.integers(len(known))] for known in LAYOUTS)
    sizes = {"h": heads, "m": rows, "n": outputs, "k": depth}
    a = tensor(rng, "a", tuple(sizes[letter] for letter in first))
    b = tensor(rng, "b", tuple({**sizes, "h": heads // ratio}[letter] for letter in second))
    y = tensor(rng, "y", tuple(sizes[letter] for letter in third))
    if rng.integers(2):
        a, b = (replace(t, zero_point=0) for t in (a, b))
    y = wide(rng, replace(y, scale=float(a.scale * b.scale * np.sqrt(depth) * 60)), IntType.I16)
    op = matmul_from_scales(
        "matmul", (a, b), y, (heads, rows, outputs, depth), ratio=ratio, layouts=(first, second, third)
    )
    of_each_head = [int(mul) // k for k, mul in enumerate(op.requant.mul.array, start=1)]
    requant = replace(op.requant, mul=Constant(np.array(of_each_head, np.int32)))
    return case(rng, replace(op, requant=requant), a, b, y)


def binary_tensors(rng: Rng) -> tuple[Tensor, Tensor, Tensor, Broadcast]:
    forms: tuple[Broadcast, ...] = ("none", "channel", "scalar")
    form = forms[rng.integers(3)]
    shape = (1, pick(rng, 1, 4), pick(rng, 1, 4), pick(rng, 1, 8))
    second = {"none": shape, "channel": (1, shape[3]), "scalar": (1,)}[form]
    return tensor(rng, "a", shape), tensor(rng, "b", second), tensor(rng, "y", shape), form


def add(rng: Rng) -> Case:
    a, b, y, form = binary_tensors(rng)
    a, b, y = (wide(rng, t, IntType.I16) for t in (a, b, y))
    return case(rng, add_from_scales("add", (a, b), y, broadcast=form), a, b, y)


def mul(rng: Rng) -> Case:
    a, b, y, form = binary_tensors(rng)
    a, y = (wide(rng, t, IntType.I16) for t in (a, y))
    return case(rng, mul_from_scales("mul", (a, b), y, broadcast=form), a, b, y)


def requantise(rng: Rng) -> Case:
    x = wide(rng, tensor(rng, "x", (1, pick(rng, 1, 50))), IntType.I16)
    y = wide(rng, replace(tensor(rng, "y", (1, 1)), shape=x.shape), IntType.I16)
    return case(rng, requantise_from_scales("requantise", x, y), x, y)


def lut(rng: Rng) -> Case:
    x, y = tensor(rng, "x", (1, pick(rng, 1, 50))), tensor(rng, "y", (1, 1))
    y = Tensor("y", x.shape, y.dtype, y.scale, y.zero_point)
    return case(rng, lut_from_function("tanh", np.tanh, x, y), x, y)


def pool_shape(rng: Rng, dilation: tuple[int, int]) -> tuple[list[int], tuple[int, int], tuple[int, int]]:
    """(input H, W, C), window, stride."""
    window, stride = pair(rng, 1, 3), pair(rng, 1, 3)
    in_shape = [max(pick(rng, 2, 8), (window[k] - 1) * dilation[k] + 1) for k in (0, 1)]
    return [*in_shape, pick(rng, 1, 5)], window, stride


def maxpool(rng: Rng) -> Case:
    dilation = pair(rng, 1, 2)
    shape, window, stride = pool_shape(rng, dilation)
    pads = tuple(pick(rng, 0, window[k % 2] - 1) for k in range(4))
    ceil = pick(rng, 0, 1)
    out = []
    for k in (0, 1):
        room = shape[k] + pads[k] + pads[k + 2] - (window[k] - 1) * dilation[k] - 1
        steps = room // stride[k] + ceil
        # A window may not start behind the input (ONNX's ceil_mode rule).
        out.append(1 + min(steps, (shape[k] + pads[k] - 1) // stride[k]))
    x = tensor(rng, "x", (1, *shape))
    y = Tensor("y", (1, *out, shape[2]), x.dtype, x.scale, x.zero_point)
    op = MaxPool(
        name="maxpool",
        inputs=("x",),
        output="y",
        in_shape=(shape[0], shape[1], shape[2]),
        out_hw=(out[0], out[1]),
        window=window,
        stride=stride,
        dilation=dilation,
        pads=(pads[0], pads[1], pads[2], pads[3]),
        data_type=x.dtype,
    )
    return case(rng, op, x, y)


def avgpool(rng: Rng) -> Case:
    shape, window, stride = pool_shape(rng, (1, 1))
    pads = tuple(pick(rng, 0, window[k % 2] - 1) for k in range(4))
    out = [(shape[k] + pads[k] + pads[k + 2] - window[k]) // stride[k] + 1 for k in (0, 1)]
    x, y = tensor(rng, "x", (1, *shape)), tensor(rng, "y", (1, *out, shape[2]))
    op = avgpool_from_scales(
        "avgpool",
        x,
        y,
        in_shape=(shape[0], shape[1], shape[2]),
        out_hw=(out[0], out[1]),
        window=window,
        stride=stride,
        pads=(pads[0], pads[1], pads[2], pads[3]),
        count_include_pad=bool(rng.integers(2)),
    )
    return case(rng, op, x, y)


def isoftmax(rng: Rng) -> Case:
    rows, channels, log2 = pick(rng, 1, 6), pick(rng, 1, 30), pick(rng, 1, 255)
    kind, signed = (IntType.I8, IntType.U8)[rng.integers(2)], bool(rng.integers(2))
    x = tensor(rng, "x", (rows, channels), kind)
    y = Tensor("y", x.shape, IntType.I8 if signed else IntType.U8)
    op = ISoftmax(
        name="isoftmax",
        inputs=("x",),
        output="y",
        rows=rows,
        channels=channels,
        table=polynomial_table(1, log2 + pick(rng, 0, log2), pick(rng, 1, 70000), log2),
        offset=-128 if signed else 0,
        input_type=x.dtype,
        output_type=y.dtype,
    )
    return case(rng, op, x, y)


def inorm(rng: Rng) -> Case:
    rows, channels = pick(rng, 1, 6), pick(rng, 1, 30)
    x = tensor(rng, "x", (rows, channels))
    y = tensor(rng, "y", (rows, channels))
    low, high = sorted(pair(rng, y.dtype.low, y.dtype.high))
    biased = channels if rng.integers(2) else 0
    op = INorm(
        name="inorm",
        inputs=("x",),
        output="y",
        rows=rows,
        channels=channels,
        centred=bool(rng.integers(2)),
        weight=Constant(rng.integers(-(2**22), 2**22, channels).astype(np.int32)),
        bias=Constant(rng.integers(-(2**24), 2**24, biased).astype(np.int32)),
        shift=pick(rng, 0, 18),
        low=low,
        high=high,
        input_type=x.dtype,
        output_type=y.dtype,
    )
    return case(rng, op, x, y)


def itamax(rng: Rng) -> Case:
    """Whole rows, or parts; sometimes of small codes but for the last, among them -128."""
    rows, part, parts = pick(rng, 1, 6), pick(rng, 1, 6), pick(rng, 1, 5)
    streams = bool(rng.integers(2)) or parts == 1
    channels = part * parts
    x = Tensor("x", (rows, channels), IntType.I8, 1.0, 0)
    y = Tensor("y", (rows, channels), IntType.U8, 1.0, 0)
    part = part if streams else channels
    op = ITAMax(
        name="itamax",
        inputs=("x",),
        output="y",
        rows=rows,
        channels=channels,
        part=part,
        streams=streams,
    )
    made = case(rng, op, x, y)
    low = rng.integers(-128, -124, x.shape).astype(np.int8)
    low[:, -1] = made.arrays[0][:, -1]
    return Case(made.op, made.tensors, (low,)) if rng.integers(3) == 0 else made


def idiv(rng: Rng) -> Case:
    a, b, y, form = binary_tensors(rng)
    eta = pick(rng, 1, 200)
    op = IntegerDiv(
        name="idiv",
        inputs=("a", "b"),
        output="y",
        count=a.elements,
        channels=b.elements if form == "channel" else 0,
        broadcast=form,
        factor=pick(rng, -90000, 90000),
        eta=eta,
        eps=pick(rng, 1, 900) - b.dtype.low * eta,
        mul=pick(rng, -90, 90),
        add=pick(rng, 0, 2**14),
        shift=pick(rng, 6, 12),
        low=y.dtype.low,
        high=y.dtype.high,
        type_a=a.dtype,
        type_b=b.dtype,
        output_type=y.dtype,
    )
    return case(rng, op, a, b, y)


def norm(rng: Rng) -> Case:
    """Also of rows whose codes are all but equal, and of int16."""
    rows, channels = pick(rng, 1, 6), pick(rng, 1, 30)
    x = tensor(rng, "x", (rows, channels), IntType.I16 if rng.integers(3) == 0 else None)
    y = tensor(rng, "y", (rows, channels))
    gamma, beta = rng.normal(0, 1, channels), rng.normal(0, 1, channels)
    real = RealNorm(bool(rng.integers(2)), gamma, beta, float(rng.choice([0.0, 1e-5, 1.0])))
    made = case(rng, norm_from_scales("norm", real, rows, x, y), x, y)
    near = np.clip(rng.integers(-1, 2, x.shape) + x.zero_point, x.dtype.low, x.dtype.high)
    flat = near.astype(x.dtype.dtype)
    return Case(made.op, made.tensors, (flat,)) if rng.integers(3) == 0 else made


def concat(rng: Rng) -> Case:
    rows, count = pick(rng, 1, 6), pick(rng, 1, 3)
    inputs = [tensor(rng, f"x{k}", (rows, pick(rng, 1, 5))) for k in range(count)]
    y = tensor(rng, "y", (rows, sum(x.shape[1] for x in inputs)))
    first = Tensor("x0", inputs[0].shape, y.dtype, y.scale, y.zero_point)
    inputs = [first, *inputs[1:]]
    return case(rng, concat_from_scales("concat", rows, inputs, y), *inputs, y)


def transpose(rng: Rng) -> Case:
    rank = pick(rng, 2, 5)
    shape = tuple(pick(rng, 1, 5) for _ in range(rank))
    perm = tuple(int(axis) for axis in rng.permutation(rank))
    x = wide(rng, tensor(rng, "x", shape), IntType.I16, IntType.I32)
    y = Tensor("y", tuple(shape[axis] for axis in perm), x.dtype, x.scale, x.zero_point)
    op = Transpose(name="transpose", inputs=("x",), output="y", in_shape=shape, perm=perm, data_type=x.dtype)
    return case(rng, op, x, y)


def pad(rng: Rng) -> Case:
    """Padding, or cutting off, on every side."""
    shape = (pick(rng, 1, 5), pick(rng, 1, 5), pick(rng, 1, 5))
    sides = [(pick(rng, -((n - 1) // 2), 3), pick(rng, -((n - 1) // 2), 3)) for n in shape]
    before, after = ((sides[0][k], sides[1][k], sides[2][k]) for k in (0, 1))
    x = tensor(rng, "x", (1, *shape))
    out = tuple(b + n + a for b, n, a in zip(before, shape, after, strict=True))
    y = Tensor("y", (1, *out), x.dtype, x.scale, x.zero_point)
    op = Pad(
        name="pad",
        inputs=("x",),
        output="y",
        in_shape=shape,
        before=before,
        after=after,
        value=x.zero_point,
        data_type=x.dtype,
    )
    return case(rng, op, x, y)


def resize(rng: Rng) -> Case:
    factors = pair(rng, 1, 3)
    shape = (3 * pick(rng, 1, 3), 3 * pick(rng, 1, 3), pick(rng, 1, 4))
    shrink = bool(rng.integers(2)) and factors[0] != 2 and factors[1] != 2
    up, down = ((1, 1), factors) if shrink else (factors, (1, 1))
    offset = (pick(rng, 0, down[0] - 1), pick(rng, 0, down[1] - 1))
    x = tensor(rng, "x", (1, *shape))
    out = (shape[0] * up[0] // down[0], shape[1] * up[1] // down[1], shape[2])
    y = Tensor("y", (1, *out), x.dtype, x.scale, x.zero_point)
    op = Resize(
        name="resize",
        inputs=("x",),
        output="y",
        in_shape=shape,
        up=up,
        down=down,
        offset=offset,
        data_type=x.dtype,
    )
    return case(rng, op, x, y)


CASES: Mapping[str, Callable[[Rng], Case]] = {
    "add": add,
    "avgpool": avgpool,
    "causal": causal,
    "concat": concat,
    "dense": dense,
    "depthwise": depthwise,
    "embed": embed,
    "grouped": grouped,
    "idiv": idiv,
    "inorm": inorm,
    "isoftmax": isoftmax,
    "itamax": itamax,
    "linear": linear,
    "linear_wide": lambda rng: linear(rng, IntType.I16, IntType.I32),
    "lut": lut,
    "matmul": matmul,
    "maxpool": maxpool,
    "mul": mul,
    "norm": norm,
    "pad": pad,
    "requantise": requantise,
    "resize": resize,
    "rope": rope,
    "softmax": softmax,
    "update": update,
    "transpose": transpose,
}
