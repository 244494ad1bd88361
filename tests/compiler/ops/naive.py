"""The operators' definitions as loops over Python integers: slow, obvious, written without compute()."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np

from compiler.ir.tensor import IntArray
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


def clamped(value: int, shift: int, low: int, high: int) -> int:
    assert -(2**31) <= value < 2**31
    return min(max(value >> shift, low), high)


def conv2d(op: Conv2d, x: IntArray) -> IntArray:
    (height, width, channels), weights = op.in_shape, op.weights.array.tolist()
    x = x.reshape(op.in_shape)
    kh, kw = op.weights.array.shape[1:3]
    per_in, per_out = channels // op.groups, len(weights) // op.groups
    rows = (height + op.pads[0] + op.pads[2] - op.dilation[0] * (kh - 1) - 1) // op.stride[0] + 1
    columns = (width + op.pads[1] + op.pads[3] - op.dilation[1] * (kw - 1) - 1) // op.stride[1] + 1
    out = np.zeros((rows, columns, len(weights)), np.int64)
    for oy, ox, o in np.ndindex(*out.shape):
        acc = 0
        for ky, kx, i in np.ndindex(kh, kw, per_in):
            iy = oy * op.stride[0] + ky * op.dilation[0] - op.pads[0]
            ix = ox * op.stride[1] + kx * op.dilation[1] - op.pads[1]
            inside = 0 <= iy < height and 0 <= ix < width
            code = int(x[iy, ix, o // per_out * per_in + i]) if inside else op.pad_value
            acc += code * weights[o][ky][kx][i]
        r = op.requant
        out[oy, ox, o] = clamped(acc * int(r.mul.array[o]) + int(r.add.array[o]), r.shift, r.low, r.high)
    return out


def matmul(op: MatMul, a: IntArray, b: IntArray) -> IntArray:
    extents = {"h": op.heads, "m": op.rows, "n": op.outputs, "k": op.depth}
    shapes = [[extents[letter] for letter in layout] for layout in op.layouts]
    shapes[1][op.layouts[1].index("h")] = op.heads // op.ratio
    a, b = a.reshape(shapes[0]), b.reshape(shapes[1])
    out, r = np.zeros(shapes[2], np.int64), op.requant
    for index in np.ndindex(*out.shape):
        at = dict(zip(op.layouts[2], index, strict=True))
        acc = 0
        for k in range(op.depth):
            left = {**at, "k": k}
            right = {**left, "h": at["h"] // op.ratio}
            x = int(a[tuple(left[letter] for letter in op.layouts[0])])
            acc += (x - op.zero_a) * (int(b[tuple(right[letter] for letter in op.layouts[1])]) - op.zero_b)
        mul, add = int(r.mul.array[at["h"]]), int(r.add.array[at["h"]])
        out[index] = clamped(acc * mul + add, r.shift, r.low, r.high)
    return out


def second_operand(op: Add | Mul, b: IntArray, index: int) -> int:
    flat = b.reshape(-1)
    return int(flat[{"none": index, "channel": index % max(op.channels, 1), "scalar": 0}[op.broadcast]])


def add(op: Add, a: IntArray, b: IntArray) -> IntArray:
    values = enumerate(a.reshape(-1).tolist())
    sums = (x * op.mul_a + second_operand(op, b, k) * op.mul_b + op.add for k, x in values)
    return np.array([clamped(s, op.shift, op.low, op.high) for s in sums])


def mul(op: Mul, a: IntArray, b: IntArray) -> IntArray:
    values = enumerate(a.reshape(-1).tolist())
    products = ((x - op.zero_a) * (second_operand(op, b, k) - op.zero_b) * op.mul + op.add for k, x in values)
    return np.array([clamped(p, op.shift, op.low, op.high) for p in products])


def requantise(op: Requantise, x: IntArray) -> IntArray:
    sums = (code * op.mul + op.add for code in x.reshape(-1).tolist())
    return np.array([clamped(s, op.shift, op.low, op.high) for s in sums])


def lut(op: Lut, x: IntArray) -> IntArray:
    return np.array([op.table.array[code - op.input_type.low] for code in x.reshape(-1).tolist()])


def taps(op: MaxPool | AvgPool, x: IntArray, oy: int, ox: int, c: int) -> list[int | None]:
    """The codes under one window; None for a tap outside the input."""
    dilation = op.dilation if isinstance(op, MaxPool) else (1, 1)
    found: list[int | None] = []
    for ky, kx in itertools.product(range(op.window[0]), range(op.window[1])):
        iy = oy * op.stride[0] + ky * dilation[0] - op.pads[0]
        ix = ox * op.stride[1] + kx * dilation[1] - op.pads[1]
        inside = 0 <= iy < op.in_shape[0] and 0 <= ix < op.in_shape[1]
        found.append(int(x[iy, ix, c]) if inside else None)
    return found


def maxpool(op: MaxPool, x: IntArray) -> IntArray:
    x = x.reshape(op.in_shape)
    out = np.zeros((*op.out_hw, op.in_shape[2]), np.int64)
    for index in np.ndindex(*out.shape):
        codes = [code for code in taps(op, x, *index) if code is not None]
        out[index] = max(codes, default=op.data_type.low)
    return out


def avgpool(op: AvgPool, x: IntArray) -> IntArray:
    x = x.reshape(op.in_shape)
    out = np.zeros((*op.out_hw, op.in_shape[2]), np.int64)
    for index in np.ndindex(*out.shape):
        codes = taps(op, x, *index)
        if op.count_include_pad:
            codes = [op.pad_value if code is None else code for code in codes]
        valid = [code for code in codes if code is not None]
        factor, offset = int(op.mul.array[len(valid)]), int(op.add.array[len(valid)])
        out[index] = clamped(sum(valid) * factor + offset, op.shift, op.low, op.high)
    return out


def embed(op: Embed, tokens: IntArray) -> IntArray:
    rows = [op.table.array[min(max(token, 0), op.vocabulary - 1)] for token in tokens.reshape(-1).tolist()]
    return np.array(rows)


def update(op: Update, x: IntArray, position: IntArray) -> IntArray:
    """What is written; where it goes is the business of who holds the state."""
    return x


def rope(op: Rope, x: IntArray, cos: IntArray, sin: IntArray) -> IntArray:
    shape, half = (op.rows, op.heads, op.depth), op.depth // 2
    x, out = x.reshape(shape), np.zeros(shape, np.int64)
    for y, h, d in np.ndindex(*shape):
        first = d % 2 == 0 if op.interleaved else d < half
        apart = 1 if op.interleaved else half
        other = int(x[y, h, d + apart if first else d - apart]) - op.zero_point
        turned = -other if first else other
        angle = y * op.depth + d
        acc = (int(x[y, h, d]) - op.zero_point) * int(cos.flat[angle]) + turned * int(sin.flat[angle])
        out[y, h, d] = clamped(acc * op.mul + op.add, op.shift, op.low, op.high)
    return out


def softmax(op: Softmax, x: IntArray, *position: IntArray) -> IntArray:
    table = op.table.array.tolist()
    rows: list[list[int]] = []
    for index, whole in enumerate(x.reshape(op.rows, op.channels).tolist()):
        at = min(max(int(position[0].flat[0]), 0), op.channels) if position else 0
        query = index // op.causal_heads
        seen = query % op.causal_period + 1 + op.causal_offset + at if op.causal_period else op.channels
        row = whole[:seen]
        e = [table[max(row) - code] for code in row]
        total = sum((value + (1 << (op.sum_shift - 1))) >> op.sum_shift for value in e)
        step = (total >> 16) * op.multiplier + (((total & 0xFFFF) * op.multiplier) >> 16)
        assert max(total, step, max(e) + step // 2) < 2**32
        shares = [min(op.zero_point + (value + step // 2) // step, op.high) for value in e]
        rows.append([*shares, *[op.zero_point] * (len(whole) - len(row))])
    return np.array(rows)


def isoftmax(op: ISoftmax, x: IntArray) -> IntArray:
    table = op.table.array.tolist()
    rows: list[list[int]] = []
    for row in x.reshape(op.rows, op.channels).tolist():
        e = [table[max(row) - code] for code in row]
        assert max(sum(e), max(e) * (op.levels - 1)) < 2**32
        rows.append([value * (op.levels - 1) // sum(e) + op.offset for value in e])
    return np.array(rows)


def itamax(op: ITAMax, x: IntArray) -> IntArray:
    """QuantLib's logarithms (8 / 256 halvings for a code step); 127 in parts, as Deeploy's golden outputs."""
    rows: list[list[int]] = []
    for row in x.reshape(op.rows, op.channels).tolist():
        top, total = (-127 if op.streams else max(row)), 0
        for k in range(0, len(row), op.part):
            part = row[k : k + op.part]
            if max(part) > top:
                total = math.floor(total / 2 ** math.floor((max(part) - top) * 8 / 256 + 0.5))
                top = max(part)
            total += sum(256 // 2 ** math.floor((top - code) * 8 / 256 + 0.5) for code in part)
        share = 256 * (127 if op.streams else 255) // total
        rows.append([share // 2 ** math.floor((top - code) * 8 / 256 + 0.5) for code in row])
    return np.array(rows)


def idiv(op: IntegerDiv, a: IntArray, b: IntArray) -> IntArray:
    wide = np.broadcast_to(b.reshape(-1) if op.broadcast != "none" else b, a.shape) if b.size > 1 else b
    divisors = np.broadcast_to(wide, a.shape).reshape(-1).tolist()
    out: list[int] = []
    for x, y in zip(a.reshape(-1).tolist(), divisors, strict=True):
        quotient = math.floor(Fraction(x * op.factor, y * op.eta + op.eps) + Fraction(1, 2))
        out.append(clamped(quotient * op.mul + op.add, op.shift, op.low, op.high))
    return np.array(out)


def inorm(op: INorm, x: IntArray) -> IntArray:
    weight, bias = op.weight.array.tolist(), op.bias.array.tolist() or [0] * op.channels
    rows: list[list[int]] = []
    for row in x.reshape(op.rows, op.channels).tolist():
        mean = toward_zero(sum(row), len(row)) if op.centred else 0
        root = math.isqrt(sum((code - mean) ** 2 for code in row) // len(row) + 1)
        sums = [
            toward_zero((code - mean) * w, root) + b for code, w, b in zip(row, weight, bias, strict=True)
        ]
        rows.append([clamped(value, op.shift, op.low, op.high) for value in sums])
    return np.array(rows)


def norm(op: Norm, x: IntArray) -> IntArray:
    spread = 0
    while op.centred and 4**spread < op.channels:
        spread += 1
    rows = [norm_row(op, spread, row) for row in x.reshape(op.rows, op.channels).tolist()]
    return np.array(rows)


def norm_row(op: Norm, spread: int, row: list[int]) -> list[int]:
    c = [len(row) * code - sum(row) if op.centred else code - op.zero_point for code in row]
    v = sum(value**2 for value in c) // (len(row) if op.centred else 1)
    w = max((v << 12) + op.epsilon, 1 << 12)
    j = max(k for k in range(32) if w << 2 * k < 2**64)
    root = math.isqrt((w << 2 * j) >> 32)
    reciprocal, q = (2**31 + root // 2) // root, 26 - j + spread
    h, s = max(q - 14, 0), min(q, 14)
    out: list[int] = []
    for k, value in enumerate(c):
        product = ((value + (1 << h >> 1)) >> h) * reciprocal + (1 << (s - 1))
        assert abs(product) < 2**31
        assert abs(product >> s) <= 2**15 + 8
        total = (product >> s) * int(op.requant.mul.array[k]) + int(op.requant.add.array[k])
        out.append(clamped(total, op.requant.shift, op.requant.low, op.requant.high))
    return out


def toward_zero(numerator: int, denominator: int) -> int:
    return numerator // denominator if numerator >= 0 else -(-numerator // denominator)


def concat(op: Concat, *inputs: IntArray) -> IntArray:
    rows: list[list[int]] = []
    for row in range(op.rows):
        values: list[int] = []
        for k, x in enumerate(inputs):
            codes = x.reshape(op.rows, op.widths[k])[row].tolist()
            values += [clamped(c * op.mul[k] + op.add[k], op.shift[k], op.low, op.high) for c in codes]
        rows.append(values)
    return np.array(rows)


def transpose(op: Transpose, x: IntArray) -> IntArray:
    x = x.reshape(op.in_shape)
    out = np.zeros([op.in_shape[axis] for axis in op.perm], np.int64)
    for index in np.ndindex(*out.shape):
        source = [0] * len(index)
        for k, axis in enumerate(op.perm):
            source[axis] = index[k]
        out[index] = x[tuple(source)]
    return out


def pad(op: Pad, x: IntArray) -> IntArray:
    x = x.reshape(op.in_shape)
    out = np.full([b + n + a for b, n, a in zip(op.before, op.in_shape, op.after, strict=True)], op.value)
    for index in np.ndindex(*op.in_shape):
        place = tuple(i + b for i, b in zip(index, op.before, strict=True))
        if all(0 <= p < n for p, n in zip(place, out.shape, strict=True)):
            out[place] = x[index]
    return out


def resize(op: Resize, x: IntArray) -> IntArray:
    x = x.reshape(op.in_shape)
    shape = [op.in_shape[k] * op.up[k] // op.down[k] for k in (0, 1)]
    out = np.zeros((*shape, op.in_shape[2]), np.int64)
    for oy, ox, c in np.ndindex(*out.shape):
        iy = oy * op.down[0] // op.up[0] + op.offset[0]
        out[oy, ox, c] = x[iy, ox * op.down[1] // op.up[1] + op.offset[1], c]
    return out


NAIVE: dict[str, Any] = {
    "add": add,
    "avgpool": avgpool,
    "concat": concat,
    "conv2d": conv2d,
    "embed": embed,
    "idiv": idiv,
    "inorm": inorm,
    "isoftmax": isoftmax,
    "itamax": itamax,
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
    "transpose": transpose,
    "update": update,
}
