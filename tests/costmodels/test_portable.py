"""The portable kernels: counted in closed form as if their loops were walked pixel by pixel."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodels.calibration.coefficients import names_of, values_of, with_values
from costmodels.classes import tile_classes
from costmodels.copyloop import copy_cycles
from costmodels.engines import PortableEngine, UnsupportedKernel, kernel_cycles
from costmodels.engines.nests import seen_share
from costmodels.engines.portable.costs import (
    ConvCosts,
    CopyCosts,
    DotCost,
    ProductBlock,
    ProductCosts,
)
from costmodels.pipeline import kernel_time
from costmodels.platform import load_platform
from costmodels.work import KernelSpec

Pair = tuple[int, int]


def engine_of(cores: int) -> PortableEngine:
    """Coefficients that tell every piece of every kernel apart."""
    engine = load_platform("rv32sim").engine_of["cluster"]
    assert isinstance(engine, PortableEngine)
    count = len(names_of(engine.kernels))
    primes = [float(n) for n in range(2, 2000) if all(n % k for k in range(2, int(n**0.5) + 1))]
    return replace(engine, cores=cores, kernels=with_values(engine.kernels, primes[:count]))


def valid(spec: KernelSpec, axis: int, position: int) -> int:
    """Taps of an output position that lie inside, one by one."""
    before, behind = spec.padding[axis]
    stride, taps, dilation = spec.stride[axis], spec.window[axis], spec.dilation[axis]
    stored = (dict(spec.dims)["yx"[axis]] - 1) * stride + (taps - 1) * dilation + 1 - before - behind
    places = (position * stride + k * dilation - before for k in range(taps))
    return sum(0 <= place < stored for place in places)


def dot_cycles(dot: DotCost, spec: KernelSpec, inputs: int, taps: Pair) -> float:
    merged = spec.dilation[1] == 1 and dict(spec.dims)["g"] == 1
    runs, run = (1, inputs * taps[1]) if merged else (taps[1], inputs)
    each = dot.run_cycles + run // 4 * dot.unrolled_cycles + run % 4 * dot.step_cycles
    return dot.block_cycles + taps[0] * (dot.row_cycles + runs * each)


def site_cycles(
    costs: ConvCosts, spec: KernelSpec, channels: tuple[int, int, int], taps: Pair, pixels: int
) -> float:
    """One pixel or pair of dse_conv2d: its groups, blocks of four filters, filters left over."""
    groups, outputs, inputs = channels
    cycles = costs.pair_cycles if pixels == 2 else costs.single_cycles
    cycles += costs.border_cycles if taps[1] < spec.window[1] else 0.0
    missing = spec.window[0] * spec.window[1] - taps[0] * taps[1]
    padding = 0.0
    if missing and spec.padding_adds:
        runs = taps[0] + 1 if taps[1] < spec.window[1] else 2
        padding = costs.padding_cycles + runs * costs.padding_run_cycles
        padding += missing * inputs * costs.padding_step_cycles
    wide = costs.dot_4x2 if pixels == 2 else costs.dot_4x1
    for _ in range(groups):
        cycles += costs.group_cycles
        for first in range(0, outputs // 4 * 4, 4):
            assert first + 4 <= outputs
            cycles += dot_cycles(wide, spec, inputs, taps) + 4 * pixels * costs.requant_cycles + padding
        for _ in range(outputs % 4):
            cycles += dot_cycles(costs.dot_1x2, spec, inputs, taps) + 2 * costs.requant_cycles + padding
    return cycles


def walked(costs: ConvCosts, spec: KernelSpec, cores: int, split: tuple[str, ...], late: float) -> float:
    """The last core to end of dse_conv2d on the whole layer, walking every pixel; the first one is late."""
    sizes = dict(spec.dims)
    times = []
    for core in range(cores):

        def share(extent: int, divided: bool, core: int = core) -> range:
            size = -(-extent // cores) if divided else extent
            return range(core * size if divided else 0, extent)[:size]

        groups = len(share(sizes["g"], split == ("g",)))
        outputs = len(share(sizes["o"], split == ("o",)))
        pixels = share(sizes["y"] * sizes["x"], split == ("y", "x"))
        channels = (groups, outputs, sizes["i"])
        cycles = costs.core_cycles
        at = pixels.start
        while at < pixels.stop:
            y, x = divmod(at, sizes["x"])
            cycles += costs.row_cycles if x == 0 or at == pixels.start else 0.0
            taps = valid(spec, 0, y), valid(spec, 1, x)
            end = min(pixels.stop - y * sizes["x"], sizes["x"])
            pair = x + 1 < end and taps[1] == valid(spec, 1, x + 1) == spec.window[1]
            cycles += site_cycles(costs, spec, channels, taps, 2 if pair else 1)
            at += 2 if pair else 1
        times.append(cycles - (late if core else 0.0))
    return max(times)


@st.composite
def convolutions(draw: st.DrawFn) -> KernelSpec:
    window = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    dilation = draw(st.sampled_from([(1, 1), (1, 1), (2, 2)]))
    stride = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    spans = [(k - 1) * d for k, d in zip(window, dilation, strict=True)]
    pads = [draw(st.tuples(st.integers(0, span), st.integers(0, span))) for span in spans]
    groups = draw(st.sampled_from([1, 1, 3, 9]))
    sizes = [draw(st.integers(1 + sum(pads[k]), 8 + sum(pads[k]))) for k in (0, 1)]
    dims = (
        ("y", sizes[0]),
        ("x", sizes[1]),
        ("g", groups),
        ("o", draw(st.integers(1, 11))),
        ("i", draw(st.integers(1, 9))),
    )
    return KernelSpec(
        "conv2d",
        dims,
        window=window,
        stride=stride,
        dilation=dilation,
        padding=(pads[0], pads[1]),
        padding_adds=draw(st.booleans()),
    )


@settings(deadline=None)
@given(convolutions(), st.sampled_from([1, 3, 8]), st.sampled_from([(), ("y", "x"), ("inner",)]))
def test_convolution_equals_its_walk(spec: KernelSpec, cores: int, split: tuple[str, ...]) -> None:
    if split == ("inner",):
        split = ("g",) if dict(spec.dims)["g"] > 1 else ("o",)
    engine = engine_of(cores)
    expected = walked(engine.kernels.conv2d, spec, cores if split else 1, split, engine.late_cycles)
    assert float(kernel_cycles(engine, spec, dict(spec.dims), split)) == pytest.approx(expected)


@settings(deadline=None, max_examples=40)
@given(convolutions(), st.integers(1, 8), st.integers(1, 8))
def test_classes_know_where_the_padding_is(spec: KernelSpec, tile_y: int, tile_x: int) -> None:
    """The price of all tiles is that of each at its place: first, middle, last, cut short."""
    sizes = {**dict(spec.dims), "y": tile_y, "x": tile_x}
    sizes = {name: min(sizes[name], extent) for name, extent in spec.dims}
    engine = engine_of(3)
    split = ("y", "x")
    tiles = {name: np.array([size]) for name, size in sizes.items()}
    found = kernel_time(engine, spec, tile_classes(spec, tiles), (split,))
    total = 0.0
    extents = dict(spec.dims)
    places = [range(0, extents[name], sizes[name]) for name in "yx"]
    # Only the two first and last tiles are told from the middle: leave out layers where more see padding.
    for k, starts in enumerate(places):
        for number, start in enumerate(starts):
            inner = 1 < number < len(starts) - 2
            end = min(start + sizes["yx"[k]], extents["yx"[k]])
            if inner and any(valid(spec, k, at) < spec.window[k] for at in range(start, end)):
                return
    for y, x in product(*places):
        tile = {**sizes, "y": min(tile_y, extents["y"] - y), "x": min(tile_x, extents["x"] - x)}
        moved = replace(spec, dims=(("y", tile["y"]), ("x", tile["x"]), *spec.dims[2:]))
        inside = moved_padding(spec, (y, x), (tile["y"], tile["x"]))
        total += float(kernel_cycles(engine, replace(moved, padding=inside), tile, split))
    assert float(found.cycles[0]) == pytest.approx(total)


def moved_padding(spec: KernelSpec, start: Pair, size: Pair) -> tuple[Pair, Pair]:
    """The padding that a tile sees if it is taken for a layer."""
    found = []
    for k in (0, 1):
        before, behind = spec.padding[k]
        stride, rest = spec.stride[k], dict(spec.dims)["yx"[k]] - start[k] - size[k]
        found.append((max(0, before - start[k] * stride), max(0, behind - rest * stride)))
    return found[0], found[1]


def test_depthwise_takes_few_channels_one_by_one() -> None:
    engine = engine_of(1)
    costs = engine.kernels.depthwise2d
    spec = KernelSpec("depthwise2d", (("y", 1), ("x", 1), ("g", 16)))
    start = costs.core_cycles + costs.row_cycles + costs.single_cycles

    def taps(cost: object) -> float:
        return sum(values_of(cost))

    for channels, expected in ((3, 3 * taps(costs.one)), (5, 2 * taps(costs.block_4x1))):
        found = float(kernel_cycles(engine, spec, {"y": 1, "x": 1, "g": channels}))
        assert found == start + expected


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 7, 39])
@pytest.mark.parametrize("padding", [((1, 2), (3, 1)), ((0, 1), (2, 0)), ((2, 0), (0, 0))])
def test_padded_pixels_are_set_and_copied_from_where_they_begin(
    channels: int, padding: tuple[Pair, Pair]
) -> None:
    engine = engine_of(1)
    dims = (("y", 4 + sum(padding[0])), ("x", 5 + sum(padding[1])), ("c", channels))
    spec = KernelSpec("pad", dims, padding=padding)
    costs, rows = engine.kernels.pad, dict(dims)["y"]
    expected = costs.core_cycles + rows * costs.row_cycles
    for y, x in product(range(rows), range(dict(dims)["x"])):
        expected += padded_pixel(costs, spec, y, x)
    assert float(kernel_cycles(engine, spec, dict(dims), ("y", "x"))) == pytest.approx(expected)


def padded_pixel(costs: CopyCosts, spec: KernelSpec, y: int, x: int) -> float:
    """Cycles of one output pixel, as memset and dse_port_move take them."""
    (top, bottom), (left, right) = spec.padding
    (_, height), (_, width), (_, size) = spec.dims
    to = (y * width + x) * size
    outside = not left <= x < width - right
    if outside or not top <= y < height - bottom:
        fill, head = costs.fill, min(-to % 4, size)
        words, tail = divmod(size - head, 4)
        cycles = fill.pixel_cycles + outside * fill.column_cycles
        cycles += (fill.head_cycles + head * fill.head_byte_cycles) if head else 0.0
        cycles += (fill.words_cycles + words * fill.word_cycles) if words else 0.0
        return cycles + ((fill.tail_cycles + tail * fill.tail_byte_cycles) if tail else 0.0)
    source = ((y - top) * (width - left - right) + x - left) * size
    aligned = float(to % 4 == 0 and source % 4 == 0)
    return costs.copied_cycles + float(copy_cycles(costs.copy, size, aligned))


def test_rows_and_parts() -> None:
    engine = engine_of(4)
    add, concat = engine.kernels.add, engine.kernels.concat
    flat = KernelSpec("add", (("n", 1000),), fan_in=2)
    each = add.core_cycles + add.row_cycles
    assert float(kernel_cycles(engine, flat, {"n": 1000}, ("n",))) == each + 250 * add.element_cycles
    joined = KernelSpec("concat", (("y", 9), ("c", 30)), fan_in=3)
    row = 3 * concat.row_cycles + 30 * concat.element_cycles
    expected = concat.core_cycles + 3 * concat.part_cycles + 3 * row
    assert float(kernel_cycles(engine, joined, {"y": 9, "c": 30}, ("y",))) == expected


@pytest.mark.parametrize(
    ("kernel", "split"), [("conv2d", ("i",)), ("conv2d", ("y",)), ("add", ("x",)), ("concat", ("c",))]
)
def test_unknown_divisions_are_refused(kernel: str, split: tuple[str, ...]) -> None:
    spec = KernelSpec(kernel, (("y", 4), ("x", 4), ("c", 4)))
    with pytest.raises(UnsupportedKernel, match="no formula"):
        kernel_cycles(engine_of(2), spec, dict(spec.dims), split)


def product_cycles_of_core(
    costs: ProductCosts, spec: KernelSpec, extents: tuple[int, int, int, int], partial: float
) -> float:
    """dse_matmul on one core, loop by loop."""
    heads, rows, outputs, depth = extents
    result = partial * costs.partial_cycles + (1 - partial) * costs.requant_cycles
    wide = costs.across_4x2 if spec.strided else costs.dot_4x2
    alone = costs.across_4x1 if spec.strided else costs.dot_4x1
    of_row = (costs.row_sum_cycles + depth * costs.code_cycles) * spec.offsets[1]
    of_output = (costs.output_sum_cycles + depth * costs.code_cycles) * spec.offsets[0]

    def block(of: ProductBlock) -> float:
        return of.block_cycles + depth // 4 * of.unrolled_cycles + depth % 4 * of.step_cycles

    cycles = costs.core_cycles
    for _ in range(heads):
        cycles += costs.head_cycles
        n = 0
        while n < outputs:
            count = 4 if n + 4 <= outputs else 1
            cycles += costs.column_cycles + count * of_output
            for m in range(0, rows, 2):
                pair = min(2, rows - m)
                sums = pair if count == 4 else 2
                kind = costs.line_1x2 if count == 1 else wide if pair == 2 else alone
                cycles += block(kind) + sums * of_row + pair * count * result
            n += count
    return cycles


@given(
    extents=st.tuples(*[st.integers(1, 11)] * 4),
    strided=st.booleans(),
    offsets=st.tuples(st.booleans(), st.booleans()),
    split=st.sampled_from(["", "h", "y", "o"]),
    cores=st.integers(1, 8),
    partial=st.sampled_from([0.0, 0.5]),
)
@settings(max_examples=200, deadline=None)
def test_products_of_activations(
    extents: tuple[int, int, int, int],
    strided: bool,
    offsets: tuple[bool, bool],
    split: str,
    cores: int,
    partial: float,
) -> None:
    engine = engine_of(cores)
    dims = tuple(zip("hyoi", extents, strict=True))
    spec = KernelSpec("matmul", dims, strided=strided, offsets=offsets)
    times = []
    for core in range(cores if split else 1):
        own = dict(dims)
        if split:
            size = -(-own[split] // cores)
            own[split] = max(0, min((core + 1) * size, own[split]) - core * size)
        h, y, o, i = own.values()
        times.append(
            product_cycles_of_core(engine.kernels.matmul, spec, (h, y, o, i), partial) if h * y * o else 0.0
        )
    names = (split,) if split else ()
    assert float(kernel_cycles(engine, spec, dict(dims), names, partial)) == pytest.approx(max(times))


def test_products_know_their_splits() -> None:
    spec = KernelSpec("matmul", (("h", 2), ("y", 2), ("o", 2), ("i", 2)))
    with pytest.raises(UnsupportedKernel, match="dividing"):
        kernel_cycles(engine_of(2), spec, dict(spec.dims), ("i",))


@pytest.mark.parametrize("cores", [1, 2, 4, 8])
@pytest.mark.parametrize("tile", [16, 32, 64, 128])
@pytest.mark.parametrize("offset", [0, 64])
def test_the_busiest_core_of_a_masked_tile_has_the_longest_rows(offset: int, tile: int, cores: int) -> None:
    """Periods of 32 rows on so many columns that none is cut; the mean over all tiles of the layer."""
    period, rows, columns = 32, 128, 128
    spec = KernelSpec("softmax", (("y", rows), ("c", columns)), mask=(period, offset))
    seen = np.array([k % period + 1 + offset for k in range(rows)])
    share = tile // cores
    busiest = seen.reshape(-1, cores, share).sum(axis=2).max(axis=1)
    found = seen_share(spec, np.array(float(tile)), np.array(float(share)))
    assert found == pytest.approx(busiest.mean() / share / columns)
    assert seen_share(replace(spec, mask=(0, 0)), np.array(float(tile)), np.array(1.0)) == 1.0
