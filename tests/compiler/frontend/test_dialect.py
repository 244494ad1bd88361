"""The integer dialect: what RequantShift means, what may stand around it, and how inputs get their types."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator

from compiler.frontend import Imported, ModelError, import_model
from compiler.reference import execute
from tests.compiler.frontend.models import Weight, build, save

Ints = npt.NDArray[np.int64]
RNG = np.random.default_rng(0)
SAME: Mapping[str, Weight] = {"w": np.eye(4, dtype=np.float32).reshape(4, 4, 1, 1), "m": 1.0, "d": 0.0}
"""A convolution that changes nothing but the memory order of four channels."""


def shifts(model: onnx.ModelProto, levels: int = 256, signed: int = 1, div: int = 256) -> onnx.ModelProto:
    """Give every RequantShift that says nothing its attributes, as tensors."""
    for node in model.graph.node:
        if node.op_type == "RequantShift" and not node.attribute:
            values = {"div": div, "n_levels_out": levels, "signed": signed}
            for name, value in values.items():
                tensor = onnx.numpy_helper.from_array(np.array([value], np.float32), name)
                node.attribute.append(onnx.helper.make_attribute(name, tensor))
    return model


def dialect(
    folder: Path,
    body: str,
    weights: Mapping[str, Weight],
    sample: Mapping[str, Ints],
    inputs: str = "float[1,4,8,8] x",
    **options: int,
) -> Imported:
    """The imported model of `body`."""
    model = shifts(build(body, weights, inputs=inputs), **options)
    np.savez(folder / "inputs.npz", **sample)  # type: ignore[arg-type]
    return import_model(save(model, folder), calibration=folder / "inputs.npz")


def computed(imported: Imported, sample: Mapping[str, Ints]) -> Ints:
    """The only output, in ONNX's shape."""
    codes = {b.tensor: b.encode(sample[b.onnx]) for b in imported.inputs}
    (output,) = imported.outputs
    return output.logical(execute(imported.module.main, codes)[output.tensor]).astype(np.int64)


def shifted(v: Ints, mul: Any, add: Any, div: int = 256, low: int = -128, high: int = 127) -> Ints:
    """RequantShift in exact integers."""
    result: Ints = np.clip((v * mul + add + div // 2) // div, low, high)
    return result


def image(low: int = -128, high: int = 127, shape: tuple[int, ...] = (1, 4, 8, 8)) -> dict[str, Ints]:
    codes = RNG.integers(low, high + 1, shape)
    codes.flat[:2] = low, high
    return {"x": codes}


def test_a_convolution_keeps_the_signs_of_its_multipliers(tmp_path: Path) -> None:
    weights = RNG.integers(-128, 128, (3, 4, 1, 1))
    mul, add = np.array([3, -2, 0]).reshape(3, 1, 1), np.array([5, -700, 900]).reshape(3, 1, 1)
    sample = image()
    imported = dialect(
        tmp_path,
        "a = Conv(x, w) y = RequantShift(a, m, d)",
        {"w": weights.astype(np.float32), "m": mul.astype(np.float32), "d": add.astype(np.float32)},
        sample,
    )
    (op,) = imported.module.main
    assert op.requant.mul.array.tolist() == [3, -2, 0]  # type: ignore[attr-defined]
    assert op.requant.add.array.tolist() == [5 + 128, -700 + 128, 900 + 128]  # type: ignore[attr-defined]
    sums = np.einsum("nchw,oc->nohw", sample["x"], weights[:, :, 0, 0])
    assert np.array_equal(computed(imported, sample), shifted(sums, mul, add))


@pytest.mark.parametrize("by_row", [False, True])
def test_gemm_with_alpha_beta_and_tables_by_row_or_column(by_row: bool, tmp_path: Path) -> None:
    weights, added = RNG.integers(-128, 128, (6, 5)), RNG.integers(-50, 50, (3, 5) if by_row else (5,))
    mul = RNG.integers(-9, 9, (3, 1) if by_row else (5,))
    sample = image(shape=(3, 6))
    imported = dialect(
        tmp_path,
        "a = Gemm<alpha=2.0, beta=3.0>(x, w, c) y = RequantShift(a, m, d)",
        {
            "w": weights.astype(np.float32),
            "c": added.astype(np.float32),
            "m": mul.astype(np.float32),
            "d": 7.0,
        },
        sample,
        inputs="float[3,6] x",
    )
    expected = shifted(2 * sample["x"] @ weights + 3 * added, mul, 7)
    assert np.array_equal(computed(imported, sample), expected)
    assert [op.kind for op in imported.module.main] == ["conv2d"]
    assert any("by row" in note for note in imported.module.notes) == by_row


def test_a_bias_behind_the_product_joins_its_sums(tmp_path: Path) -> None:
    weights, bias = RNG.integers(-128, 128, (6, 5)), RNG.integers(-500, 500, 5)
    sample = image(shape=(1, 3, 6))
    imported = dialect(
        tmp_path,
        "a = MatMul(x, w) b = Add(c, a) y = RequantShift(b, m, d)",
        {"w": weights.astype(np.float32), "c": bias.astype(np.float32), "m": 3.0, "d": 0.0},
        sample,
        inputs="float[1,3,6] x",
    )
    assert len(imported.module.main.operators) == 1
    assert np.array_equal(computed(imported, sample), shifted(sample["x"] @ weights + bias, 3, 0))


@given(
    mul=st.integers(-700, 700),
    add=st.integers(-40_000, 40_000),
    div=st.sampled_from([1, 2, 256, 65536]),
    levels=st.sampled_from([256, 255, 16, 2]),
    signed=st.booleans(),
    unsigned_input=st.booleans(),
)
@settings(deadline=None)
def test_every_requant_shift_of_codes_is_one_table_or_nothing(
    mul: int, add: int, div: int, levels: int, signed: bool, unsigned_input: bool, tmp_path_factory: Any
) -> None:
    folder = tmp_path_factory.mktemp("shift")
    first = 0 if unsigned_input else -128
    sample = {"x": np.arange(first, first + 256).reshape(1, 1, 16, 16)}
    imported = dialect(
        folder,
        "t = RequantShift(x, m, d) p = MaxPool<kernel_shape=[1,1]>(t) y = Identity(p)",
        {"m": float(mul), "d": float(add)},
        sample,
        inputs="float[1,1,16,16] x",
        levels=levels,
        signed=int(signed),
        div=div,
    )
    low = -(levels // 2) if signed else 0
    expected = shifted(sample["x"], mul, add, div, low, low + levels - 1)
    assert np.array_equal(computed(imported, sample), expected)
    kinds = [op.kind for op in imported.module.main if op.kind != "transpose"]
    unchanged = np.array_equal(expected, sample["x"]) and signed != unsigned_input
    assert kinds == ["maxpool"] if unchanged else ["lut", "maxpool"]


def test_functions_and_shifts_of_codes_compose_to_one_table(tmp_path: Path) -> None:
    sample = image()
    body = """
    a = iHardswish<one_over_six=42, six=441, three=221>(x) b = RequantShift(a, m, d)
    c = TrueIntegerDiv<Delta=16384, eps=1, eta=200000, y=2>(b) y = RequantShift(c, n, d)
    """
    imported = dialect(tmp_path, body, {"m": -2.0, "n": 3.0, "d": 0.0}, sample, div=4096)
    assert [op.kind for op in imported.module.main] == ["lut"]
    x = sample["x"]
    inner = shifted(x * (np.clip(x + 221, 0, 441) * 42), -2, 0, 4096)
    divided = inner * 16384 * 200000 // 400001
    assert np.array_equal(computed(imported, sample), shifted(divided, 3, 0, 4096))


def test_gelu(tmp_path: Path) -> None:
    sample = image()
    body = "a = iGELU<b=-50, one=2500>(x) y = RequantShift(a, m, d)"
    imported = dialect(tmp_path, body, {"m": 1.0, "d": 0.0}, sample, div=2048)
    values = [
        x * ((2500 + int(np.sign(x)) * (2500 - (min(abs(x), 50) - 50) ** 2)) >> 1)
        for x in sample["x"].reshape(-1).tolist()
    ]
    expected = shifted(np.array(values).reshape(1, 4, 8, 8), 1, 0, 2048)
    assert np.array_equal(computed(imported, sample), expected)


def test_softmax_in_any_memory_order(tmp_path: Path) -> None:
    """I-BERT's polynomial over the last logical axis, which the convolution's layout has in the middle."""
    sample = image()
    body = """
    a = Conv(x, w) b = RequantShift(a, m, d)
    c = iSoftmax<coeffA=1, coeffB=13, coeffC=86, log2=9, n_levels=256>(b)
    y = Transpose<perm=[0,1,3,2]>(c)
    """
    imported = dialect(tmp_path, body, SAME, sample, div=1)
    below = sample["x"] - sample["x"].max(axis=-1, keepdims=True)
    halvings = -below // 9
    e = (below + halvings * 9 + 13) ** 2 + 86 >> np.minimum(halvings, 31)
    expected = e * 255 // e.sum(axis=-1, keepdims=True)
    assert np.array_equal(computed(imported, sample), expected.transpose(0, 1, 3, 2))


@pytest.mark.parametrize("centred", [False, True])
def test_norms_in_any_memory_order(centred: bool, tmp_path: Path) -> None:
    """Rows of (H, W) flattened from channels-last memory: every channel keeps its weight."""
    sample = image()
    weight, bias = RNG.integers(1, 1_000_000, 256), RNG.integers(-(2**22), 2**22, 256)
    name = "iLayerNorm" if centred else "iRMSNorm"
    body = f"""
    a = Conv(x, w) b = RequantShift(a, m, d) c = Flatten(b)
    y = {name}<D=65536, n_levels=256>(c, g{", e" if centred else ""})
    """
    tables = {"g": weight.astype(np.float32), "e": bias.astype(np.float32)}
    imported = dialect(tmp_path, body, {**SAME, **tables}, sample, div=1)
    row = sample["x"].reshape(-1)
    row = row - int(row.sum() / 256) if centred else row
    root = math.isqrt(int((row * row).sum()) // 256 + 1)
    total = [
        int(v * g / root) + (int(e) if centred else 0) for v, g, e in zip(row, weight, bias, strict=True)
    ]
    expected = np.clip(np.array(total) >> 16, -128, 127)
    assert np.array_equal(computed(imported, sample).reshape(-1), expected)
    assert [op.kind for op in imported.module.main] == ["conv2d", "inorm", "transpose"]


@pytest.mark.parametrize("operator", ["Add", "Mul"])
def test_two_operands_and_their_shift_are_one_operator(operator: str, tmp_path: Path) -> None:
    sample = {**image(), "z": RNG.integers(-128, 128, (8, 8))}
    imported = dialect(
        tmp_path,
        f"a = {operator}(z, x) y = RequantShift(a, m, d)",
        {"m": -3.0, "d": 11.0},
        sample,
        inputs="float[1,4,8,8] x, float[8,8] z",
        div=64,
    )
    total = sample["x"] + sample["z"] if operator == "Add" else sample["x"] * sample["z"]
    assert [op.kind for op in imported.module.main] == [operator.lower()]
    assert np.array_equal(computed(imported, sample), shifted(total, -3, 11, 64))


HEADS = {
    "whole tensors": ("y = {product}(x, z)", (1, 2, 3, 4), (1, 2, 4, 5), 0),
    "heads split and merged": (
        """
        s = Constant<value_ints=[6,2,4]>() u = Reshape(x, s) h = Transpose<perm=[1,0,2]>(u)
        t = Reshape(z, s) k = Transpose<perm=[1,2,0]>(t) p = {product}(h, k)
        r = Transpose<perm=[1,0,2]>(p) f = Constant<value_ints=[6,12]>() y = Reshape(r, f)
        """,
        (6, 8), (6, 8), 0,
    ),
    "scores times values": (
        """
        s = Constant<value_ints=[6,2,4]>() t = Reshape(z, s) k = Transpose<perm=[1,0,2]>(t)
        p = {product}(x, k) y = Transpose<perm=[1,0,2]>(p)
        """,
        (2, 3, 6), (6, 8), 0,
    ),
    "heads innermost": (
        """
        s = Constant<value_ints=[3,5,2]>() v = Reshape(x, s) u = Transpose<perm=[2,0,1]>(v)
        e = Constant<value_ints=[5,2,4]>() w = Reshape(z, e) t = Transpose<perm=[1,0,2]>(w)
        y = {product}(u, t)
        """,
        (3, 10), (5, 8), 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HEADS)
def test_products_of_activations_move_heads_by_views(name: str, tmp_path: Path) -> None:
    """ONNX computes the same with integers; transposes: what no layout of the kernel replaces."""
    body, shape_x, shape_z, transposes = HEADS[name]
    sample = {"x": RNG.integers(-128, 128, shape_x), "z": RNG.integers(-128, 128, shape_z)}
    inputs = f"float{list(shape_x)} x, float{list(shape_z)} z"
    requantised = r"q = MatMul(\2) \1 = RequantShift(q, m, d)"
    shifted_body = re.sub(r"(\w+) = \{product\}\((.*?)\)", requantised, body)
    weights: Mapping[str, Weight] = {"m": -5.0, "d": 77.0}
    imported = dialect(tmp_path, shifted_body, weights, sample, inputs=inputs, div=1024)
    expected = by_onnx(re.sub(r"\{product\}", "MatMul", body), sample, inputs)
    assert np.array_equal(computed(imported, sample), shifted(expected, -5, 77, 1024))
    kinds = [op.kind for op in imported.module.main]
    assert sorted(kinds) == ["matmul"] + ["transpose"] * transposes


def by_onnx(body: str, sample: Mapping[str, Ints], inputs: str) -> Ints:
    """What onnx's reference evaluator computes with the integers as floats."""
    run = ReferenceEvaluator(build(body, {}, inputs=inputs))
    (result,) = run.run(None, {name: array.astype(np.float32) for name, array in sample.items()})
    return np.asarray(result).astype(np.int64)


def test_multipliers_by_head(tmp_path: Path) -> None:
    sample = {"x": RNG.integers(-128, 128, (1, 2, 3, 4)), "z": RNG.integers(-128, 128, (1, 2, 4, 5))}
    mul, add = np.array([7, -20]).reshape(1, 2, 1, 1), np.array([0, 900]).reshape(1, 2, 1, 1)
    imported = dialect(
        tmp_path,
        "a = MatMul(x, z) y = RequantShift(a, m, d)",
        {"m": mul.astype(np.float32), "d": add.astype(np.float32)},
        sample,
        inputs="float[1,2,3,4] x, float[1,2,4,5] z",
        div=1024,
    )
    assert np.array_equal(computed(imported, sample), shifted(sample["x"] @ sample["z"], mul, add, 1024))


def test_multipliers_by_channel_of_codes(tmp_path: Path) -> None:
    sample = image()
    mul, add = np.array([100, -256, 300, 7]).reshape(4, 1, 1), np.array([0, 9, -5000, 1]).reshape(4, 1, 1)
    weights = {"m": mul.astype(np.float32), "d": add.astype(np.float32)}
    imported = dialect(tmp_path, "y = RequantShift(x, m, d)", weights, sample)
    assert np.array_equal(computed(imported, sample), shifted(sample["x"], mul, add))


def test_inputs_without_elements_vanish_with_their_part_of_a_concat(tmp_path: Path) -> None:
    sample = {**image(shape=(1, 2, 3)), "past": np.zeros((1, 0, 3), np.int64)}
    imported = dialect(
        tmp_path,
        "a = Concat<axis=-2>(past, x) y = RequantShift(a, m, d)",
        {"m": 128.0, "d": 0.0},
        sample,
        inputs="float[1,2,3] x, float[1,p,3] past",
    )
    assert [binding.onnx for binding in imported.inputs] == ["x"]
    assert any("past" in note for note in imported.module.notes)
    assert np.array_equal(computed(imported, sample), shifted(sample["x"], 128, 0))


def test_what_was_imported_reads_again_without_a_sample(tmp_path: Path) -> None:
    sample = image(0, 255)
    first = dialect(tmp_path, "y = RequantShift(x, m, d)", {"m": 128.0, "d": 0.0}, sample)
    (tmp_path / "again.onnx").write_bytes(first.qdq)
    again = import_model(tmp_path / "again.onnx")
    assert again.module.main == first.module.main
    assert first.inputs[0].quant.dtype.value == "uint8"


def test_numbered_arrays_belong_to_the_inputs_in_order(tmp_path: Path) -> None:
    x, z = RNG.integers(-128, 128, (1, 5)), np.full((1, 5), 200)
    model = shifts(
        build(
            "a = Add(x, z) y = RequantShift(a, m, d)",
            {"m": 1.0, "d": 0.0},
            inputs="float[1,5] x, float[1,5] z",
        )
    )
    np.savez(tmp_path / "inputs.npz", x, z, np.zeros(3))
    imported = import_model(save(model, tmp_path), calibration=tmp_path / "inputs.npz")
    assert [binding.quant.dtype.value for binding in imported.inputs] == ["int8", "uint8"]


HALVES: Any = np.full((1, 4, 8, 8), 0.5)
BODY = "y = RequantShift(x, m, d)"
REFUSED: dict[str, tuple[str, Mapping[str, Weight], Mapping[str, Ints] | None, str]] = {
    "no sample": (BODY, {"m": 1.0, "d": 0.0}, None, "declared FLOAT and there is no sample"),
    "fractions": (BODY, {"m": 1.0, "d": 0.0}, {"x": HALVES}, "other things than integers"),
    "range": (BODY, {"m": 1.0, "d": 0.0}, image(-1, 200), "from -1 to 200, which is not int8 or uint8"),
    "shape": (BODY, {"m": 1.0, "d": 0.0}, image(shape=(1, 4, 8, 9)), r"has shape (1, 4, 8, 9)"),
    "float table": (BODY, {"m": 0.5, "d": 0.0}, image(), "values that are no integers"),
    "wide": ("t = iGELU<b=-5,one=7>(x) y = MaxPool<kernel_shape=[1,1]>(t)", {}, image(), "RequantShift to 8"),
    "sums": ("t = Conv(x, w) y = RequantShift(x, m, d) z = MaxPool<kernel_shape=[1,1]>(t)",
             {"w": np.ones((1, 4, 1, 1), np.float32), "m": 1.0, "d": 0.0}, image(), "holds sums of 32 bits"),
    "overflow": ("t = Conv(x, w) y = RequantShift(t, m, d)",
                 {"w": np.full((1, 4, 1, 1), 127, np.float32), "m": 50_000.0, "d": 0.0}, image(),
                 "32 bits hold less than 2147483648"),
    "weights": ("t = Conv(x, w) y = RequantShift(t, m, d)",
                {"w": np.full((1, 4, 1, 1), 128, np.float32), "m": 1.0, "d": 0.0}, image(), "from 0 to 128"),
    "unknown": ("t = iUnheardOf(x) y = RequantShift(t, m, d)", {"m": 1.0, "d": 0.0}, image(), "unsupported"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_said(name: str, tmp_path: Path) -> None:
    body, weights, sample, reason = REFUSED[name]
    model = shifts(build(body, weights, outputs="z" if name == "sums" else "y"))
    np.savez(tmp_path / "inputs.npz", **(sample or {}))  # type: ignore[arg-type]
    with pytest.raises(ModelError) as caught:
        import_model(save(model, tmp_path), calibration=tmp_path / "inputs.npz" if sample else None)
    assert reason in str(caught.value)


@pytest.mark.parametrize(("attribute", "value"), [("div", 3), ("n_levels_out", 512), ("div", 2**33)])
def test_impossible_shifts(attribute: str, value: int, tmp_path: Path) -> None:
    levels, div = (value, 256) if attribute == "n_levels_out" else (256, value)
    with pytest.raises(ModelError, match=str(value)):
        dialect(tmp_path, BODY, {"m": 1.0, "d": 0.0}, image(), levels=levels, div=div)
