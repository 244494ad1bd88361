"""What is not supported is listed whole: node, operator, attribute, reason, what would be accepted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compiler.frontend import Finding, ModelError, load
from tests.compiler.frontend.models import Weight, build, save


def refused(body: str, folder: Path, weights: dict[str, Weight] | None = None, **options: str) -> ModelError:
    with pytest.raises(ModelError) as caught:
        load(save(build(body, weights or {}, **options), folder))  # type: ignore[arg-type]
    return caught.value


def test_all_findings_are_collected(tmp_path: Path) -> None:
    body = """
    a = Sin(x) b = Conv<auto_pad="SOME">(x, w) c = AveragePool<kernel_shape=[2,2],dilations=[2,2]>(a)
    e = Resize<mode="cubic">(x, , s) f = LSTM(x, w, w) y = MatMul(x, w)
    """
    error = refused(body, tmp_path, {"w": (4, 4, 3, 3), "s": np.array([1, 1, 2, 2], np.float32)})
    found = {(f.operator, f.attribute) for f in error.findings}
    assert found == {
        ("Sin", ""), ("Conv", "auto_pad"), ("Resize", "mode"), ("LSTM", ""), ("MatMul", "B"),
    }  # fmt: skip
    assert len(str(error).split("\n")) == 1 + len(error.findings)
    assert all(f.node and f.why and f.supported for f in error.findings)


def test_a_finding_reads_as_one_line() -> None:
    finding = Finding("conv\n1", "Conv", "pads", "too many", "four")
    assert str(finding) == "conv 1: Conv.pads: too many; supported: four"


CASES = {
    "product of batches": (
        "t = Transpose<perm=[1,0,2,3]>(x) y = MatMul(t, x)",
        "neither is a part of the other",
    ),
    "product with a sum": (
        "f = Flatten<axis=3>(x) y = Gemm(f, f, f)",
        "is added to a product of activations",
    ),
    "empty slice": ("y = Slice(x, p, p, p, p)", "3 to 3 by 3 of 8 is empty"),
    "parts of a split": ("y = Split<axis=1>(x, p)", "parts (3, 5) of 4, 1 outputs"),
    "batch": ("y = MaxPool<kernel_shape=[2,2]>(x)", "a batch of 3"),
    "three dimensions": ("y = GlobalAveragePool(x) z = MaxPool<kernel_shape=[1,1,1]>(x)", "rank 5"),
    "domain": ("y = com.example.Relu(x)", "operator of domain 'com.example'"),
    "training": ("t = Constant<value_ints=[1]>() y, m = Dropout(x, , t)", "dropout while training"),
    "indices": ("y, i = MaxPool<kernel_shape=[2,2]>(x)", "the indices are used"),
    "reflect": ('y = Pad<mode="reflect">(x, p)', "value 'reflect'"),
    "negative pads": ("y = Pad(x, p)", "negative pads"),
    "constant output": ("t = Relu(x) y = Constant<value_float=1.0>()", "the graph output is a constant"),
    "unsorted": ("y = Relu(t) t = Relu(x)", "nothing produces before it"),
    "twice": ("y = Relu(x) y = Relu(x)", "produced twice"),
    "two activations": ("m = MaxPool<kernel_shape=[1,1]>(x) y = Div(x, m)", "outside a normalisation"),
    "small first": ("m = GlobalAveragePool(x) y = Sub(m, x)", "a first operand of full shape"),
    "exponent": ("y = Pow(x, p)", "a scalar"),
    "normalised over": ("y = LayerNormalization(x, p)", "one number for each element"),
    "deviation": (
        "s = Constant<value_float=1.0>() y, m = LayerNormalization(x, s) z = Relu(m)",
        "first output only",
    ),
    "epsilon": ("s = Constant<value_float=1.0>() y = LayerNormalization<epsilon=-1.0>(x, s)", "at least 0"),
    "reshape": ("y = Reshape(x, p)", "does not reshape"),
    "axis": ("y = Softmax<axis=9>(x)", "axis 9 of a tensor of rank 4"),
}
INPUTS = {"batch": "float[3,4,8,8] x", "three dimensions": "float[1,2,3,4,5] x"}


@pytest.mark.parametrize("name", CASES)
def test_reasons(name: str, tmp_path: Path) -> None:
    body, reason = CASES[name]
    pads = [0, 0, 0, 0, 0, 0, -1, 0] if name == "negative pads" else [3, 5]
    inputs = INPUTS.get(name, "float[1,4,8,8] x")
    assert reason in str(refused(body, tmp_path, {"p": pads}, inputs=inputs))


def test_a_dynamic_height_is_refused(tmp_path: Path) -> None:
    error = refused("y = Relu(x)", tmp_path, inputs="float[1,4,H,8] x")
    assert "axis 2 has no fixed extent" in str(error)


def test_a_float_input_that_nothing_quantises(tmp_path: Path) -> None:
    body = """
    d = DequantizeLinear(q, s) t = Conv(d, w) o = QuantizeLinear(t, s) v = DequantizeLinear(o, s)
    y = Add(v, x)
    """
    error = refused(
        body, tmp_path, {"s": 0.1, "w": (4, 4, 1, 1)}, inputs="uint8[1,4,8,8] q, float[1,4,8,8] x"
    )
    assert "x: input: a float input that nothing quantises" in str(error)


def test_float_models_need_onnxruntime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compiler.frontend.quantise.find_spec", lambda name: None)
    error = refused("y = Relu(x)", tmp_path)
    assert "pip install 'rvdse[quant]'" in str(error)
    assert "\n" not in str(error)


def test_a_softmax_too_wide_for_32_bits(tmp_path: Path) -> None:
    error = refused("y = Softmax(x)", tmp_path, inputs="float[1,9000] x")
    assert error.findings[0].operator == "Softmax"


def test_operators_on_constants_only_are_listed_behind_unsupported_ones(tmp_path: Path) -> None:
    """What is behind a finding is read no further, but this needs no reading."""
    body = "a = LSTM(x) b = Range(a, a, a) c = Shape(x) d = Gather(c, i) e = Less(b, i) y = Relu(e)"
    error = refused(body, tmp_path, {"i": [0]})
    assert [(f.operator, f.why) for f in error.findings] == [
        ("LSTM", "unsupported operator"), ("Range", "on activations"), ("Less", "on activations"),
    ]  # fmt: skip
