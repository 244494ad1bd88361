"""Float models of one or few layers, and the operator kinds that they must become."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.compiler.frontend.models import Weight

CONV: dict[str, Weight] = {"w": (6, 4, 3, 3), "b": (6,)}
NORM: dict[str, Weight] = {
    "s": (6,),
    "o": (6,),
    "m": (6,),
    "v": np.linspace(0.5, 2, 6, dtype=np.float32),
}


@dataclass(frozen=True)
class Case:
    """Node text with its weights, and the operator kinds it must become."""

    name: str
    body: str
    kinds: str
    weights: dict[str, Weight] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


ATTENTION: dict[str, Weight] = {
    **dict.fromkeys(("wq", "wo"), (16, 16)),
    **dict.fromkeys(("wk", "wv"), (16, 8)),
    "four": [1, 12, 4, 4],
    "two": [1, 12, 2, 4],
    "folded": [1, 2, 24, 4],
    "heads": [1, 4, 12, 4],
    "flat": [1, 12, 16],
    "c": 0.5,
}
GROUPED = """
    q = MatMul(x, wq) k = MatMul(x, wk) v = MatMul(x, wv)
    q1 = Reshape(q, four) k1 = Reshape(k, two) v1 = Reshape(v, two)
    q2 = Transpose<perm=[0,2,1,3]>(q1) k2 = Transpose<perm=[0,2,3,1]>(k1) v2 = Transpose<perm=[0,2,1,3]>(v1)
    q3 = Reshape(q2, folded)
    s = MatMul(q3, k2) m = Mul(s, c) p = Softmax<axis=-1>(m) o = MatMul(p, v2)
    o1 = Reshape(o, heads) o2 = Transpose<perm=[0,2,1,3]>(o1) o3 = Reshape(o2, flat) y = MatMul(o3, wo)
"""
"""Four heads of queries for two of keys, the heads of a group folded into rows."""

CASES = (
    Case("slice", "y = Slice(x, a, b, c)", "pad", {"a": [1, -5], "b": [3, 99], "c": [1, -1]}),
    Case("slice_by_attributes", "y = Slice<starts=[2],ends=[4],axes=[1]>(x)", "pad", options={"opset": 9}),
    Case(
        "split",
        "s, t = Split<axis=1>(x, p) y = MatMul(s, t)",
        "pad pad matmul",
        {"p": [2, 2]},
    ),
    Case(
        "turned_halves",
        "s, t = Split<axis=3>(x) n = Neg(t) y = Concat<axis=3>(n, s)",
        "pad pad lut concat",
        options={"opset": 13},
    ),
    Case("product", "y = MatMul(x, z)", "matmul", options={"inputs": "float[1,3,6,5] x, float[1,3,5,7] z"}),
    Case("product_of_itself", "t = Transpose<perm=[0,1,3,2]>(x) y = MatMul(x, t)", "matmul"),
    Case("shared_matrix", "y = MatMul(x, z)", "matmul", options={"inputs": "float[1,3,6,5] x, float[5,7] z"}),
    Case(
        "shared_by_two",
        "y = MatMul(x, z)",
        "matmul",
        options={"inputs": "float[3,2,6,5] x, float[3,1,5,7] z"},
    ),
    Case(
        "one_on_many",
        "y = MatMul(x, z)",
        "matmul transpose",
        options={"inputs": "float[6,5] x, float[3,5,7] z"},
    ),
    Case("row_times_matrix", "y = MatMul(x, z)", "matmul", options={"inputs": "float[5] x, float[5,7] z"}),
    Case(
        "matrix_times_column", "y = MatMul(x, z)", "matmul", options={"inputs": "float[1,6,5] x, float[5] z"}
    ),
    Case(
        "gemm_of_two",
        "y = Gemm<transA=1,alpha=0.5>(x, z)",
        "transpose matmul",
        options={"inputs": "float[5,6] x, float[5,7] z"},
    ),
    Case(
        "attention",
        GROUPED,
        "conv2d conv2d conv2d matmul lut softmax matmul conv2d",
        ATTENTION,
        {"inputs": "float[1,12,16] x"},
    ),
    Case("conv_bias", "y = Conv<pads=[1,1,1,1]>(x, w, b)", "conv2d", CONV),
    Case("conv_no_bias", "y = Conv(x, w)", "conv2d", {"w": CONV["w"]}),
    Case("conv_strided", "y = Conv<strides=[2,1],pads=[0,1,1,2]>(x, w, b)", "conv2d", CONV),
    Case("conv_same_upper", 'y = Conv<auto_pad="SAME_UPPER",strides=[2,2]>(x, w, b)', "conv2d", CONV),
    Case("conv_same_lower", 'y = Conv<auto_pad="SAME_LOWER",strides=[3,3]>(x, w, b)', "conv2d", CONV),
    Case("conv_valid", 'y = Conv<auto_pad="VALID">(x, w, b)', "conv2d", CONV),
    Case("conv_dilated", "y = Conv<dilations=[2,2],pads=[2,2,2,2]>(x, w, b)", "conv2d", CONV),
    Case("pointwise", "y = Conv(x, w)", "conv2d", {"w": (6, 4, 1, 1)}),
    Case("depthwise", "y = Conv<group=4,pads=[1,1,1,1]>(x, w)", "conv2d", {"w": (4, 1, 3, 3)}),
    Case("depth_multiplier", "y = Conv<group=4>(x, w)", "conv2d", {"w": (8, 1, 3, 3)}),
    Case("grouped", "y = Conv<group=2>(x, w)", "conv2d", {"w": (6, 2, 3, 3)}),
    Case(
        "conv_1d",
        "y = Conv<pads=[1,2],strides=[2]>(x, w, b)",
        "conv2d",
        {"w": (6, 4, 3), "b": (6,)},
        {"inputs": "float[1,4,20] x"},
    ),
    Case("batchnorm", "t = Conv(x, w, b) y = BatchNormalization(t, s, o, m, v)", "conv2d", {**CONV, **NORM}),
    Case("relu", "t = Conv(x, w, b) y = Relu(t)", "conv2d", CONV),
    Case("relu6", "t = Conv(x, w, b) y = Clip(t, l, h)", "conv2d", {**CONV, "l": 0.0, "h": 0.5}),
    Case("clip_opset6", "t = Conv(x, w, b) y = Clip<min=0.0,max=0.4>(t)", "conv2d", CONV, {"opset": 10}),
    Case("relu_on_input", "r = Relu(x) y = Conv(r, w, b)", "conv2d", CONV),
    Case("clip_on_input", "r = Clip(x, l, h) y = Conv(r, w, b)", "conv2d", {**CONV, "l": -0.4, "h": 0.7}),
    Case("bias_add", "t = Conv(x, w) y = Add(t, c)", "conv2d", {"w": (6, 4, 3, 3), "c": (1, 6, 1, 1)}),
    Case("scale_mul", "t = Conv(x, w) y = Mul(t, c)", "conv2d", {"w": (6, 4, 3, 3), "c": (6, 1, 1)}),
    Case("pad_conv", "t = Pad(x, p) y = Conv(t, w, b)", "conv2d", {**CONV, "p": [0, 0, 1, 2, 0, 0, 0, 1]}),
    Case(
        "tf_transpose",
        "t = Transpose<perm=[0,3,1,2]>(x) y = Conv(t, w)",
        "conv2d",
        {"w": (6, 4, 3, 3)},
        {"inputs": "float[N,8,8,4] x"},
    ),
    Case(
        "sandwich",
        "t = Transpose<perm=[0,3,1,2]>(x) u = Conv(t, w) y = Transpose<perm=[0,2,3,1]>(u)",
        "conv2d",
        {"w": (6, 4, 3, 3)},
        {"inputs": "float[1,8,8,4] x"},
    ),
    Case("gemm", "t = Flatten(x) y = Gemm<transB=1>(t, w, b)", "conv2d", {"w": (10, 256), "b": (10,)}),
    Case(
        "gemm_alpha",
        "t = Flatten(x) y = Gemm<alpha=0.5,beta=2.0>(t, w, b)",
        "conv2d",
        {"w": (256, 10), "b": (10,)},
    ),
    Case(
        "conv_flatten_gemm",
        "t = Conv(x, w, b) f = Flatten(t) y = Gemm<transB=1>(f, g)",
        "conv2d conv2d",
        {**CONV, "g": (10, 216)},
    ),
    Case(
        "conv_reshape_gemm",
        "t = Conv(x, w, b) f = Reshape(t, r) y = MatMul(f, g)",
        "conv2d conv2d",
        {**CONV, "g": (216, 10), "r": [-1, 216]},
    ),
    Case(
        "reshape_cuts_channels",
        "t = Conv(x, w, b) f = Reshape(t, r) y = MatMul(f, g)",
        "conv2d transpose conv2d",
        {**CONV, "g": (54, 5), "r": [1, 4, 54]},
    ),
    Case("matmul_rows", "y = MatMul(x, g)", "conv2d", {"g": (8, 5)}),
    Case(
        "matmul_left",
        "y = MatMul(g, x)",
        "transpose conv2d transpose",
        {"g": (5, 6)},
        {"inputs": "float[6,7] x"},
    ),
    Case(
        "matmul_bias_relu",
        "t = MatMul(x, g) u = Add(t, c) y = Relu(u)",
        "conv2d",
        {"g": (20, 5), "c": (5,)},
        {"inputs": "float[1,20] x"},
    ),
    Case(
        "residual",
        "t = Conv<pads=[1,1,1,1]>(x, w) u = Add(t, x) y = Relu(u)",
        "conv2d add",
        {"w": (4, 4, 3, 3)},
    ),
    Case(
        "gate",
        "p = GlobalAveragePool(x) g = Conv(p, w) h = Sigmoid(g) y = Mul(x, h)",
        "avgpool conv2d lut mul",
        {"w": (4, 4, 1, 1)},
    ),
    Case(
        "add_rows",
        "m = ReduceMean<axes=[1],keepdims=1>(x) y = Add(x, m)",
        "avgpool add",
        {},
        {"inputs": "float[1,6,10] x"},
    ),
    Case(
        "concat_channels",
        "a = Conv(x, w) b = Conv(x, v) y = Concat<axis=1>(a, b)",
        "conv2d conv2d concat",
        {"w": (6, 4, 1, 1), "v": (2, 4, 1, 1)},
    ),
    Case(
        "concat_rows",
        "a = Conv(x, w) b = Conv(x, v) y = Concat<axis=2>(a, b)",
        "conv2d conv2d concat",
        {"w": (3, 4, 1, 1), "v": (3, 4, 3, 1)},
    ),
    Case("average_pool", "y = AveragePool<kernel_shape=[3,3],strides=[2,2],pads=[1,1,1,1]>(x)", "avgpool"),
    Case(
        "average_pool_counted",
        "y = AveragePool<kernel_shape=[3,3],pads=[1,1,1,1],count_include_pad=1>(x)",
        "avgpool",
    ),
    Case("average_pool_ceil", "y = AveragePool<kernel_shape=[3,3],strides=[2,2],ceil_mode=1>(x)", "avgpool"),
    Case("global_average", "y = GlobalAveragePool(x)", "avgpool"),
    Case(
        "reduce_mean",
        "t = ReduceMean<axes=[2,3],keepdims=0>(x) y = MatMul(t, g)",
        "avgpool conv2d",
        {"g": (4, 5)},
    ),
    Case("reduce_mean_18", "y = ReduceMean<keepdims=0>(x, a)", "avgpool", {"a": [-1, -2]}, {"opset": 18}),
    Case("reduce_mean_channels", "t = Conv(x, w, b) y = ReduceMean<axes=[1]>(t)", "conv2d avgpool", CONV),
    Case("max_pool", "y = MaxPool<kernel_shape=[3,3],strides=[2,2],pads=[1,1,1,1]>(x)", "maxpool"),
    Case("max_pool_ceil", "y = MaxPool<kernel_shape=[3,3],strides=[2,2],ceil_mode=1>(x)", "maxpool"),
    Case(
        "max_pool_1d",
        "y = MaxPool<kernel_shape=[2],strides=[2]>(x)",
        "maxpool",
        {},
        {"inputs": "float[1,4,9] x"},
    ),
    Case("pad", "y = Pad(x, p, c)", "pad", {"p": [0, 1, 1, 2, 0, 0, 0, 1], "c": 0.5}),
    Case("softmax", "y = Softmax<axis=-1>(x)", "softmax", {}, {"inputs": "float[3,20] x"}),
    Case("softmax_channels", "t = Conv(x, w, b) y = Softmax<axis=1>(t)", "conv2d softmax", CONV),
    Case(
        "softmax_opset11", "y = Softmax<axis=1>(x)", "softmax", {}, {"inputs": "float[2,5,4] x", "opset": 11}
    ),
    Case("sigmoid", "y = Sigmoid(x)", "lut"),
    Case("tanh", "y = Tanh(x)", "lut"),
    Case("hard_sigmoid", "y = HardSigmoid<alpha=0.3,beta=0.4>(x)", "lut"),
    # ONNX Runtime has no kernel for HardSwish and writes x * HardSigmoid(x) instead.
    Case("hard_swish", "t = Conv(x, w, b) y = HardSwish(t)", "conv2d lut", CONV),
    Case("silu", "t = Conv(x, w, b) s = Sigmoid(t) y = Mul(t, s)", "conv2d lut", CONV),
    Case("gelu", "y = Gelu(x)", "lut", {}, {"opset": 20}),
    Case("gelu_tanh", 'y = Gelu<approximate="tanh">(x)', "lut", {}, {"opset": 20}),
    Case(
        "gelu_erf",
        "a = Div(x, r) e = Erf(a) p = Add(e, one) h = Mul(x, half) y = Mul(h, p)",
        "lut",
        {"r": 1.4142135, "one": 1.0, "half": 0.5},
    ),
    Case(
        "gelu_erf_pytorch",
        "a = Div(x, r) e = Erf(a) p = Add(e, one) h = Mul(x, p) y = Mul(h, half)",
        "lut",
        {"r": 1.4142135, "one": 1.0, "half": 0.5},
    ),
    Case(
        "gelu_tanh_nodes",
        "c = Pow(x, three) k = Mul(c, a) s = Add(x, k) t = Mul(s, r) h = Tanh(t) p = Add(h, one)"
        " m = Mul(x, p) y = Mul(m, half)",
        "lut",
        {"three": 3.0, "a": 0.044715, "r": 0.7978846, "one": 1.0, "half": 0.5},
    ),
    Case("reciprocal_exp", "e = Exp(x) p = Add(e, one) y = Div(one, p)", "lut", {"one": 1.0}),
    Case("difference", "m = ReduceMean<axes=[2],keepdims=1>(x) y = Sub(x, m)", "avgpool add"),
    Case(
        "layer_norm",
        "y = LayerNormalization<epsilon=1e-5>(x, g, b)",
        "norm",
        {"g": np.linspace(0.5, 1.5, 20, dtype=np.float32), "b": (20,)},
        {"inputs": "float[1,7,20] x"},
    ),
    Case(
        "layer_norm_nodes",
        "m = ReduceMean<axes=[-1]>(x) d = Sub(x, m) s = Pow(d, two) v = ReduceMean<axes=[-1]>(s)"
        " a = Add(v, e) r = Sqrt(a) n = Div(d, r) k = Mul(n, g) y = Add(k, b)",
        "norm",
        {"two": 2.0, "e": 1e-5, "g": np.linspace(0.5, 1.5, 20, dtype=np.float32), "b": (20,)},
        {"inputs": "float[1,7,20] x"},
    ),
    Case(
        "rms_norm_nodes",
        "s = Mul(x, x) v = ReduceMean<axes=[-1]>(s) a = Add(v, e) r = Sqrt(a) n = Div(x, r) k = Mul(n, g)"
        " y = MatMul(k, w)",
        "norm conv2d",
        {"e": 1e-5, "g": np.linspace(0.5, 1.5, 20, dtype=np.float32), "w": (20, 8)},
        {"inputs": "float[1,7,20] x"},
    ),
    Case(
        "rms_norm_reciprocal",
        "s = Pow(x, two) v = ReduceMean<axes=[-1]>(s) a = Add(v, e) r = Sqrt(a) i = Div(one, r) n = Mul(x, i)"
        " y = Mul(g, n)",
        "norm",
        {"two": 2.0, "one": 1.0, "e": 1e-5, "g": np.linspace(0.5, 1.5, 20, dtype=np.float32)},
        {"inputs": "float[1,7,20] x"},
    ),
    Case(
        "softmax_columns",
        "t = Conv(x, w, b) y = Softmax<axis=3>(t)",
        "conv2d transpose softmax",
        CONV,
    ),
    Case("scalar_affine", "t = Mul(x, a) y = Add(t, c)", "lut", {"a": 0.7, "c": 0.25}),
    Case("channel_affine", "y = Mul(x, c)", "conv2d", {"c": (4, 1, 1)}),
    Case(
        "lone_batchnorm",
        "y = BatchNormalization(x, s, o, m, v)",
        "conv2d",
        {"s": (4,), "o": (4,), "m": (4,), "v": np.full(4, 0.8, np.float32)},
    ),
    Case(
        "resize_up", 'y = Resize<mode="nearest">(x, , s)', "resize", {"s": np.array([1, 1, 2, 3], np.float32)}
    ),
    Case(
        "resize_sizes",
        'y = Resize<mode="nearest",coordinate_transformation_mode="asymmetric",'
        'nearest_mode="floor">(x, , , s)',
        "resize",
        {"s": [1, 4, 4, 12]},
    ),
    Case(
        "squeeze",
        "t = GlobalAveragePool(x) u = Squeeze(t, a) v = Unsqueeze(u, a) y = Flatten(v)",
        "avgpool",
        {"a": [2, 3]},
    ),
    Case("dropout_identity", "t = Dropout(x) u = Identity(t) y = Conv(u, w, b)", "conv2d", CONV),
    Case(
        "shape_subgraph",
        "t = Conv(x, w, b) s = Shape(t) n = Gather<axis=0>(s, z) k = Unsqueeze(n, d)"
        " m = Concat<axis=0>(k, e) f = Reshape(t, m) y = MatMul(f, g)",
        "conv2d conv2d",
        {**CONV, "z": np.zeros((), np.int64), "d": [0], "e": [-1], "g": (216, 3)},
    ),
)
