"""One-node QDQ models on ONNX Runtime (no optimisations): at most 1 LSB, at least 99 % exact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from compiler.ir import IntType, Operator, Tensor
from compiler.ir.tensor import Constant, IntArray
from compiler.ops.add import add_from_scales
from compiler.ops.avgpool import avgpool_from_scales
from compiler.ops.concat import concat_from_scales
from compiler.ops.conv2d import Conv2d, conv_requant
from compiler.ops.lut import Floats, lut_from_function
from compiler.ops.matmul import matmul_from_scales
from compiler.ops.mul import mul_from_scales
from compiler.ops.norm import RealNorm, norm_from_scales
from compiler.ops.softmax import softmax_from_scales
from tests.compiler.ops.tiles import run_whole

ONNX_TYPE = {IntType.I8: TensorProto.INT8, IntType.U8: TensorProto.UINT8}
TYPES = (IntType.I8, IntType.U8)


def runtime(
    operator: str,
    inputs: Sequence[tuple[Tensor, IntArray]],
    y: Tensor,
    extra: Sequence[npt.NDArray[np.float32]] = (),
    attributes: Mapping[str, Any] | None = None,
) -> IntArray:
    """Codes of `y` after dequantise, operator, quantise; `extra` are float initialisers."""
    nodes, initialisers, names = [], [], []

    def quantisation(t: Tensor) -> list[str]:
        zero = np.array(t.zero_point, t.dtype.dtype)
        initialisers.append(numpy_helper.from_array(np.array(t.scale, np.float32), f"{t.name}_s"))
        initialisers.append(numpy_helper.from_array(zero, f"{t.name}_z"))
        return [f"{t.name}_s", f"{t.name}_z"]

    for t, _ in inputs:
        nodes.append(helper.make_node("DequantizeLinear", [t.name, *quantisation(t)], [f"{t.name}_f"]))
        names.append(f"{t.name}_f")
    for k, array in enumerate(extra):
        initialisers.append(numpy_helper.from_array(array, f"extra{k}"))
        names.append(f"extra{k}")
    nodes.append(helper.make_node(operator, names, ["y_f"], **(attributes or {})))
    nodes.append(helper.make_node("QuantizeLinear", ["y_f", *quantisation(y)], [y.name]))
    ports = [helper.make_tensor_value_info(t.name, ONNX_TYPE[t.dtype], a.shape) for t, a in inputs]
    out = helper.make_tensor_value_info(y.name, ONNX_TYPE[y.dtype], None)
    graph = helper.make_graph(nodes, "one", ports, [out], initialisers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    result: IntArray = session.run(None, {t.name: a for t, a in inputs})[0]
    return result


def codes(rng: np.random.Generator, t: Tensor) -> IntArray:
    """Codes of a bell curve over the type's range: neither all saturated nor all alike."""
    values = rng.normal((t.dtype.low + t.dtype.high) / 2, 50, t.shape)
    return np.clip(np.rint(values), t.dtype.low, t.dtype.high).astype(t.dtype.dtype)


def quantised(name: str, shape: tuple[int, ...], dtype: IntType, scale: float, middle: int = 0) -> Tensor:
    """A tensor with its zero point `middle` above the type's centre."""
    return Tensor(name, shape, dtype, float(np.float32(scale)), (dtype.low + dtype.high + 1) // 2 + middle)


def agree(
    op: Operator,
    tensors: Sequence[Tensor],
    arrays: Sequence[IntArray],
    expected: IntArray,
    exact: float = 0.99,
) -> None:
    """At most 1 LSB apart, 99 % exact, and a test that saturation does not decide."""
    result = run_whole(op, {t.name: t for t in tensors}, arrays).reshape(-1).astype(np.int64)
    difference = np.abs(result - expected.reshape(-1))
    low, high = tensors[-1].dtype.low, tensors[-1].dtype.high
    assert ((result > low) & (result < high)).mean() > 0.5
    assert difference.max() <= 1
    assert (difference == 0).mean() >= exact


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("groups", [1, 16, 4])
@pytest.mark.parametrize("window", [1, 3])
def test_conv(window: int, groups: int, dtype: IntType) -> None:
    rng = np.random.default_rng(window * 100 + groups)
    channels, size, pad = 16, 12, window // 2
    weights = np.clip(np.rint(rng.normal(0, 40, (channels, window, window, channels // groups))), -127, 127)
    scales = rng.uniform(0.5, 2, channels).astype(np.float32) / np.float32(127)
    bias = rng.normal(0, 1, channels).astype(np.float32)
    x = quantised("x", (1, size, size, channels), dtype, 0.03, 20)
    # Two standard deviations of the output fill the type.
    spread = 50 * x.scale * 40 / 127 * np.sqrt(window**2 * channels / groups)
    y = quantised("y", x.shape, dtype, spread / 50, -10)
    w = weights.astype(np.int8)
    op = Conv2d(
        name="conv",
        inputs=("x",),
        output="y",
        in_shape=(size, size, channels),
        weights=Constant(w),
        requant=conv_requant(w, x, scales.astype(np.float64), bias.astype(np.float64), y),
        groups=groups,
        pads=(pad, pad, pad, pad),
        pad_value=x.zero_point,
        input_type=dtype,
        output_type=dtype,
    )
    data = codes(rng, x)
    real = (w * scales[:, None, None, None]).astype(np.float32).transpose(0, 3, 1, 2)
    attributes = {"pads": [pad] * 4, "group": groups}
    expected = runtime("Conv", [(x, data.transpose(0, 3, 1, 2))], y, [real, bias], attributes)
    agree(op, (x, y), [data], expected.transpose(0, 2, 3, 1))


@pytest.mark.parametrize("dtype", TYPES)
def test_gemm(dtype: IntType) -> None:
    rng = np.random.default_rng(7)
    weights = np.clip(np.rint(rng.normal(0, 30, (10, 1, 1, 640))), -127, 127).astype(np.int8)
    bias = rng.normal(0, 1, 10).astype(np.float32)
    x = quantised("x", (400, 640), dtype, 0.02, -30)
    y = quantised("y", (400, 10), dtype, 0.06)
    scale = np.float32(0.0025)
    op = Conv2d(
        name="gemm",
        inputs=("x",),
        output="y",
        in_shape=(400, 1, 640),
        weights=Constant(weights),
        requant=conv_requant(weights, x, float(scale), bias.astype(np.float64), y),
        pad_value=x.zero_point,
        input_type=dtype,
        output_type=dtype,
    )
    data = codes(rng, x)
    real = weights.reshape(10, 640) * scale
    expected = runtime("Gemm", [(x, data)], y, [real.astype(np.float32), bias], {"transB": 1})
    agree(op, (x, y), [data], expected)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("scales", [(0.031, 0.022, 0.037), (0.5, 0.001, 0.45), (0.003, 0.071, 0.06)])
def test_add(scales: tuple[float, float, float], dtype: IntType) -> None:
    rng = np.random.default_rng(3)
    shape = (1, 16, 16, 24)
    a, b = quantised("a", shape, dtype, scales[0], 7), quantised("b", shape, dtype, scales[1], -70)
    y = quantised("y", shape, dtype, scales[2], 3)
    data = [codes(rng, a), codes(rng, b)]
    agree(add_from_scales("add", (a, b), y), (a, b, y), data, runtime("Add", [(a, data[0]), (b, data[1])], y))


@pytest.mark.parametrize("dtype", TYPES)
def test_mul_by_a_gate_of_each_channel(dtype: IntType) -> None:
    rng = np.random.default_rng(4)
    a, b = (
        quantised("a", (1, 16, 16, 24), dtype, 0.03, 7),
        quantised("b", (1, 1, 1, 24), dtype, 1 / 255, -128),
    )
    y = quantised("y", a.shape, dtype, 0.021, 3)
    data = [codes(rng, a), codes(rng, b)]
    op = mul_from_scales("mul", (a, b), y, broadcast="channel")
    agree(op, (a, b, y), data, runtime("Mul", [(a, data[0]), (b, data[1])], y))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("zeros", [0, 9])
def test_matmul_of_activations(zeros: int, dtype: IntType) -> None:
    """Heads in the leading axis, as numpy's matmul has them; also scores against keys that are not turned."""
    rng = np.random.default_rng(6)
    a, b = quantised("a", (4, 20, 16), dtype, 0.03, zeros), quantised("b", (4, 16, 24), dtype, 0.02, -zeros)
    y = quantised("y", (4, 20, 24), dtype, 0.03 * 0.02 * 50 * 4, 3)
    data = [codes(rng, a), codes(rng, b)]
    expected = runtime("MatMul", [(a, data[0]), (b, data[1])], y)
    agree(matmul_from_scales("matmul", (a, b), y, (4, 20, 24, 16)), (a, b, y), data, expected)
    keys = Tensor("b", (4, 24, 16), b.dtype, b.scale, b.zero_point)
    op = matmul_from_scales("matmul", (a, keys), y, (4, 20, 24, 16), layouts=("hmk", "hnk", "hmn"))
    agree(op, (a, keys, y), [data[0], data[1].transpose(0, 2, 1)], expected)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("include_pad", [False, True])
def test_average_pool(include_pad: bool, dtype: IntType) -> None:
    rng = np.random.default_rng(5)
    x, y = quantised("x", (1, 13, 13, 20), dtype, 0.03, -90), quantised("y", (1, 7, 7, 20), dtype, 0.023, -95)
    op = avgpool_from_scales(
        "pool",
        x,
        y,
        in_shape=(13, 13, 20),
        out_hw=(7, 7),
        window=(3, 3),
        stride=(2, 2),
        pads=(1, 1, 1, 1),
        count_include_pad=include_pad,
    )
    data = codes(rng, x)
    attributes = {
        "kernel_shape": [3, 3],
        "strides": [2, 2],
        "pads": [1] * 4,
        "count_include_pad": int(include_pad),
    }
    expected = runtime("AveragePool", [(x, data.transpose(0, 3, 1, 2))], y, (), attributes)
    agree(op, (x, y), [data], expected.transpose(0, 2, 3, 1))


def test_global_average_pool() -> None:
    rng = np.random.default_rng(6)
    x, y = (
        quantised("x", (1, 8, 8, 300), IntType.I8, 0.03, -128),
        quantised("y", (1, 1, 1, 300), IntType.I8, 0.01, -450),
    )
    y = Tensor("y", y.shape, y.dtype, y.scale, -128)
    data = np.minimum(codes(rng, x), 0)
    data[rng.random(data.shape) < 0.6] = -128
    op = avgpool_from_scales("pool", x, y, in_shape=(8, 8, 300), out_hw=(1, 1), window=(8, 8))
    expected = runtime("GlobalAveragePool", [(x, data.transpose(0, 3, 1, 2))], y)
    agree(op, (x, y), [data], expected)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("channels", [2, 10, 100, 1000])
def test_softmax(channels: int, dtype: IntType) -> None:
    rng = np.random.default_rng(channels)
    x = quantised("x", (50, channels), dtype, 0.07)
    y = Tensor("y", x.shape, dtype, 1 / 256, dtype.low)
    data = codes(rng, x)
    op = softmax_from_scales("softmax", 50, channels, x, y)
    result = run_whole(op, {"x": x, "y": y}, [data]).astype(np.int64)
    difference = np.abs(result - runtime("Softmax", [(x, data)], y, (), {"axis": -1}))
    assert difference.max() <= 1
    assert (difference == 0).mean() >= 0.99


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("channels", [3, 64, 768])
def test_layer_normalization(channels: int, dtype: IntType) -> None:
    rng = np.random.default_rng(channels)
    x, y = quantised("x", (50, channels), dtype, 0.07), quantised("y", (50, channels), dtype, 0.04)
    gamma = rng.uniform(0.5, 1.5, channels).astype(np.float32)
    beta = rng.normal(0, 0.2, channels).astype(np.float32)
    real = RealNorm(True, gamma.astype(np.float64), beta.astype(np.float64), 1e-5)
    data = codes(rng, x)
    expected = runtime("LayerNormalization", [(x, data)], y, (gamma, beta), {"epsilon": 1e-5})
    # Elements have 15 bits for sqrt(channels) either way: in wide rows ties break more often.
    agree(
        norm_from_scales("norm", real, 50, x, y),
        (x, y),
        [data],
        expected,
        exact=0.99 if channels < 100 else 0.97,
    )


def sigmoid(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-x))


def hard_swish(x: Floats) -> Floats:
    gate: Floats = np.clip(x / np.float32(6) + np.float32(0.5), 0, 1)
    return x * gate


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    ("operator", "function"),
    [
        ("Sigmoid", sigmoid),
        ("Tanh", np.tanh),
        ("HardSwish", hard_swish),
        ("Relu", lambda x: np.maximum(x, 0)),
    ],
)
def test_tables_are_exact(operator: str, function: Any, dtype: IntType) -> None:
    x = quantised("x", (1, 256), dtype, 0.05, 11)
    y = quantised("y", (1, 256), dtype, 0.031, -50)
    data = np.arange(dtype.low, dtype.high + 1).astype(dtype.dtype).reshape(1, 256)
    op = lut_from_function("table", function, x, y)
    result = run_whole(op, {"x": x, "y": y}, [data])
    np.testing.assert_array_equal(result.reshape(-1), runtime(operator, [(x, data)], y).reshape(-1))


@pytest.mark.parametrize("dtype", TYPES)
def test_concat(dtype: IntType) -> None:
    rng = np.random.default_rng(8)
    a, b = quantised("a", (30, 40), dtype, 0.03, 7), quantised("b", (30, 50), dtype, 0.011, 40)
    y = quantised("y", (30, 90), dtype, 0.0371, -3)
    data = [codes(rng, a), codes(rng, b)]
    expected = runtime("Concat", [(a, data[0]), (b, data[1])], y, (), {"axis": 1})
    agree(concat_from_scales("concat", 30, [a, b], y), (a, b, y), data, expected)
