"""The dialect's rarer operators: ITA's softmax, divisions, means, iNoNorm, Quant, Dequant, merged ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest

from compiler.frontend import ModelError, import_model
from compiler.frontend.dialect.means import exact_mean
from compiler.frontend.errors import Refused
from compiler.ir import IntType
from tests.compiler.frontend.models import Weight, build, save
from tests.compiler.frontend.test_dialect import SAME, Ints, computed, dialect, image, shifted

RNG = np.random.default_rng(5)
ROWS = "float[2,6] x"


def halves(distance: int) -> int:
    """A distance in steps of log2(256) / 256 halvings, rounded half up."""
    return math.floor(Fraction(distance * 8, 256) + Fraction(1, 2))


def test_ita_softmax_of_a_row_worked_by_hand(tmp_path: Path) -> None:
    """Distances 0, 15, 16, 47, 48, 100 are 0, 0, 1, 1, 2, 3 halvings: 256+256+128+128+64+32 = 864."""
    codes = np.array([[100, 85, 84, 53, 52, 0], [-128] * 6])
    imported = dialect(tmp_path, "y = ITAMax<n_levels=256>(x)", {}, {"x": codes}, inputs=ROWS)
    share = 255 * 256 // 864
    assert share == 75
    expected = [[75, 75, 37, 37, 18, 9], [42] * 6]
    assert computed(imported, {"x": codes}).tolist() == expected
    assert [op.kind for op in imported.module.main] == ["itamax"]


def test_ita_softmax_in_parts_worked_by_hand(tmp_path: Path) -> None:
    """Parts (0, -20), (100, 90), (50, 120).

    S = 256 + 128 = 384 under 0; 100 renormalises by h(100) = 3: 384 >> 3 = 48, + 256 + 256 = 560 under
    100; 120 by h(20) = 1: 280, + 256 >> h(70) = 64, + 256: 600. 127 * 256 // 600 = 54.
    """
    codes = np.array([[0, -20, 100, 90, 50, 120]] * 2)
    body = "y = ITAPartialMax<n_levels=256, group_width=2>(x)"
    imported = dialect(tmp_path, body, {}, {"x": codes}, inputs=ROWS)
    distances = [120, 140, 20, 30, 70, 0]
    assert [halves(d) for d in distances] == [4, 4, 1, 1, 2, 0]
    assert computed(imported, {"x": codes}).tolist() == [[3, 3, 27, 27, 13, 54]] * 2


@pytest.mark.parametrize("attributes", ["n_levels=128", "n_levels=256, group_width=4"])
def test_ita_softmax_refuses_what_its_shifts_do_not_mean(attributes: str, tmp_path: Path) -> None:
    operator, sample = (
        "ITAPartialMax" if "group" in attributes else "ITAMax",
        {"x": np.zeros((2, 6), np.int64)},
    )
    with pytest.raises(ModelError, match=r"n_levels|group_width"):
        dialect(tmp_path, f"y = {operator}<{attributes}>(x)", {}, sample, inputs=ROWS)


def test_division_by_a_constant_is_a_table_and_rounds_ties_up(tmp_path: Path) -> None:
    """floor(x * 3 * 2 / (2 * 5 + 2) + 1/2): x = -3, -1, 1, 3 are ties."""
    codes = np.array([[-4, -3, -2, -1, 0, 1], [2, 3, 4, 5, 127, -128]])
    body = "a = IntegerDiv<Delta=3, eta=2, eps=2>(x, c) y = RequantShift(a, m, d)"
    weights: Mapping[str, Weight] = {"c": 5.0, "m": 1.0, "d": 0.0}
    imported = dialect(tmp_path, body, weights, {"x": codes}, inputs=ROWS, div=1)
    assert [op.kind for op in imported.module.main] == ["lut"]
    expected = [[-2, -1, -1, 0, 0, 1], [1, 2, 2, 3, 64, -64]]
    assert computed(imported, {"x": codes}).tolist() == expected


@pytest.mark.parametrize("shape", [(2, 6), (6,), (2, 1), (1,)])
def test_division_of_two_tensors(shape: tuple[int, ...], tmp_path: Path) -> None:
    sample = {"x": RNG.integers(-128, 128, (2, 6)), "z": RNG.integers(0, 256, shape)}
    sample["z"].flat[0] = 255
    imported = dialect(
        tmp_path,
        "a = IntegerDiv<Delta=700, eta=3, eps=4>(x, z) y = RequantShift(a, m, d)",
        {"m": -5.0, "d": 90.0},
        sample,
        inputs=f"float[2,6] x, float{list(shape)} z",
        div=128,
    )
    divisors = np.broadcast_to(sample["z"], (2, 6)) * 3 + 4
    quotients = np.array(
        [
            math.floor(Fraction(int(x) * 2100, int(d)) + Fraction(1, 2))
            for x, d in zip(sample["x"].flat, divisors.flat, strict=True)
        ]
    ).reshape(2, 6)
    assert np.array_equal(computed(imported, sample), shifted(quotients, -5, 90, 128))
    assert "idiv" in [op.kind for op in imported.module.main]


def test_a_division_that_may_divide_by_zero_is_refused(tmp_path: Path) -> None:
    sample = {"x": np.full((2, 6), -1), "z": np.full((2, 6), -1)}
    body = "a = IntegerDiv<Delta=1, eta=1, eps=1>(x, z) y = RequantShift(a, m, d)"
    weights: Mapping[str, Weight] = {"m": 1.0, "d": 0.0}
    with pytest.raises(ModelError, match="divisor may be -127"):
        dialect(tmp_path, body, weights, sample, inputs="float[2,6] x, float[2,6] z")


@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("axes", ["[1]", "[-1]", "[2,3]"])
def test_mean_rounds_half_up(axes: str, keepdims: int, tmp_path: Path) -> None:
    sample = image(shape=(1, 6, 5, 4))
    body = f"y = IntegerMean<axes={axes}, keepdims={keepdims}>(x)"
    imported = dialect(tmp_path, body, {}, sample, inputs="float[1,6,5,4] x")
    chosen = {"[1]": (1,), "[-1]": (3,), "[2,3]": (2, 3)}[axes]
    count = math.prod(sample["x"].shape[axis] for axis in chosen)
    expected = (2 * sample["x"].sum(axis=chosen, keepdims=bool(keepdims)) + count) // (2 * count)
    assert np.array_equal(computed(imported, sample), expected)


@pytest.mark.parametrize("dtype", [IntType.I8, IntType.U8])
@pytest.mark.parametrize("count", [1, 2, 3, 7, 49, 64, 100, 154])
def test_the_division_of_a_mean_is_exact_for_every_sum(count: int, dtype: IntType) -> None:
    by = exact_mean(count, dtype)
    sums = np.arange(count * dtype.low, count * dtype.high + 1)
    assert np.abs(sums * by.mul + by.add).max() < 2**31
    assert np.array_equal((sums * by.mul + by.add) >> by.shift, (2 * sums + count) // (2 * count))


def test_a_mean_that_32_bits_do_not_divide_exactly_is_refused() -> None:
    with pytest.raises(Refused, match="mean of 1001 codes"):
        exact_mean(1001, IntType.I8)


@pytest.mark.parametrize("whole", [False, True])
def test_no_norm_floors(whole: bool, tmp_path: Path) -> None:
    """(x*w + b)*mul / D rounded down, with a weight for each channel or for each element."""
    sample = {"x": RNG.integers(-128, 128, (2, 6))}
    weight, bias = RNG.integers(-128, 128, (2, 6) if whole else (6,)), RNG.integers(-5000, 5000, 6)
    tables = {"g": weight.astype(np.float32), "e": bias.astype(np.float32)}
    body = "y = iNoNorm<D=65536, mul=425, n_levels=256>(x, g, e)"
    imported = dialect(tmp_path, body, tables, sample, inputs=ROWS)
    expected = np.clip((sample["x"] * weight + bias) * 425 // 65536, -128, 127)
    assert np.array_equal(computed(imported, sample), expected)


def test_a_quant_behind_a_dequant_is_a_table_in_float32(tmp_path: Path) -> None:
    """(x - 3) * 0.5 = halves; times 1 and rounded half away from zero, less 10."""
    codes = np.array([[3, 4, 5, 2, 1, 0], [127, -128, 6, -1, 7, -2]])
    body = """
    a = Dequant<scale=0.5, zero_point=3.0, bit_width=8, signed=1>(x)
    y = Quant<scale=1.0, zero_point=0.0, bit_width=8, signed=1>(a)
    """
    imported = dialect(tmp_path, body, {}, {"x": codes}, inputs=ROWS)
    assert [op.kind for op in imported.module.main] == ["lut"]
    expected = [[0, 1, 1, -1, -1, -2], [62, -66, 2, -2, 2, -3]]
    assert computed(imported, {"x": codes}).tolist() == expected


def test_quant_at_an_input_and_dequant_at_an_output_are_its_codes(tmp_path: Path) -> None:
    body = """
    a = Quant<scale=10.0, zero_point=0.0, bit_width=8, signed=0>(x)
    b = RequantShift(a, m, d) y = Dequant<scale=0.25, zero_point=2.0, bit_width=8, signed=1>(b)
    """
    sample = image(0, 255)
    imported = dialect(tmp_path, body, {"m": 1.0, "d": 0.0}, sample, div=2)
    assert np.array_equal(computed(imported, sample), shifted(sample["x"], 1, 0, 2))
    notes = " ".join(imported.module.notes)
    assert "input x holds the codes that its Quant makes: x * 10.0 + 0.0" in notes
    assert "output y holds codes: the real numbers are (code - 2) * 0.25" in notes


def test_computing_with_real_numbers_is_refused(tmp_path: Path) -> None:
    body = "a = Dequant<scale=0.5, zero_point=0.0, bit_width=8, signed=1>(x) y = Conv(a, w)"
    with pytest.raises(ModelError, match="holds real numbers"):
        dialect(tmp_path, body, SAME, image())


MERGED = {
    "RequantizedConv": (
        "y = RequantizedConv{shift=6}(x, w, m, r)",
        "a = Conv(x, w) y = RequantShift(a, m, d)",
    ),
    "RequantizedGemm": (
        "s = Constant<value_ints=[4,64]>() f = Reshape(x, s) y = RequantizedGemm{transB=1}(f, g, r, m)",
        """
        s = Constant<value_ints=[4,64]>() f = Reshape(x, s) a = Gemm<transB=1>(f, g)
        y = RequantShift(a, m, d)
        """,
    ),
    "RequantizediGELU": (
        "y = RequantizediGELU{b=-50, one=2500}(x, m, d, h)",
        "a = iGELU<b=-50, one=2500>(x) y = RequantShift(a, m, d)",
    ),
    "RequantizediHardswish": (
        "y = RequantizediHardswish{one_over_six=2, three=90, six=180, mul=3, add=50, shift=6}(x)",
        "a = iHardswish<one_over_six=2, three=90, six=180>(x) y = RequantShift(a, m, d)",
    ),
    "RQIntegerDiv": (
        "y = RQIntegerDiv{Delta=40, eta=1, eps=300}(x, x, m, d, h)",
        "a = IntegerDiv<Delta=40, eta=1, eps=300>(x, x) y = RequantShift(a, m, d)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("operator", MERGED)
def test_a_merged_operator_is_its_parts(operator: str, tmp_path: Path) -> None:
    """r is d with half of div in it, as Deeploy's merges of products leave it."""
    merged, parts = MERGED[operator]
    weights: dict[str, Weight] = {
        "w": RNG.integers(-9, 9, (4, 4, 1, 1)).astype(np.float32),
        "g": RNG.integers(-9, 9, (5, 64)).astype(np.float32),
        "m": 3.0, "d": 50.0, "r": 82.0, "h": 6.0,
    }  # fmt: skip
    body = merged.replace("{", "<div=64, n_levels=256, signed=1, ").replace("}", ">")
    sample = image()
    imported = dialect(tmp_path, body, weights, sample)
    expected = dialect(tmp_path, parts, weights, sample, div=64)
    assert np.array_equal(computed(imported, sample), computed(expected, sample))
    assert [op.kind for op in imported.module.main] == [op.kind for op in expected.module.main]


@pytest.mark.parametrize("bare", [False, True])
def test_a_merged_sum_shifts_and_clamps_its_operands(bare: bool, tmp_path: Path) -> None:
    """x clamped to 4 bits; z as it is where Deeploy wrote 1, 0 and 1 for it."""
    sample = {**image(), "z": RNG.integers(-128, 128, (1, 4, 8, 8))}
    second = {"mul": 1, "add": 0, "div": 1} if bare else {"mul": 5, "add": 9, "div": 8}
    values = {
        "rqs1_mul": 3,
        "rqs1_add": 32,
        "rqs1_div": 64,
        "rqs1_n_levels": 16,
        "rqs1_signed": 1,
        **{f"rqs2_{name}": value for name, value in second.items()},
        "rqs2_n_levels_out": 256,
        "rqs2_signed": 1,
        "rqsOut_mul": 7,
        "rqsOut_add": 8,
        "rqsOut_div": 16,
        "rqsOut_n_levels": 256,
        "rqsOut_signed": 1,
    }
    attributes = ", ".join(f"{name}={value}" for name, value in values.items())
    shape = "float[1,4,8,8]"
    imported = dialect(
        tmp_path, f"y = RequantizedAdd<{attributes}>(x, z)", {}, sample, inputs=f"{shape} x, {shape} z"
    )
    a = np.clip((sample["x"] * 3 + 32) // 64, -8, 7)
    b = sample["z"] if bare else np.clip((sample["z"] * 5 + 9) // 8, -128, 127)
    expected: Ints = np.clip(((a + b) * 7 + 8) // 16, -128, 127)
    assert np.array_equal(computed(imported, sample), expected)
    assert [op.kind for op in imported.module.main] == (["lut", "add"] if bare else ["lut", "lut", "add"])


def test_a_merged_operator_whose_shift_is_not_its_div_is_refused(tmp_path: Path) -> None:
    body = "y = RequantizedConv<div=64, n_levels=256, signed=1, shift=5>(x, w, m, d)"
    with pytest.raises(ModelError, match=r"a shift of 5 beside div = 2\^6"):
        dialect(tmp_path, body, SAME, image())


def test_a_quantised_input_needs_codes_as_its_sample(tmp_path: Path) -> None:
    body = "a = Quant<scale=10.0, zero_point=0.0, bit_width=8, signed=1>(x) y = Relu(a)"
    model = build(body, {}, inputs=ROWS)
    np.savez(tmp_path / "inputs.npz", x=np.full((2, 6), 0.5))
    assert isinstance(model, onnx.ModelProto)
    with pytest.raises(ModelError, match="holds other things than integers"):
        import_model(save(model, tmp_path), calibration=tmp_path / "inputs.npz")


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_parts_of_tensors(axis: int, tmp_path: Path) -> None:
    """Gather of one index takes the axis away, of a list of one it keeps it; Slice and Split cut."""
    sample = image()
    body = f"""
    a = Gather<axis={axis}>(x, i) b = Gather<axis={axis}>(x, j) c = Unsqueeze(a, k)
    p, q = Split<axis={axis}>(x) r = Slice(q, z, o, k)
    s = Concat<axis={axis}>(c, b) v = Concat<axis={axis}>(s, r)
    y = RequantShift(v, m, d)
    """
    weights: dict[str, Weight] = {
        "i": np.array(2, np.int64),
        "j": np.array([-1], np.int64),
        "k": np.array([axis], np.int64),
        "z": np.array([0], np.int64),
        "o": np.array([1], np.int64),
    }
    imported = dialect(tmp_path, body, {**weights, "m": -1.0, "d": 0.0}, sample, div=1)
    half = sample["x"].shape[axis] // 2
    expected = np.take(sample["x"], [2, -1, half], axis)
    assert np.array_equal(computed(imported, sample), shifted(expected, -1, 0, 1))
