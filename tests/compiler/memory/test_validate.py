"""The validator names what is wrong."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest

import compiler.memory
from compiler.memory import Allocation, AllocationError, Buffer, Problem, validate
from compiler.memory.validate import FixedOffsetMoved, Misaligned, OutOfBounds, Overlap, WrongPeak, WrongShape

PROBLEM = Problem(
    "L1",
    64,
    (
        Buffer("in", 16, 0, 2, 4),
        Buffer("mid", 20, 1, 3, 4),
        Buffer("out", 8, 2, 4, 4),
        Buffer("pin", 4, 0, 4, 4, 60),
    ),
)
GOOD = Allocation((0, 16, 0, 60), 64, 64, "hand")


def test_a_legal_allocation_passes() -> None:
    validate(PROBLEM, GOOD)


def moved(index: int, offset: int) -> Allocation:
    offsets = (*GOOD.offsets[:index], offset, *GOOD.offsets[index + 1 :])
    return replace(GOOD, offsets=offsets)


@pytest.mark.parametrize(
    ("mutant", "error", "message"),
    [
        (moved(1, 12), Overlap, "buffers 'in' and 'mid' overlap in step 1"),
        (moved(2, 32), Overlap, "buffers 'mid' and 'out' overlap in step 2"),
        (moved(2, 16), Overlap, "buffers 'mid' and 'out' overlap in step 2"),
        (moved(1, 44), Overlap, "buffers 'pin' and 'mid' overlap in step 1"),
        (moved(0, 52), OutOfBounds, "buffer 'in' at [52, 68) B is outside [0, 64) B"),
        (moved(0, -4), OutOfBounds, "buffer 'in' at [-4, 12) B is outside [0, 64) B"),
        (moved(2, 2), Misaligned, "buffer 'out' at 2 B is not aligned to 4 B"),
        (moved(3, 56), FixedOffsetMoved, "buffer 'pin' at 56 B is fixed at 60 B"),
        (replace(GOOD, peak_bytes=60), WrongPeak, "the peak is 64 B, 60 B is stated"),
        (replace(GOOD, lower_bound_bytes=65), WrongPeak, "undercuts its lower bound 65 B"),
        (replace(GOOD, offsets=(0, 16, 0)), WrongShape, "3 offsets for 4 buffers"),
    ],
)
def test_mutants_are_named(mutant: Allocation, error: type[AllocationError], message: str) -> None:
    with pytest.raises(error) as caught:
        validate(PROBLEM, mutant)
    assert message in str(caught.value)


def test_identical_intervals_collide() -> None:
    problem = Problem("L1", 8, (Buffer("a", 8, 0, 1), Buffer("b", 8, 0, 1)))
    with pytest.raises(Overlap) as caught:
        validate(problem, Allocation((0, 0), 8, 8, "hand"))
    assert set(caught.value.names) == {"a", "b"}


def test_shares_only_the_nouns_with_the_solvers() -> None:
    tree = ast.parse((Path(compiler.memory.__file__).parent / "validate.py").read_text())
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("compiler")
        for alias in node.names
    }
    assert imported == {"Allocation", "Buffer", "Problem"}
