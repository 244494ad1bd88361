"""The closed forms of traffic equal what the programs do, and what a count from first principles says."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.counts import predict_counts, walk_counts
from compiler.deployment import DIRECT, L1, L2, L3, TILE, WHOLE, LayerPlan
from compiler.ir import Access, Region, Space
from compiler.ir.operator import BOTH, TABLES, WEIGHTS
from compiler.lower import lower, param_region
from compiler.program import Loop
from compiler.schedule import Decisions, footprint
from compiler.tiling import Grid, operand_traffic, param_traffic
from tests.compiler.deployed import deployed, graph_of
from tests.compiler.ops.alone import BEFORE
from tests.compiler.ops.cases import CASES
from tests.compiler.ops.drawn import Case

Tile = dict[str, int]


def drawn_tile(data: st.DataObject, space: Space, layout: str) -> Tile:
    """Any legal tile, also those that no search would try."""
    tile = {}
    for dim in space.dims:
        whole = not dim.tileable or (dim.reduction and layout != "plain")
        size = dim.extent if whole else data.draw(st.integers(1, dim.extent), label=dim.name)
        rounded = -(-size // dim.granule) * dim.granule
        tile[dim.name] = min(rounded, dim.extent)
    return tile


def drawn_decisions(data: st.DataObject, case: Case) -> Decisions:
    """Any tile, order, homes, staging and buffering of one operator."""
    space, op = case.op.space(case.tensors), case.op
    layout = data.draw(st.sampled_from(case.layouts), label="layout")
    homes = {
        name: data.draw(
            st.sampled_from((L2, L3) if op.updates and name == op.output else (L1, L2, L3)), label=name
        )
        for name in case.tensors
    }
    homes |= {BEFORE: homes[op.output]} if op.updates else {}
    on_npu = layout != "plain"
    memories = ("wmem_sram", "wmem_mram") if on_npu else ()
    params = data.draw(st.sampled_from((L1, L2, L3, *memories)), label="params")

    def staging(home: str) -> str:
        return data.draw(st.sampled_from((TILE, WHOLE))) if home == L3 else DIRECT

    plan = LayerPlan(
        operator=op.name,
        engine="npu" if on_npu else "cluster",
        layout=layout,
        tile=tuple(drawn_tile(data, space, layout).items()),
        order=data.draw(st.sampled_from(space.orders), label="order"),
        split=space.spec.splits[0],
        buffering=data.draw(st.sampled_from((1, 2)), label="buffering"),
        staging=(*(staging(homes[n]) for n in op.inputs), staging(params), staging(homes[op.output])),
    )
    return Decisions((plan,), (footprint(op, space, plan),), homes, {op.name: params})


def drawn_case(data: st.DataObject, kind: str) -> Case:
    return CASES[kind](np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed")))


@pytest.mark.parametrize("kind", CASES)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_closed_forms_are_the_walk(kind: str, data: st.DataObject) -> None:
    case = drawn_case(data, kind)
    graph, decisions = graph_of(case), drawn_decisions(data, case)
    deployment = deployed(graph, decisions)
    program = lower(graph, deployment)
    walked = tuple(walk_counts(layer, case.op.space(case.tensors).spec) for layer in program.layers)
    assert predict_counts(graph, deployment) == walked


def steps(
    space: Space, tile: Tile, order: Sequence[str]
) -> Iterator[tuple[dict[str, int], dict[str, tuple[int, int]]]]:
    """(index, interval) by dimension of every tile in loop order."""
    loops = [Loop(dim.name, dim.extent, tile[dim.name]) for dim in space.dims]
    loops.sort(key=lambda loop: order.index(loop.dim) if loop.dim in order else len(order))
    for index in product(*(range(loop.trips) for loop in loops)):
        at = {loop.dim: i for loop, i in zip(loops, index, strict=True)}
        yield at, {loop.dim: loop.interval(at[loop.dim]) for loop in loops}


def contiguous_runs(access: Access, region: Region) -> int:
    """Runs of consecutive elements that a region is in the row-major tensor."""
    touched = np.zeros(access.shape, np.int8)
    touched[region.slices] = 1
    return int((np.diff(touched.ravel(), prepend=0) == 1).sum())


def fetched_regions(space: Space, access: Access, tile: Tile, order: Sequence[str]) -> list[Region]:
    """Regions in the order in which they arrive: one that has just been used is not fetched again."""
    regions, before = [], None
    for at, box in steps(space, tile, order):
        own = {name: at[name] for name in access.dims}
        if own != before:
            regions.append(access.region(box))
        before = own
    return regions


@pytest.mark.parametrize("kind", CASES)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data())
def test_operands_from_first_principles(kind: str, data: st.DataObject) -> None:
    case = drawn_case(data, kind)
    space = case.op.space(case.tensors)
    order = data.draw(st.sampled_from(space.orders), label="order")
    tiles = [drawn_tile(data, space, "plain") for _ in range(3)]
    # All candidates at once: one row must not leak into another.
    grid = Grid(space, np.array([[tile[dim.name] for dim in space.dims] for tile in tiles]))
    for access in (*space.inputs, space.output):
        traffic = operand_traffic(grid, access, order)
        for row, tile in enumerate(tiles):
            regions = fetched_regions(space, access, tile, order)
            sizes = [int(np.prod(region.shape)) * access.element_bytes for region in regions]
            assert traffic.fetches[row] == len(regions)
            assert traffic.bytes[row] == sum(sizes)
            assert traffic.tile_bytes[row] == max(sizes)
            assert traffic.transfers[row] <= traffic.lines[row]
            assert traffic.lines[row] >= sum(contiguous_runs(access, region) for region in regions)
            if len(regions) == 1:
                assert (traffic.transfers[row], traffic.lines[row]) == (
                    1,
                    contiguous_runs(access, regions[0]),
                )


@pytest.mark.parametrize(
    "kind", ["dense", "depthwise", "grouped", "linear", "avgpool", "lut", "softmax", "add"]
)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data())
def test_parameters_are_as_long_as_said(kind: str, data: st.DataObject) -> None:
    case = drawn_case(data, kind)
    space, op = case.op.space(case.tensors), case.op
    layout = data.draw(st.sampled_from(case.layouts), label="layout")
    parts = data.draw(st.sampled_from((BOTH, frozenset((TABLES,)), frozenset((WEIGHTS,)))), label="parts")
    order = data.draw(st.sampled_from(space.orders), label="order")
    tile = drawn_tile(data, space, layout)
    loops = [Loop(dim.name, dim.extent, tile[dim.name]) for dim in space.dims]
    grid = Grid(space, np.array([list(tile.values())]))
    traffic = param_traffic(grid, op, order, layout, parts)
    region = param_region(op, layout, parts, loops, space)
    sizes = np.diff(region.starts)
    assert traffic.region_bytes[0] == len(region.data) == region.starts[-1]
    assert traffic.tile_bytes[0] == sizes.max()
    fetched = 0
    before = None
    for at, _ in steps(space, tile, order):
        own = {name: at[name] for name in space.param_dims}
        fetched, before = fetched + (own != before), own
    if sizes.min() > 0:
        assert traffic.fetches[0] == traffic.transfers[0] == traffic.lines[0] == fetched


@pytest.mark.parametrize("seed", range(4))
def test_a_wrong_prediction_would_be_seen(seed: int) -> None:
    """The comparison above distinguishes neighbouring deployments."""
    case = CASES["dense"](np.random.default_rng(seed))
    graph, space = graph_of(case), case.op.space(case.tensors)
    tile = {dim.name: 1 if dim.name in ("y", "x") else dim.extent for dim in space.dims}
    rng = random.Random(seed)
    plan = LayerPlan(
        "conv", "cluster", "plain", tuple(tile.items()), rng.choice(space.orders), (), 1, (DIRECT,) * 3
    )
    found = []
    for size in (tile, {**tile, "y": space.dims[0].extent, "x": space.dims[1].extent}):
        sized = replace(plan, tile=tuple(size.items()))
        homes = dict.fromkeys(case.tensors, L2)
        decisions = Decisions((sized,), (footprint(case.op, space, sized),), homes, {"conv": L2})
        found.append(predict_counts(graph, deployed(graph, decisions)))
    several = space.dims[0].extent * space.dims[1].extent > 1
    assert (found[0] != found[1]) == several
