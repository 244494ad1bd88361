"""Operators of language models are within their documented bounds of real arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.ir import IntType, Tensor
from compiler.ir.operator import ROWS
from compiler.ir.tensor import IntArray
from compiler.ops.add import add_from_scales
from compiler.ops.base import OperatorError
from compiler.ops.embed import embed_from_table
from compiler.ops.mul import mul_from_scales
from compiler.ops.requantise import requantise_from_scales
from compiler.ops.rope import rope_error_steps, rope_from_scales
from compiler.ops.softmax import softmax_from_scales
from compiler.reference import whole_call
from tests.compiler.deployed import graph_of
from tests.compiler.ops.drawn import Case
from tests.compiler.ops.tiles import run_whole

Q14 = 2.0**-14
ROOM = (7, 3, 16)
"""Rows, heads, depth."""


def codes_of(rng: np.random.Generator, t: Tensor) -> IntArray:
    codes: IntArray = rng.integers(t.dtype.low, t.dtype.high + 1, t.shape).astype(t.dtype.dtype)
    return codes


def angles(rows: int, depth: int, interleaved: bool) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Of Llama: positions times 10000^(-2k/depth), once for each channel of a pair."""
    each = np.arange(rows)[:, None] * 10000.0 ** (-2 * np.arange(depth // 2) / depth)
    return np.repeat(each, 2, axis=1) if interleaved else np.tile(each, 2)


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("ratio", [1.0, 0.7, 1.9])
@pytest.mark.parametrize("zero_point", [0, -20])
def test_rope_is_a_rotation(interleaved: bool, ratio: float, zero_point: int) -> None:
    rng = np.random.default_rng(1)
    rows, _, depth = ROOM
    x, y = Tensor("x", ROOM, IntType.I8, 0.05, zero_point), Tensor("y", ROOM, IntType.I8, 0.05 * ratio, 3)
    cos, sin = (Tensor(name, (rows, depth), IntType.I16, Q14) for name in ("cos", "sin"))
    op = rope_from_scales("rope", x, cos, sin, y, *ROOM, interleaved=interleaved)
    turn = angles(rows, depth, interleaved)
    tables = [np.rint(f(turn) / Q14).astype(np.int16) for f in (np.cos, np.sin)]
    codes = codes_of(rng, x)
    result = run_whole(op, {t.name: t for t in (x, cos, sin, y)}, [codes, *tables])
    real = (codes.astype(np.float64) - zero_point) / ratio
    # A pair as one complex number.
    first, second = (real[..., ::2], real[..., 1::2]) if interleaved else np.split(real, 2, axis=-1)
    angle = turn[:, None, ::2] if interleaved else turn[:, None, : depth // 2]
    rotated = (first + 1j * second) * np.exp(1j * angle)
    parts = (rotated.real, rotated.imag)
    exact = np.stack(parts, axis=-1).reshape(ROOM) if interleaved else np.concatenate(parts, axis=-1)
    bound = rope_error_steps(x, cos, y)
    assert bound < 0.6
    assert np.abs(result - np.clip(exact + 3, -128, 127)).max() <= 0.5 + bound


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    period=st.integers(1, 6),
    offset=st.integers(0, 20),
    position=st.none() | st.integers(-3, 40),
)
def test_a_causal_row_is_the_softmax_of_its_prefix(
    seed: int, period: int, offset: int, position: int | None
) -> None:
    rows, channels = 2 * period, 17
    x, y = Tensor("x", (rows, channels), IntType.I8, 0.1), Tensor("y", (rows, channels), IntType.U8, 1 / 256)
    at = Tensor("at", (1,), IntType.I32)
    later = () if position is None else (at,)
    op = softmax_from_scales("masked", rows, channels, x, y, (period, offset), *later)
    codes = codes_of(np.random.default_rng(seed), x)
    arrays = [codes] if position is None else [codes, np.array([position], np.int32)]
    masked = run_whole(op, {"x": x, "y": y, "at": at}, arrays)
    for row in range(rows):
        seen = min(channels, row % period + 1 + offset + min(max(position or 0, 0), channels))
        assert (masked[row, seen:] == 0).all()
        short, out = Tensor("x", (1, seen), x.dtype, x.scale), Tensor("y", (1, seen), y.dtype, y.scale)
        plain = softmax_from_scales("plain", 1, seen, short, out)
        prefix = run_whole(plain, {"x": short, "y": out}, [codes[row : row + 1, :seen]])
        # The tables of the two widths differ in how many fraction bits they have.
        assert np.abs(masked[row, :seen].astype(int) - prefix[0]).max() <= 1


def test_int16_of_one_scale_are_added_exactly() -> None:
    rng = np.random.default_rng(3)
    a, b, y = (Tensor(name, (500,), IntType.I16, 0.001) for name in "aby")
    op = add_from_scales("sum", (a, b), y)
    left, right = codes_of(rng, a), codes_of(rng, b)
    result = run_whole(op, {t.name: t for t in (a, b, y)}, [left, right])
    exact = np.clip(left.astype(int) + right, -(2**15), 2**15 - 1)
    np.testing.assert_array_equal(result, exact)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), ratios=st.tuples(*[st.floats(0.1, 1.0)] * 2))
def test_int16_of_other_scales_are_added_within_their_factors_rounding(
    seed: int, ratios: tuple[float, float]
) -> None:
    """Half a step of y for the rounding; for each operand half a unit of its factor by its largest code."""
    y = Tensor("y", (300,), IntType.I16, 0.001)
    a, b = (Tensor(n, (300,), IntType.I16, 0.001 * r) for n, r in zip("ab", ratios, strict=True))
    op = add_from_scales("sum", (a, b), y)
    rng = np.random.default_rng(seed)
    left, right = codes_of(rng, a), codes_of(rng, b)
    result = run_whole(op, {t.name: t for t in (a, b, y)}, [left, right])
    exact = np.clip(left * ratios[0] + right * ratios[1], -(2**15), 2**15 - 1)
    assert np.abs(result - exact).max() <= 0.5 + 2 * 2.0 ** (15 - 1 - op.shift)


@pytest.mark.parametrize(("x", "y"), [(IntType.I16, IntType.I8), (IntType.I8, IntType.I16)])
def test_casts_are_within_a_step(x: IntType, y: IntType) -> None:
    source, target = Tensor("x", (400,), x, 0.003, 0), Tensor("y", (400,), y, 0.0107, 5)
    op = requantise_from_scales("cast", source, target)
    codes = codes_of(np.random.default_rng(5), source)
    result = run_whole(op, {"x": source, "y": target}, [codes])
    exact = np.clip(codes * (0.003 / 0.0107) + 5, y.low, y.high)
    assert np.abs(result - exact).max() <= 1


def test_rows_in_order_are_the_rows_that_tokens_name() -> None:
    tokens, y = Tensor("tokens", (4,), IntType.I32), Tensor("y", (4, 3), IntType.I16)
    table = np.arange(30, dtype=np.int16).reshape(10, 3)
    op = embed_from_table("rows", tokens, y, table)
    names = np.array([7, -5, 99, 2], np.int32)
    expected = table[[7, 0, 9, 2]]
    np.testing.assert_array_equal(run_whole(op, {"tokens": tokens, "y": y}, [names]), expected)
    graph = graph_of(Case(op, {"tokens": tokens, "y": y}, (names,)))
    fetched = op.compute(whole_call(op, graph), [names], expected.tobytes(), ROWS, None)
    np.testing.assert_array_equal(fetched, expected)


WIDE = Tensor("w", (4,), IntType.I16, 0.1)
SUM = Tensor("s", (4,), IntType.I32, 0.1)
CODE = Tensor("c", (1, 1, 4), IntType.I8, 0.1)
TURN = Tensor("t", (1, 4), IntType.I16, Q14)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: mul_from_scales("m", (WIDE, WIDE), WIDE), "would err by"),
        (lambda: add_from_scales("a", (WIDE, SUM), WIDE), "too far apart|8 or 16 bits"),
        (lambda: requantise_from_scales("r", SUM, WIDE), "8 or 16 bits"),
        (lambda: rope_from_scales("p", CODE, TURN, TURN, CODE, 1, 1, 3), "pairs of channels"),
        (lambda: rope_from_scales("p", CODE, TURN, WIDE, CODE, 1, 1, 4), "of one scale"),
        (lambda: softmax_from_scales("x", 2, 4, WIDE, CODE, (2, 0)), "8-bit input"),
        (lambda: softmax_from_scales("x", 2, 4, CODE, CODE, (2, -1)), "causal mask"),
        (lambda: softmax_from_scales("x", 2, 4, CODE, CODE, None, SUM), "causal mask"),
        (lambda: embed_from_table("e", SUM, WIDE, np.zeros((4, 4), np.int8)), r"must be int16\[4, 4\]"),
    ],
)
def test_what_is_refused(call: Callable[[], object], said: str) -> None:
    with pytest.raises(OperatorError, match=said):
        call()
