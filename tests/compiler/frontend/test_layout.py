"""Layouts against numpy: whatever is transposed and reshaped, memory still holds the same tensor."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from compiler.frontend.layout import Layout, channels_last, grouped_by, row_major

Array = npt.NDArray[Any]
SHAPES = st.lists(st.sampled_from((1, 1, 2, 3, 4, 6)), min_size=1, max_size=4).map(tuple)


def splits(total: int) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes of `total` elements."""

    def build(draws: list[int]) -> tuple[int, ...]:
        rest, shape = total, []
        for value in draws:
            divisors = [d for d in range(1, rest + 1) if rest % d == 0]
            shape.append(divisors[value % len(divisors)])
            rest //= shape[-1]
        return (*shape, rest)

    return st.lists(st.integers(0, 50), max_size=3).map(build)


@st.composite
def seen_tensors(draw: st.DrawFn) -> tuple[Layout, Array, Array]:
    """(layout, memory, logical array) after some Transposes and free Reshapes."""
    shape = draw(SHAPES)
    logical = np.arange(math.prod(shape)).reshape(shape)
    layout = draw(st.sampled_from((row_major(shape), channels_last(shape))))
    memory = layout.stored(logical)
    for _ in range(draw(st.integers(0, 4))):
        if draw(st.booleans()):
            perm = draw(st.permutations(range(logical.ndim)))
            layout, logical = layout.transposed(perm), logical.transpose(perm)
            continue
        target = draw(splits(logical.size))
        seen = layout.reshaped(target)
        if seen is not None:
            layout, logical = seen, logical.reshape(target)
    return layout, memory, logical


@given(seen_tensors())
def test_memory_holds_the_logical_tensor(seen: tuple[Layout, Array, Array]) -> None:
    layout, memory, logical = seen
    assert layout.shape == logical.shape
    np.testing.assert_array_equal(layout.logical(memory), logical)
    np.testing.assert_array_equal(layout.stored(logical), memory)


@given(seen_tensors())
def test_equal_memory_means_equal_layouts(seen: tuple[Layout, Array, Array]) -> None:
    layout, memory, logical = seen
    for other in (row_major(logical.shape), channels_last(logical.shape)):
        assert (other == layout) == np.array_equal(other.stored(logical), memory)


@given(seen_tensors())
def test_a_transpose_leads_to_any_whole_axis_layout(seen: tuple[Layout, Array, Array]) -> None:
    layout, memory, logical = seen
    for target in (row_major(logical.shape), channels_last(logical.shape)):
        move = layout.permutation_to(target)
        assert move is not None
        shape, perm = move
        moved = memory.reshape(shape).transpose(perm).reshape(-1)
        np.testing.assert_array_equal(moved, target.stored(logical))


@given(seen_tensors(), st.data())
def test_groups_are_what_memory_holds_one_after_the_other(
    seen: tuple[Layout, Array, Array], data: st.DataObject
) -> None:
    layout, memory, logical = seen
    last = data.draw(st.integers(0, logical.ndim - 1))
    others = [axis for axis in range(logical.ndim) if axis != last]
    extents = grouped_by(layout, (others, (last,)))
    rows = {tuple(np.delete(np.argwhere(logical == v)[0], last)) for v in memory[: logical.shape[last]]}
    assert (extents is not None) == (len(rows) == 1 or logical.shape[last] == 1)


def test_flattened_channels_last_keeps_its_factors() -> None:
    flat = channels_last((1, 6, 4, 5)).reshaped((1, 120))
    assert flat == Layout(((), (6, 20)), (1, 0))
    assert row_major((1, 6, 4, 5)).reshaped((1, 120)) == row_major((1, 120))
    assert channels_last((1, 6, 4, 5)).reshaped((1, 8, 15)) is None
    assert channels_last((1, 1, 4, 5)).is_row_major
