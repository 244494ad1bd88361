"""Stripes of a segment against a brute force on rows: what is read is there, what is there was made."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.ir import Access, Graph, Space
from compiler.tiling.stripes import LINE, MODES, RECOMPUTE, SegmentGraph, StripeError, row_dim, stripes
from tests.compiler.networks import chain, every_operator
from tests.compiler.segments import attending, fusible


def touched(segment: SegmentGraph, space: Space, access: Access, row: int) -> set[int]:
    """Rows of an input under one row of the output, element by element of the row dimension."""
    dim = row_dim(space)
    assert dim is not None
    unit, size = segment.unit(space.output), segment.unit(access)
    found: set[int] = set()
    for at in range(row * unit, (row + 1) * unit):
        low, high = access.axes[0].clipped({**space.whole, dim: (at, at + 1)})
        found |= {k // size for k in range(low, high)}
    return found


@given(st.integers(0, 10_000), st.integers(1, 8), st.sampled_from(MODES))
@settings(max_examples=150, deadline=None)
def test_every_row_that_is_read_is_in_its_window(seed: int, height: int, mode: str) -> None:
    graph = attending(seed) if seed % 4 == 0 else fusible(seed)
    segment = SegmentGraph(graph, 0, len(graph.operators))
    rows = segment.rows[segment.output]
    windows = stripes(segment, min(height, rows - 1), mode)
    count = len(windows[segment.output].base)
    held: dict[str, set[int]] = {name: set() for name in windows}
    left: list[int] = []
    for s in range(count):
        for name in segment.inputs:
            arrive(held, windows, name, s)
        for op, space in zip(segment.operators, segment.spaces, strict=True):
            arrive(held, windows, op.output, s)
            window = windows[op.output]
            for row in range(window.start[s], window.end[s]):
                for access in space.inputs:
                    assert touched(segment, space, access, row) <= held[access.tensor]
        out = windows[segment.output]
        left += range(out.start[s], out.end[s])
    assert left == list(range(rows))


def arrive(held: dict[str, set[int]], windows: object, name: str, s: int) -> None:
    """The window of a tensor turns to stripe s: kept rows stay, new rows come, all others are gone."""
    window = windows[name]  # type: ignore[index]
    base, end = int(window.base[s]), int(window.end[s])
    assert 0 <= base <= end
    assert end - base <= window.depth
    if window.kept[s]:
        assert s > 0
        assert window.skip[s] == base - window.base[s - 1] > 0
        assert window.kept[s] == window.end[s - 1] - base
    new = set(range(window.start[s], window.end[s]))
    assert not new - set(range(base, end))
    stays = (
        held[name] & set(range(base, end)) if window.kept[s] or (s and base == window.base[s - 1]) else set()
    )
    held[name] = stays | new


@given(st.integers(0, 10_000), st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_kept_rows_are_computed_once(seed: int, height: int) -> None:
    graph = fusible(seed)
    segment = SegmentGraph(graph, 0, len(graph.operators))
    height = min(height, segment.rows[segment.output] - 1)
    kept, again = (stripes(segment, height, mode) for mode in (LINE, RECOMPUTE))
    for name, window in kept.items():
        computed = np.concatenate([np.arange(a, b) for a, b in zip(window.start, window.end, strict=True)])
        assert len(computed) == len(set(computed.tolist()))
        assert window.new.sum() <= again[name].new.sum()


def test_what_cannot_be_a_segment_says_why() -> None:
    graph = chain(0)
    with pytest.raises(StripeError, match=r"operators \[0, 1\) are no segment"):
        SegmentGraph(graph, 0, 1)
    with pytest.raises(StripeError, match="point_out leaves the segment of depth"):
        SegmentGraph(graph, 0, 3)
    every = every_operator(0)
    with pytest.raises(StripeError, match="turn cannot be cut into rows"):
        SegmentGraph(every, 8, 10)
    with pytest.raises(StripeError, match="final_out has one row"):
        SegmentGraph(tail_of(every), 0, 2)


def tail_of(graph: Graph) -> Graph:
    """The end of a network: global pooling and a dense layer."""
    tail = graph.operators[-2:]
    names = {name for op in tail for name in (*op.inputs, op.output)}
    tensors = tuple(t for t in graph.tensors if t.name in names)
    return Graph("main", tensors, tail, tail[0].inputs, (tail[-1].output,))


def test_bad_heights_are_refused() -> None:
    graph = fusible(3)
    segment = SegmentGraph(graph, 0, len(graph.operators))
    total = segment.rows[segment.output]
    for height in (0, total):
        with pytest.raises(StripeError, match=f"stripes of {height} of {total} rows"):
            stripes(segment, height, LINE)
    with pytest.raises(StripeError, match="in mode 'rolling'"):
        stripes(segment, 1, "rolling")
