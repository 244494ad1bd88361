"""QDQ models as other tools write them: types, zero points, float gaps, integer borders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest

from compiler.frontend import Imported, ModelError
from compiler.ir import IntType
from tests.compiler.frontend.models import Weight, build, imported, kinds
from tests.e2e.agreement import layers

I8, U8 = np.int8, np.uint8


def code(value: int, dtype: type[np.integer[Any]] = I8) -> npt.NDArray[Any]:
    return np.array(value, dtype)


def integers(shape: tuple[int, ...], low: int, high: int, dtype: type[np.integer[Any]]) -> npt.NDArray[Any]:
    return np.random.default_rng(7).integers(low, high, shape).astype(dtype)


BASE: dict[str, Weight] = {
    "xs": 0.0307,
    "xz": code(-5),
    "ys": 0.0413,
    "yz": code(9),
    "zs": 0.0199,
    "zz": code(-128),
}
ENTER = "q = QuantizeLinear(x, xs, xz) d = DequantizeLinear(q, xs, xz)"
NEXT = "m = MaxPool<kernel_shape=[3,3],pads=[1,1,1,1]>(d)"
LEAVE = "o = QuantizeLinear(t, ys, yz) y = DequantizeLinear(o, ys, yz)"


def agrees(result: Imported) -> bool:
    rng = np.random.default_rng(1)
    samples = [{b.onnx: rng.standard_normal(b.shape) for b in result.inputs} for _ in range(4)]
    return all(a.worst <= 1 and a.exact > 0.97 for a in layers(result, samples).values())


WEIGHTS: dict[str, tuple[str, dict[str, Weight]]] = {
    "per_tensor": ("v = DequantizeLinear(w, s)", {"w": integers((6, 4, 3, 3), -128, 128, I8), "s": 0.01}),
    "per_channel": (
        "v = DequantizeLinear<axis=0>(w, s, z)",
        {
            "w": integers((6, 4, 3, 3), -128, 128, I8),
            "s": np.linspace(0.002, 0.02, 6, dtype=np.float32),
            "z": np.zeros(6, I8),
        },
    ),
    "unsigned": (
        "v = DequantizeLinear(w, s, z)",
        {"w": integers((6, 4, 3, 3), 0, 256, U8), "s": 0.01, "z": code(128, U8)},
    ),
    "transposed": (
        "a = DequantizeLinear<axis=3>(w, s) v = Transpose<perm=[3,2,0,1]>(a)",
        {"w": integers((3, 3, 4, 6), -128, 128, I8), "s": np.linspace(0.002, 0.02, 6, dtype=np.float32)},
    ),
    "int32_bias": (
        "v = DequantizeLinear(w, s) c = DequantizeLinear(b, bs)",
        {
            "w": integers((6, 4, 3, 3), -128, 128, I8),
            "s": 0.01,
            "b": integers((6,), -5000, 5000, np.int32),
            "bs": 0.0003,
        },
    ),
}


@pytest.mark.parametrize("form", WEIGHTS)
def test_forms_of_weights(form: str, tmp_path: Path) -> None:
    body, weights = WEIGHTS[form]
    bias = ", c" if form == "int32_bias" else ""
    model = build(f"{ENTER} {body} t = Conv<pads=[1,1,1,1]>(d, v{bias}) {LEAVE}", {**BASE, **weights})
    result = imported(model, tmp_path)
    assert kinds(result) == ["conv2d"]
    assert result.module.notes == ()
    assert agrees(result)


def test_weights_without_an_int8_form_are_quantised_again_and_noted(tmp_path: Path) -> None:
    weights: dict[str, Weight] = {"w": integers((6, 4, 1, 1), 0, 256, U8), "s": 0.01, "z": code(3, U8)}
    body = f"{ENTER} v = DequantizeLinear(w, s, z) t = Conv(d, v) {LEAVE}"
    result = imported(build(body, {**BASE, **weights}), tmp_path)
    assert "no int8 form" in " ".join(result.module.notes)


@pytest.mark.parametrize("zero", [0, 77, 255])
def test_unsigned_activations(zero: int, tmp_path: Path) -> None:
    codes: dict[str, Weight] = {"xz": code(zero, U8), "yz": code(100, U8)}
    body = f"{ENTER} t = Conv<pads=[1,1,1,1],strides=[2,2]>(d, w, b) {LEAVE}"
    result = imported(build(body, {**BASE, **codes, "w": (6, 4, 3, 3), "b": (6,)}), tmp_path)
    assert result.inputs[0].quant.dtype is IntType.U8
    assert "weights are float" in " ".join(result.module.notes)


def test_signed_in_unsigned_out(tmp_path: Path) -> None:
    body = f"{ENTER} t = AveragePool<kernel_shape=[2,2]>(d) {LEAVE}"
    result = imported(build(body, {**BASE, "yz": code(100, U8)}), tmp_path)
    assert result.module.main.tensors[-1].dtype is IntType.U8
    assert agrees(result)


def test_integer_inputs_and_outputs_get_their_quantisation_from_the_model(tmp_path: Path) -> None:
    body = "a = Transpose<perm=[0,3,1,2]>(x) d = DequantizeLinear(a, xs, xz) t = Relu(d)"
    model = build(f"{body} y = QuantizeLinear(t, ys, yz)", BASE, inputs="int8[N,8,8,4] x")
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.INT8
    result = imported(model, tmp_path)
    (x,) = result.inputs
    assert (x.quant.zero_point, x.shape) == (-5, (1, 8, 8, 4))
    assert x.quant.scale == pytest.approx(0.0307)
    assert "dynamic batch became 1" in " ".join(result.module.notes)
    assert agrees(result)


def test_a_mean_that_stays_float_takes_the_quantisation_behind_the_flatten(tmp_path: Path) -> None:
    body = f"{ENTER} m = ReduceMean<axes=[2,3],keepdims=1>(d) t = Flatten(m) {LEAVE}"
    result = imported(build(body, BASE), tmp_path)
    assert kinds(result) == ["avgpool"]
    assert result.module.notes == ()
    assert agrees(result)


def test_a_float_softmax_at_the_end_gets_256_steps_and_a_note(tmp_path: Path) -> None:
    body = f"{ENTER} y = Softmax(d)"
    result = imported(build(body, BASE, inputs="float[1,10] x"), tmp_path)
    (output,) = result.outputs
    assert (output.quant.scale, output.quant.zero_point) == (1 / 256, -128)
    assert "does not quantise its output" in result.module.notes[0]
    assert agrees(result)


def test_a_float_gemm_at_the_end_gets_a_range_that_holds_its_values(tmp_path: Path) -> None:
    model = build(f"{ENTER} y = Gemm<transB=1>(d, w, b)", {**BASE, "w": (5, 40), "b": (5,)},
                  inputs="float[1,40] x")  # fmt: skip
    result = imported(model, tmp_path)
    (output,) = result.outputs
    real = np.random.default_rng(0).uniform(-3.6, 3.9, (500, 40))
    w, b = (onnx.numpy_helper.to_array(t) for t in model.graph.initializer if t.name in ("w", "b"))
    values = real @ w.T + b
    assert output.quant.low < values.min()
    assert values.max() < output.quant.high < 10 * values.max()


def test_the_same_quantisation_twice_is_nothing(tmp_path: Path) -> None:
    again = "p = QuantizeLinear(d, xs, xz) e = DequantizeLinear(p, xs, xz) t = Sigmoid(e)"
    assert kinds(imported(build(f"{ENTER} {again} {LEAVE}", BASE), tmp_path)) == ["lut"]


def test_another_quantisation_is_a_table(tmp_path: Path) -> None:
    again = "p = QuantizeLinear(d, zs, zz) e = DequantizeLinear(p, zs, zz) t = MaxPool<kernel_shape=[2,2]>(e)"
    result = imported(build(f"{ENTER} {again} {LEAVE}", BASE), tmp_path)
    assert kinds(result) == ["lut", "maxpool", "lut"]


def test_relu_vanishes_into_the_zero_point(tmp_path: Path) -> None:
    body = f"{ENTER} r = Relu(d) p = QuantizeLinear(r, zs, zz) e = DequantizeLinear(p, zs, zz)"
    tail = "u = Relu(e) v = QuantizeLinear(u, zs, zz) y = DequantizeLinear(v, zs, zz)"
    result = imported(build(f"{body} {tail}", BASE), tmp_path)
    assert kinds(result) == ["lut"]


def test_clip_between_equal_quantisations_joins_the_layer(tmp_path: Path) -> None:
    body = f"{ENTER} {NEXT} s = Add(d, m) o = QuantizeLinear(s, ys, yz) e = DequantizeLinear(o, ys, yz)"
    tail = "c = Clip(e, lo, hi) p = QuantizeLinear(c, ys, yz) y = DequantizeLinear(p, ys, yz)"
    result = imported(build(f"{body} {tail}", {**BASE, "lo": -1.0, "hi": 2.0}), tmp_path)
    _, op = result.module.main.operators
    assert (op.low, op.high) == (9 - 24, 9 + 48)  # type: ignore[attr-defined]
    assert agrees(result)


def test_hard_swish_is_one_table(tmp_path: Path) -> None:
    assert kinds(imported(build(f"{ENTER} t = HardSwish(d) {LEAVE}", BASE), tmp_path)) == ["lut"]


def test_scalar_chains_become_one_table(tmp_path: Path) -> None:
    chain = "a = Add(d, three) b = Clip(a, zero, six) c = Div(b, six) t = Tanh(c)"
    result = imported(
        build(f"{ENTER} {chain} {LEAVE}", {**BASE, "three": 3.0, "zero": 0.0, "six": 6.0}), tmp_path
    )
    assert kinds(result) == ["lut"]
    assert agrees(result)


def test_batchnorm_and_bias_behind_a_one_dimensional_convolution_fold(tmp_path: Path) -> None:
    weights: dict[str, Weight] = {
        "w": integers((6, 4, 3), -128, 128, I8), "s": 0.01, "n": (6,), "v": np.full(6, 0.9, np.float32),
    }  # fmt: skip
    body = (
        f"{ENTER} k = DequantizeLinear(w, s) a = Conv(d, k) b = BatchNormalization(a, n, n, n, v) t = Relu(b)"
    )
    model = build(f"{body} {LEAVE}", {**BASE, **weights}, inputs="float[1,4,20] x")
    result = imported(model, tmp_path)
    assert kinds(result) == ["conv2d"]
    assert agrees(result)


def test_pad_folds_into_pools_where_that_is_exact(tmp_path: Path) -> None:
    pads: Weight = [0, 0, 1, 1, 0, 0, 1, 1]
    average = build(
        f"{ENTER} p = Pad(d, n) t = AveragePool<kernel_shape=[3,3]>(p) {LEAVE}", {**BASE, "n": pads}
    )
    result = imported(average, tmp_path)
    assert kinds(result) == ["avgpool"]
    assert agrees(result)
    low = {**BASE, "n": pads, "low": -100.0}
    largest = build(f"{ENTER} p = Pad(d, n, low) t = MaxPool<kernel_shape=[3,3]>(p) {LEAVE}", low)
    assert kinds(imported(largest, tmp_path))[0] in ("maxpool", "pad")
    zero = build(f"{ENTER} p = Pad(d, n) t = MaxPool<kernel_shape=[3,3]>(p) {LEAVE}", {**BASE, "n": pads})
    result = imported(zero, tmp_path)
    assert kinds(result)[:2] == ["pad", "maxpool"], "zeros are not the smallest values here"


def test_concat_rescales_each_input(tmp_path: Path) -> None:
    body = f"{ENTER} s = Sigmoid(d) p = QuantizeLinear(s, zs, zz) e = DequantizeLinear(p, zs, zz)"
    result = imported(build(f"{body} t = Concat<axis=1>(d, e) {LEAVE}", BASE), tmp_path)
    assert kinds(result) == ["lut", "concat"]
    assert agrees(result)


def test_codes_read_with_other_parameters_keep_their_bits(tmp_path: Path) -> None:
    body = "q = QuantizeLinear(x, xs, xz) d = DequantizeLinear(q, zs, zz) t = Sigmoid(d)"
    result = imported(build(f"{body} {LEAVE}", BASE), tmp_path)
    assert agrees(result)


def test_outputs_keep_the_models_order_and_names(tmp_path: Path) -> None:
    body = f"{ENTER} t = Sigmoid(d) {LEAVE}"
    tail = "u = Tanh(d) p = QuantizeLinear(u, ys, yz) z = DequantizeLinear(p, ys, yz)"
    result = imported(build(f"{body} {tail}", BASE, outputs="z, y"), tmp_path)
    assert [b.onnx for b in result.outputs] == ["z", "y"]
    assert result.module.main.outputs == ("z", "y")


def test_a_pool_in_float_before_the_first_quantisation(tmp_path: Path) -> None:
    body = "p = MaxPool<kernel_shape=[2,2]>(x) a = QuantizeLinear(p, xs, xz) d = DequantizeLinear(a, xs, xz)"
    result = imported(build(f"{body} t = Sigmoid(d) {LEAVE}", BASE), tmp_path)
    assert kinds(result) == ["maxpool", "lut"]
    assert result.inputs[0].quant.zero_point == -5


def test_an_unused_branch_leaves_nothing(tmp_path: Path) -> None:
    body = f"{ENTER} t = Sigmoid(d) {LEAVE} u = Conv(d, w) v = Relu(u)"
    assert kinds(imported(build(body, {**BASE, "w": (4, 4, 1, 1)}), tmp_path)) == ["lut"]


def test_one_float_value_read_with_and_without_quantisation_is_noted(tmp_path: Path) -> None:
    s = "s = AveragePool<kernel_shape=[3,3],pads=[1,1,1,1]>(d)"
    body = f"{ENTER} {s} {NEXT} a = QuantizeLinear(s, zs, zz) e = DequantizeLinear(a, zs, zz) f = Mul(m, s)"
    result = imported(build(f"{body} t = Add(f, e) {LEAVE}", BASE), tmp_path)
    assert kinds(result) == ["avgpool", "maxpool", "mul", "add"]
    assert "with and without quantisation" in " ".join(result.module.notes)


def test_codes_and_roundings_between_functions_of_one_value_are_one_exact_table(tmp_path: Path) -> None:
    """SiLU as a quantiser writes it, its sigmoid rounded; every code as ONNX Runtime has it."""
    gate = "g = Sigmoid(d) a = QuantizeLinear(g, zs, zz) e = DequantizeLinear(a, zs, zz)"
    model = build(f"{ENTER} {gate} t = Mul(d, e) {LEAVE}", {**BASE, "zs": 1 / 256})
    result = imported(model, tmp_path)
    assert kinds(result) == ["lut"]
    ramp = {b.onnx: np.linspace(-5, 5, 256).reshape(b.shape) for b in result.inputs}
    assert all(a.exact == 1 for a in layers(result, [ramp]).values())


def test_one_value_with_and_without_its_codes_has_them_for_all(tmp_path: Path) -> None:
    """The sum reads a mean as it is and rounded: it is a table of the codes, not of another quantisation."""
    s = "s = AveragePool<kernel_shape=[3,3],pads=[1,1,1,1]>(d)"
    body = f"{ENTER} {s} a = QuantizeLinear(s, zs, zz) e = DequantizeLinear(a, zs, zz) t = Add(s, e)"
    result = imported(build(f"{body} {LEAVE}", BASE), tmp_path)
    assert kinds(result) == ["avgpool", "lut"]
    assert result.module.main.operators[0].output_type is IntType.I8  # type: ignore[attr-defined]
    (mean,) = (t for t in result.module.main.tensors if t.name == result.module.main.operators[0].output)
    assert mean.scale == pytest.approx(0.0199)


def test_a_normalisation_that_is_rounded_inside_is_refused(tmp_path: Path) -> None:
    inside = "s = Mul(d, d) a = QuantizeLinear(s, zs, zz) e = DequantizeLinear(a, zs, zz)"
    body = f"{ENTER} {inside} v = ReduceMean<axes=[-1]>(e) r = Sqrt(v) t = Div(d, r) {LEAVE}"
    with pytest.raises(ModelError, match="outside a normalisation whose inside is not quantised"):
        imported(build(body, BASE), tmp_path)


@pytest.mark.parametrize("centred", [False, True])
def test_a_normalisation_between_codes_is_one_operator(centred: bool, tmp_path: Path) -> None:
    """Everything inside is float, gamma and beta are folded in, codes go in and out."""
    mean = "m = ReduceMean<axes=[-1]>(d) c = Sub(d, m)" if centred else "c = Identity(d)"
    body = (
        f"{ENTER} {mean} s = Mul(c, c) v = ReduceMean<axes=[-1]>(s) a = Add(v, eps) r = Sqrt(a) n = Div(c, r)"
    )
    weights = {**BASE, "eps": 1e-5, "g": np.linspace(0.5, 1.5, 40, dtype=np.float32), "b": (40,)}
    model = build(f"{body} k = Mul(n, g) t = Add(k, b) {LEAVE}", weights, inputs="float[1,9,40] x")
    result = imported(model, tmp_path)
    assert kinds(result) == ["norm"]
    assert result.module.main.operators[0].centred == centred  # type: ignore[attr-defined]
    assert result.module.notes == ()
    assert agrees(result)
