"""What compiled Xpulp kernels consist of: instructions a turn of every hardware loop; no spills in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from compiler.targets.errors import MissingTool
from compiler.targets.toolchain import Toolchain, rv32_toolchain
from tests.compiler.runtime.xpulp_code import Loop, compile_kernel, functions, loops

Shapes = Mapping[str, tuple[int, int, int, int]]

# (instructions, loads, stores, dot products) of a turn.
BLOCK_4X2, BLOCK_4X1, BLOCK_1X2 = (14, 6, 0, 8), (9, 5, 0, 4), (5, 3, 0, 2)
TURNED_4X2 = (24, 6, 0, 8)
TURN, WINDOWS_2, WINDOWS_1 = (18, 4, 4, 0), (21, 3, 2, 6), (12, 3, 1, 3)
KERNELS = ("conv2d", "dot", "depthwise2d", "matmul", "elementwise", "softmax", "norm")


@pytest.fixture(scope="module")
def chain() -> Toolchain:
    try:
        return rv32_toolchain()
    except MissingTool as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def code(chain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """Functions of all Xpulp kernels by the CI's cross compiler, whichever that is."""
    folder: Path = tmp_path_factory.mktemp("xpulp")
    objects = [compile_kernel(chain, name, folder) for name in KERNELS]
    return {name: data for path in objects for name, data in functions(path).items()}


def loops_of(code: Mapping[str, bytes], prefix: str) -> list[Loop]:
    found = [loop for name, data in code.items() if name.startswith(prefix) for loop in loops(data)]
    assert found, f"no function {prefix}* with a hardware loop"
    return found


@pytest.mark.parametrize(("prefix", "functions_expected"), [("conv_", 32), ("matmul_", 64)])
def test_strips_take_14_instructions_for_32_macs(
    code: Mapping[str, bytes], prefix: str, functions_expected: int
) -> None:
    inner = [loop for loop in loops_of(code, prefix) if loop.level == 0]
    assert len(inner) == functions_expected
    assert {loop.shape for loop in inner} == {BLOCK_4X2}


@pytest.mark.parametrize(
    ("name", "instructions", "stores"),
    [
        ("conv_one_i8_whole_i8", 7 + 14 + 15 + 38, 2),
        ("conv_one_u8_whole_clamp", 7 + 14 + 15 + 48, 2),
        ("conv_one_u8_whole_raw", 7 + 14 + 15 + 8, 8),
        ("conv_one_i8_more_clamp", 7 + 12 + 15 + 48, 2 + 2),
        ("conv_tail_i8_whole_u8", 7 + 16 + 15 + 40, 2),
        ("conv_runs_i8_whole_clamp", 15 + 6, 0),
        ("matmul_whole_ss_whole_i8", 7 + 14 + 15 + 30, 2),
        ("matmul_whole_us_offset_clamp", 7 + 16 + 15 + 40, 1 + 2),
        ("matmul_ss_whole_i8", 7 + 16 + 15 + 32, 2),
        ("matmul_word_ss_whole_i8", 7 + 14 + 30, 2),
    ],
)
def test_what_is_around_the_inner_loop(
    code: Mapping[str, bytes], name: str, instructions: int, stores: int
) -> None:
    """Instructions of a block (of a run) with one turn of the inner loop."""
    (outer,) = (loop for loop in loops(code[name]) if loop.level == 1)
    assert (len(outer.body), outer.shape[2]) == (instructions, stores)


def test_inner_loops_of_patches(code: Mapping[str, bytes]) -> None:
    inner = {loop.shape for loop in loops_of(code, "dse_dot_") if loop.level == 0}
    assert inner == {BLOCK_4X2, BLOCK_4X1, BLOCK_1X2}


def test_wide_outputs(code: Mapping[str, bytes]) -> None:
    """14 instructions requantise a filter's sums on two pixels to int16."""
    assert {loop.shape for loop in loops_of(code, "x_wide_end")} == {(14, 4, 2, 0)}


def test_products_with_a_turned_operand(code: Mapping[str, bytes]) -> None:
    """Six loads, ten instructions to turn 4 x 4 codes, eight dot products: 32 MACs."""
    assert {loop.shape for loop in loops_of(code, "x_turned_")} == {TURNED_4X2}


@pytest.mark.parametrize("prefix", ["x_softmax_row", "x_isoftmax"])
def test_softmax_loops(code: Mapping[str, bytes], prefix: str) -> None:
    """Two elements a turn: their entries are summed, and divided by a reciprocal."""
    assert {loop.shape for loop in loops_of(code, prefix)} == {(14, 4, 0, 0), (24, 4, 2, 0)}


def test_depthwise_windows(code: Mapping[str, bytes]) -> None:
    """Per output: half of 21 instructions, or 12, and its share of the 18 that turn a row."""
    assert {loop.shape for loop in loops_of(code, "x_dw_two")} == {WINDOWS_2}
    assert {loop.shape for loop in loops_of(code, "x_dw_one")} == {WINDOWS_1}
    assert {loop.shape for loop in loops_of(code, "x_dw_turn")} == {TURN}


@pytest.mark.parametrize(
    ("prefix", "shape"),
    [
        ("x_add_loop", (9, 2, 1, 0)),
        ("x_mul_loop", (11, 2, 1, 0)),
        ("x_lut", (6, 4, 2, 0)),
        ("x_wide_add_", (8, 2, 1, 0)),
        ("x_wide_requantise_", (6, 1, 1, 0)),
        ("x_norm_row", (12, 3, 1, 0)),
    ],
)
def test_elementwise_loops(code: Mapping[str, bytes], prefix: str, shape: tuple[int, int, int, int]) -> None:
    """A turn is one element, or two of a table's."""
    assert {loop.shape for loop in loops_of(code, prefix)} == {shape}


def test_no_hardware_loop_spills(code: Mapping[str, bytes]) -> None:
    spilled = {name for name, data in code.items() for loop in loops(data) for i in loop.body if i.uses_stack}
    assert not spilled
