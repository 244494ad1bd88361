"""Tilings as products of sizes give what the same tilings give one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.deployment import L1, L2, L3
from compiler.ir import Space
from compiler.ir.operator import BOTH, TABLES, WEIGHTS
from compiler.tiling import ParamTraffic, Product, StreamTraffic, operand_traffic, param_traffic
from costmodels.classes import tile_classes
from costmodels.engines import Engine, UnsupportedKernel
from costmodels.grids import product_kernel_time
from costmodels.pipeline import kernel_time, price_layer
from costmodels.platform import load_platform
from costmodels.work import KernelSpec
from dse.options.candidates import Candidates, measure, product_time
from dse.options.homes import NONE, HomeChoice, Mode, modes, streams
from dse.options.prices import ENERGY, L1_BYTES, STAGING, TIME, Pricer
from tests.compiler.ops.cases import CASES
from tests.compiler.ops.drawn import Case
from tests.properties.test_traffic import drawn_case, drawn_tile

ENGINES: dict[str, Engine] = {
    f"{platform}.{engine.name}": engine
    for platform in ("siracusa", "rv32sim")
    for engine in load_platform(platform).engines
}
ROUNDING = 1e-12
SUMS = ("depth", "fetches", "transfers", "lines", "bytes", "tile_bytes", "grain")


def drawn_product(data: st.DataObject, space: Space) -> Product:
    """Up to three legal sizes of every dimension."""
    tiles = [drawn_tile(data, space, "plain") for _ in range(3)]
    return Product(space, tuple(np.unique([tile[dim.name] for tile in tiles]) for dim in space.dims))


def assert_equal(product: Product, shaped: StreamTraffic, flat: StreamTraffic) -> None:
    for name in SUMS:
        assert np.array_equal(product.ravel(getattr(shaped, name)), getattr(flat, name)), name
    if isinstance(shaped, ParamTraffic) and isinstance(flat, ParamTraffic):
        assert np.array_equal(product.ravel(shaped.region_bytes), flat.region_bytes)


@pytest.mark.parametrize("kind", CASES)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data())
def test_traffic_of_a_product_is_that_of_its_tilings(kind: str, data: st.DataObject) -> None:
    case = drawn_case(data, kind)
    space = case.op.space(case.tensors)
    order = data.draw(st.sampled_from(space.orders), label="order")
    product = drawn_product(data, space)
    for access in (*space.inputs, space.output):
        shaped = operand_traffic(product, access, order)
        assert_equal(product, shaped, operand_traffic(product.flat, access, order))
    for parts in (BOTH, frozenset((TABLES,)), frozenset((WEIGHTS,))):
        blocks = param_traffic(product, case.op, order, "plain", parts)
        assert_equal(product, blocks, param_traffic(product.flat, case.op, order, "plain", parts))


CONV = st.builds(
    KernelSpec,
    st.sampled_from(("conv2d", "depthwise2d")),
    st.tuples(*(st.integers(1, 13) for _ in range(5))).map(lambda e: tuple(zip("yxgoi", e, strict=True))),
    window=st.sampled_from(((1, 1), (3, 3))),
    stride=st.sampled_from(((1, 1), (2, 2))),
    padding=st.sampled_from((((0, 0), (0, 0)), ((1, 1), (1, 1)))),
    splits=st.just((("y", "x"), ("o",), ("g",))),
)


@pytest.mark.parametrize("name", ENGINES)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(spec=CONV, data=st.data())
def test_kernel_time_of_a_product_is_that_of_its_tilings(
    name: str, spec: KernelSpec, data: st.DataObject
) -> None:
    engine, extents = ENGINES[name], dict(spec.dims)
    sizes = {
        dim: np.array(sorted(data.draw(st.sets(st.integers(1, extents[dim]), min_size=1, max_size=3), dim)))
        for dim in extents
    }
    shape = tuple(map(len, sizes.values()))
    tiles = [np.broadcast_to(tile, shape).ravel() for tile in np.ix_(*sizes.values())]
    try:
        want = kernel_time(engine, spec, tile_classes(spec, dict(zip(sizes, tiles, strict=True))))
    except UnsupportedKernel:
        with pytest.raises(UnsupportedKernel):
            product_kernel_time(engine, spec, sizes)
        return
    found = product_kernel_time(engine, spec, sizes)
    assert found.cycles.shape == shape
    np.testing.assert_allclose(found.cycles.ravel(), want.cycles, rtol=ROUNDING)
    assert np.array_equal(found.split.ravel(), want.split)
    assert np.array_equal(found.share.ravel(), want.share)


def drawn_mode(data: st.DataObject, c: Candidates) -> tuple[HomeChoice, Mode]:
    """Any homes, buffering and staging."""
    homes = [data.draw(st.sampled_from((L1, L2, L3)), label="home") for _ in range(len(c.inputs) + 2)]
    if not int(c.params.region_bytes.max()):
        homes[-2] = NONE
    choice = HomeChoice(tuple(homes[:-2]), homes[-1], homes[-2])
    return choice, data.draw(st.sampled_from(list(modes(choice))), label="mode")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", CASES)
@settings(max_examples=10, deadline=None, derandomize=True)
@given(data=st.data())
def test_prices_of_a_product_are_those_of_its_tilings(kind: str, engine: str, data: st.DataObject) -> None:
    case, platform = drawn_case(data, kind), load_platform(engine.split(".")[0])
    op, space, owner = case.op, case.op.space(case.tensors), ENGINES[engine]
    order = data.draw(st.sampled_from(space.orders), label="order")
    product = drawn_product(data, space)
    try:
        kernel = product_time(owner, product)
    except UnsupportedKernel:
        return
    shaped = replace(measure(op, space, owner.name, "plain", order, product), shaped_kernel=kernel)
    chosen = [drawn_mode(data, shaped) for _ in range(2)]
    pricer = Pricer((shaped,), platform, platform.point(), 1 << 40, case_bytes(case))
    seen = {number: (rows.T, cover) for number, rows, cover in pricer.columns(chosen)}
    for number, (choice, mode) in enumerate(chosen):
        stream = streams(
            measure(op, space, owner.name, "plain", order, product.flat), choice, mode, case_bytes(case)
        )
        want, (columns, cover) = price_layer(platform, stream.work), seen[number]
        np.testing.assert_allclose(columns[TIME], want.time_ms, rtol=ROUNDING)
        np.testing.assert_allclose(columns[ENERGY], want.energy_uj, rtol=ROUNDING)
        assert np.array_equal(columns[L1_BYTES], stream.l1_bytes)
        assert np.array_equal(columns[STAGING], stream.staging_bytes)
        cover_ms = want.cover_cycles * (1e3 / platform.reference_hz(platform.point()))
        np.testing.assert_allclose(cover, cover_ms, rtol=ROUNDING)


def case_bytes(case: Case) -> tuple[int, ...]:
    """Of the inputs, then of the output."""
    return tuple(case.tensors[name].bytes for name in (*case.op.inputs, case.op.output))
