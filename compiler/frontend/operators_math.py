"""Handlers of operators that compute."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from compiler.frontend import operators_product as products
from compiler.frontend.constants import AnyArray, Const, FloatArray
from compiler.frontend.errors import Refused
from compiler.frontend.functions import clip
from compiler.frontend.geometry import Windows, windows
from compiler.frontend.reader import Reader, axis_of, integer, integers, number
from compiler.frontend.source import Node
from compiler.frontend.steps import (
    Affine,
    AvgPool,
    Conv,
    Difference,
    Function,
    Kind,
    Linear,
    MaxPool,
    Mean,
    Product,
    Quotient,
    Softmax,
    Sum,
    Unary,
    Value,
)
from compiler.frontend.weights import integer_weights


def convolution(reader: Reader, node: Node) -> tuple[Value, Const, int, Windows]:
    """(input, weights, groups, windows) of a Conv; raises Refused where they contradict each other."""
    x = _image(reader, node)
    weights = reader.required(node, 1, "weights")
    groups = integer(node.attributes, "group", 1)
    kernel = weights.shape[2:]
    if len(weights.shape) != len(x.shape) or groups < 1 or weights.shape[0] % groups:
        raise Refused(
            "weights", f"weights {weights.shape}, {groups} groups, input {x.shape}", "ONNX's shapes"
        )
    if weights.shape[1] * groups != x.shape[1]:
        raise Refused("weights", f"weights {weights.shape} on {x.shape[1]} channels in {groups} groups")
    if tuple(node.attributes.get("kernel_shape", kernel)) != kernel:
        raise Refused("kernel_shape", f"{node.attributes['kernel_shape']} for weights {weights.shape}")
    return x, weights, groups, windows(node.attributes, x.shape[2:], kernel).lifted()


def conv(reader: Reader, node: Node) -> None:
    x, weights, groups, window = convolution(reader, node)
    outputs = weights.shape[0]
    codes, scale = integer_weights(reader, node, weights, 0)
    kind = conv_kind(window, groups, codes=codes, scale=scale, bias=_bias(reader, node, outputs))
    _windowed(reader, node, kind, x, outputs, window)


def conv_kind(window: Windows, groups: int, *, codes: AnyArray, scale: FloatArray, bias: FloatArray) -> Conv:
    """A convolution over `window`; codes [O, C/groups, ...]."""
    return Conv(
        codes=codes.reshape(codes.shape[0], -1, *window.kernel),
        scale=scale,
        bias=bias,
        groups=groups,
        stride=_pair(window.stride),
        dilation=_pair(window.dilation),
        pads=_four(window.pads),
    )


def max_pool(reader: Reader, node: Node) -> None:
    if len(node.outputs) > 1 and node.outputs[1]:
        raise Refused("Indices", "the indices are used", "the first output only")
    x = _image(reader, node)
    window = _pool_windows(node, x).lifted()
    kind = MaxPool(_pair(window.kernel), _pair(window.stride), _pair(window.dilation), _four(window.pads))
    _windowed(reader, node, kind, x, x.shape[1], window)


def average_pool(reader: Reader, node: Node) -> None:
    x = _image(reader, node)
    window = _pool_windows(node, x).lifted()
    counted = bool(integer(node.attributes, "count_include_pad", 0))
    if window.dilation != (1, 1):
        raise Refused("dilations", f"{window.dilation}", "1")
    if counted and integer(node.attributes, "ceil_mode", 0) and any(window.pads):
        raise Refused("ceil_mode", "with count_include_pad and pads", "one of the two")
    kind = AvgPool(
        window=_pair(window.kernel),
        stride=_pair(window.stride),
        pads=_four(window.pads),
        count_include_pad=counted,
    )
    _windowed(reader, node, kind, x, x.shape[1], window)


def _pool_windows(node: Node, x: Value) -> Windows:
    kernel = node.attributes.get("kernel_shape", ())
    if not isinstance(kernel, tuple):
        raise Refused("kernel_shape", f"{kernel!r}", "a list of integers")
    return windows(node.attributes, x.shape[2:], kernel)


def _image(reader: Reader, node: Node) -> Value:
    x = reader.value(node)
    if len(x.shape) not in (3, 4):
        raise Refused("input 0", f"rank {len(x.shape)}", "(1, C, L) and (1, C, H, W)")
    if x.shape[0] != 1:
        raise Refused("input 0", f"a batch of {x.shape[0]}", "a batch of 1")
    return x


def _windowed(reader: Reader, node: Node, kind: Kind, x: Value, channels: int, window: Windows) -> None:
    """The step on (1, C, H, W); one-dimensional data are images of width 1 for its sake."""
    quant = x.quant if isinstance(kind, MaxPool) else None
    shape = (1, channels, *window.out)
    if len(x.shape) == 4:
        reader.step(node, kind, (x,), shape, quant)
        return
    lifted = reader.reshape(node, x, (*x.shape, 1), inner=":lifted")
    y = reader.step(node, kind, (lifted,), shape, quant, inner=":image")
    reader.reshape(node, y, shape[:3])


def _pair(values: tuple[int, ...]) -> tuple[int, int]:
    first, second = values
    return first, second


def _four(values: tuple[int, ...]) -> tuple[int, int, int, int]:
    top, left, bottom, right = values
    return top, left, bottom, right


def _bias(reader: Reader, node: Node, outputs: int) -> FloatArray:
    if not node.has_input(2):
        return np.zeros(outputs)
    bias = reader.required(node, 2, "bias")
    if bias.shape != (outputs,):
        raise Refused("bias", f"shape {bias.shape} for {outputs} outputs", f"({outputs},)")
    return _finite(bias.real, "bias")


def _finite(array: FloatArray, name: str) -> FloatArray:
    if not np.isfinite(array).all():
        raise Refused(name, "values that are not finite", "finite constants")
    return array


def gemm(reader: Reader, node: Node) -> None:
    if reader.constant(node, 1) is None:
        products.gemm(reader, node)
        return
    x, weights = reader.value(node, 0), reader.required(node, 1, "B")
    if len(x.shape) != 2 or len(weights.shape) != 2:
        raise Refused("inputs", f"shapes {x.shape} and {weights.shape}", "matrices")
    if integer(node.attributes, "transA", 0):
        x = reader.transpose(node, x, (1, 0), inner=":transposed")
    out_axis = 0 if integer(node.attributes, "transB", 0) else 1
    outputs = weights.shape[out_axis]
    alpha, beta = number(node.attributes, "alpha", 1.0), number(node.attributes, "beta", 1.0)
    bias = np.zeros(outputs)
    if node.has_input(2):
        added = reader.required(node, 2, "C")
        if added.array.size not in (1, outputs) or added.shape[-1:] not in ((), (1,), (outputs,)):
            raise Refused("C", f"shape {added.shape} for {outputs} outputs", f"({outputs},) or a scalar")
        bias = beta * np.broadcast_to(_finite(added.real, "C").reshape(-1), (outputs,))
    _linear(reader, node, x, weights, out_axis, alpha, bias)


def matmul(reader: Reader, node: Node) -> None:
    left = reader.constant(node, 0)
    if left is not None:
        _matmul_left(reader, node, left)
        return
    weights = reader.constant(node, 1)
    if weights is None:
        products.matmul(reader, node)
        return
    x = reader.value(node, 0)
    if len(weights.shape) == 1:
        column = weights.reshaped((weights.shape[0], 1))
        y = _linear(reader, node, x, column, 1, 1.0, np.zeros(1), inner=":column")
        reader.reshape(node, y, x.shape[:-1])
        return
    if math.prod(weights.shape[:-2]) != 1 or len(weights.shape) > max(len(x.shape), 2):
        raise Refused("B", f"a stack of matrices {weights.shape}", "one constant matrix")
    matrix = weights.reshaped(weights.shape[-2:])
    _linear(reader, node, x, matrix, 1, 1.0, np.zeros(matrix.shape[1]))


def _matmul_left(reader: Reader, node: Node, left: Const) -> None:
    """W @ x as the transpose of x^T @ W^T."""
    x = reader.value(node, 1)
    rank = len(x.shape)
    if len(left.shape) != 2 or rank < 2:
        raise Refused("A", f"constant {left.shape} times {x.shape}", "a matrix times matrices")
    swap = (*range(rank - 2), rank - 1, rank - 2)
    turned = reader.transpose(node, x, swap, inner=":transposed")
    y = _linear(reader, node, turned, left, 0, 1.0, np.zeros(left.shape[0]), inner=":product")
    reader.transpose(node, y, swap)


def _linear(
    reader: Reader,
    node: Node,
    x: Value,
    weights: Const,
    out_axis: int,
    alpha: float,
    bias: FloatArray,
    inner: str = "",
) -> Value:
    if not x.shape or x.shape[-1] != weights.shape[1 - out_axis]:
        raise Refused("B", f"{x.shape} times {weights.shape}", "inner extents that agree")
    codes, scale = integer_weights(reader, node, weights, out_axis)
    kind = Linear(codes=codes, scale=alpha * scale, bias=np.asarray(bias, np.float64))
    return reader.step(node, kind, (x,), (*x.shape[:-1], codes.shape[0]), inner=inner)


def arithmetic(reader: Reader, node: Node) -> None:
    """Add, Sub, Mul, Div of two activations or of an activation and a constant."""
    left, right = reader.constant(node, 0), reader.constant(node, 1)
    if left is None and right is None:
        _binary(reader, node)
        return
    x = reader.value(node, 1 if right is None else 0)
    const = (left if right is None else right) or Const(np.zeros(()))
    if np.broadcast_shapes(const.shape, x.shape) != x.shape:
        raise Refused("inputs", f"constant {const.shape} enlarges {x.shape}", "constants that broadcast")
    c = const.real.reshape((1,) * (len(x.shape) - len(const.shape)) + const.shape)
    if node.operator == "Div" and right is None:
        dividend = _scalar(const, "A")
        scaled = () if dividend == 1.0 else (Function("affine", (dividend, 0.0)),)
        reader.step(node, Unary((Function("reciprocal"), *scaled)), (x,), x.shape)
        return
    if node.operator == "Add":
        c = hiding(c)
    factor, offset = _affine(node.operator, c, constant_first=right is None)
    if not (np.isfinite(factor).all() and np.isfinite(offset).all()):
        raise Refused("inputs", "the constant makes infinities", "finite constants")
    affine(reader, node, x, factor, offset)


def hiding(constant: FloatArray) -> FloatArray:
    """Masks with a finite number for minus infinity: a softmax gives 0 behind both."""
    return np.where(np.isneginf(constant), float(np.finfo(np.float32).min), constant)


def _affine(operator: str, c: FloatArray, constant_first: bool) -> tuple[FloatArray, FloatArray]:
    one, zero = np.ones_like(c), np.zeros_like(c)
    if operator == "Add":
        return one, c
    if operator == "Mul":
        return c, zero
    if operator == "Sub":
        return (-one, c) if constant_first else (one, -c)
    with np.errstate(divide="ignore"):
        return 1.0 / c, zero


def affine(reader: Reader, node: Node, x: Value, factor: FloatArray, offset: FloatArray) -> None:
    """x * factor + offset; a scalar function where the constants are scalars."""
    if factor.size == 1 and offset.size == 1:
        parameters = (float(factor.reshape(-1)[0]), float(offset.reshape(-1)[0]))
        reader.step(node, Unary((Function("affine", parameters),)), (x,), x.shape)
    else:
        reader.step(node, Affine(factor=factor, offset=offset), (x,), x.shape)


def _binary(reader: Reader, node: Node) -> None:
    kinds: dict[str, Kind] = {"Add": Sum(), "Mul": Product(), "Sub": Difference(), "Div": Quotient()}
    a, b, shape = operands(reader, node)
    if node.operator in ("Sub", "Div") and math.prod(reader.value(node, 0).shape) != math.prod(shape):
        raise Refused("inputs", f"{b.shape} first, {a.shape} second", "a first operand of full shape")
    reader.step(node, kinds[node.operator], (a, b), shape)


def operands(reader: Reader, node: Node) -> tuple[Value, Value, tuple[int, ...]]:
    """Two activations at one rank, the first of the shape of the result, and that shape."""
    a, b = reader.value(node, 0), reader.value(node, 1)
    shape = np.broadcast_shapes(a.shape, b.shape)
    if a.shape != shape:
        a, b = b, a
    if math.prod(a.shape) != math.prod(shape):
        raise Refused("inputs", f"{a.shape} and {b.shape} enlarge each other", "one operand of full shape")
    if a.shape != shape:
        a = reader.reshape(node, a, shape, inner=":left")
    if len(b.shape) != len(shape):
        b = reader.reshape(node, b, (1,) * (len(shape) - len(b.shape)) + b.shape, inner=":right")
    return a, b, shape


def batch_normalization(reader: Reader, node: Node) -> None:
    """scale * (x - mean) / sqrt(variance + epsilon) + offset over axis 1."""
    x = reader.value(node)
    names = ("scale", "bias", "mean", "variance")
    scale, offset, mean, variance = (reader.required(node, k + 1, name).real for k, name in enumerate(names))
    root = np.sqrt(variance + number(node.attributes, "epsilon", 1e-5))
    if len(x.shape) < 2 or {v.shape for v in (scale, offset, mean, variance)} != {(x.shape[1],)}:
        raise Refused("inputs", f"parameters of shape {scale.shape} for {x.shape}", "one for each channel")
    factor, shift = scale / root, offset - mean * scale / root
    if not (np.isfinite(factor).all() and np.isfinite(shift).all()):
        raise Refused("variance", "the parameters make infinities", "finite parameters")
    shape = [-1 if axis == 1 else 1 for axis in range(len(x.shape))]
    affine(reader, node, x, factor.reshape(shape), shift.reshape(shape))


def unary(reader: Reader, node: Node) -> None:
    x = reader.value(node)
    reader.step(node, Unary((_function(reader, node),)), (x,), x.shape)


SCALAR_FUNCTIONS: Mapping[str, str] = {
    "Abs": "abs",
    "Erf": "erf",
    "Exp": "exp",
    "HardSwish": "hard_swish",
    "Log": "log",
    "Mish": "mish",
    "Reciprocal": "reciprocal",
    "Sigmoid": "sigmoid",
    "Softplus": "softplus",
    "Sqrt": "sqrt",
    "Tanh": "tanh",
}


def _function(reader: Reader, node: Node) -> Function:
    if node.operator == "Relu":
        return clip(0.0, math.inf)
    if node.operator == "Clip":
        return clip(_bound(reader, node, 1, "min", -math.inf), _bound(reader, node, 2, "max", math.inf))
    if node.operator == "HardSigmoid":
        alpha, beta = number(node.attributes, "alpha", 0.2), number(node.attributes, "beta", 0.5)
        return Function("hard_sigmoid", (alpha, beta))
    if node.operator == "Neg":
        return Function("affine", (-1.0, 0.0))
    if node.operator == "Pow":
        return Function("pow", (_scalar(reader.required(node, 1, "exponent"), "exponent"),))
    if node.operator == "Gelu":
        return Function("gelu_tanh" if node.attributes.get("approximate") == "tanh" else "gelu")
    if node.operator == "LeakyRelu":
        return Function("leaky_relu", (number(node.attributes, "alpha", 0.01),))
    if node.operator in _ELUS:
        return _elu(node)
    if node.operator == "Swish":
        return Function("swish", (number(node.attributes, "alpha", 1.0),))
    return Function(SCALAR_FUNCTIONS[node.operator])


_ELUS: Mapping[str, tuple[float, float]] = {
    "Celu": (1.0, 1.0),
    "Elu": (1.0, 1.0),
    "Selu": (1.67326319217681884765625, 1.05070102214813232421875),
}
"""Alpha and gamma where the node does not say them."""


def _elu(node: Node) -> Function:
    """gamma * x above 0, gamma * alpha * (exp(x / width) - 1) below; the width of Celu is alpha, else 1."""
    alpha, gamma = _ELUS[node.operator]
    alpha, gamma = number(node.attributes, "alpha", alpha), number(node.attributes, "gamma", gamma)
    if node.operator == "Celu" and not alpha:
        raise Refused("alpha", "value 0", "a number other than 0")
    return Function("elu", (alpha, gamma, alpha if node.operator == "Celu" else 1.0))


def limit(reader: Reader, node: Node) -> None:
    """Max and Min of an activation and a scalar constant: a clip."""
    place = next((k for k in range(len(node.inputs)) if reader.constant(node, k) is not None), None)
    if len(node.inputs) != 2 or place is None:
        raise Refused("inputs", "of activations alone", "one activation and one scalar constant")
    x, end = reader.value(node, 1 - place), _scalar(reader.required(node, place, "bound"), "bound")
    function = clip(end, math.inf) if node.operator == "Max" else clip(-math.inf, end)
    reader.step(node, Unary((function,)), (x,), x.shape)


def _scalar(const: Const, name: str) -> float:
    if const.array.size != 1:
        raise Refused(name, f"shape {const.shape}", "a scalar")
    return float(_finite(const.real, name).reshape(-1)[0])


def _bound(reader: Reader, node: Node, index: int, name: str, default: float) -> float:
    if name in node.attributes:
        return number(node.attributes, name, default)
    if not node.has_input(index):
        return default
    value = float(reader.required(node, index, name).real.reshape(-1)[0])
    if math.isnan(value):
        raise Refused(name, "is not a number", "a number")
    return value


def reduce_mean(reader: Reader, node: Node) -> None:
    x = reader.value(node)
    rank = len(x.shape)
    axes = tuple(node.attributes.get("axes", ()))
    if node.has_input(1):
        axes = integers(reader.required(node, 1, "axes").array, "axes")
    if node.operator == "GlobalAveragePool":
        axes = tuple(range(2, rank))
    elif not axes and integer(node.attributes, "noop_with_empty_axes", 0):
        reader.alias(node, x)
        return
    chosen = tuple(sorted({axis_of(a, rank, "axes") for a in axes or range(rank)}))
    count = math.prod(x.shape[axis] for axis in chosen) if node.operator == "ReduceSum" else 1
    reduced(reader, node, x, chosen, Mean(axes=chosen, factor=float(count)))


def reduced(reader: Reader, node: Node, x: Value, axes: tuple[int, ...], kind: Kind) -> None:
    """The step of a mean; its axes stay with extent 1, or vanish without `keepdims`.

    In the dialect its codes are of the type of x.
    """
    quant = None if isinstance(kind, Mean) else x.quant
    full = tuple(1 if a in axes else n for a, n in enumerate(x.shape))
    if integer(node.attributes, "keepdims", 1):
        reader.step(node, kind, (x,), full, quant)
        return
    y = reader.step(node, kind, (x,), full, quant, inner=":kept")
    reader.reshape(node, y, tuple(n for a, n in enumerate(x.shape) if a not in axes))


def softmax(reader: Reader, node: Node) -> None:
    x = reader.value(node)
    rank = len(x.shape)
    axis = axis_of(integer(node.attributes, "axis", 1 if reader.opset < 13 else -1), rank)
    if reader.opset >= 13 or axis == rank - 1:
        reader.step(node, Softmax(axis), (x,), x.shape)
        return
    # Before opset 13 softmax works on the matrix that Flatten(axis) makes.
    flat = (math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))
    matrix = reader.reshape(node, x, flat, inner=":flat")
    y = reader.step(node, Softmax(1), (matrix,), flat, inner=":softmax")
    reader.reshape(node, y, x.shape)
