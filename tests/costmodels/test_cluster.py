"""Cluster kernels: loop nests by hand, the division over cores, and measured kernels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from costmodels.engines import ClusterEngine, UnsupportedKernel, kernel_cycles
from costmodels.variants import load_variant
from costmodels.work import KernelSpec
from tests.costmodels.conftest import Rows

MATMUL = (("y", 64), ("x", 64), ("g", 1), ("o", 64), ("i", 64))


def cluster_of(name: str, cores: int = 8, conflicts: bool = True) -> ClusterEngine:
    engine = load_variant(name).engine_of["cluster"]
    assert isinstance(engine, ClusterEngine)
    return replace(engine if conflicts else engine.without_conflicts(), cores=cores)


def cycles_of(engine: ClusterEngine, spec: KernelSpec, split: tuple[str, ...] = (), **extents: int) -> float:
    return float(kernel_cycles(engine, spec, extents, split))


def test_block_of_the_dot_product() -> None:
    """Two pixels, four outputs, K = 8: 15 + 2 * 14 + 8 * 13 cycles."""
    engine = cluster_of("siracusa-field", cores=1)
    spec = KernelSpec("conv2d", MATMUL)
    assert cycles_of(engine, spec, y=1, x=2, g=1, o=4, i=8) == 15 + 2 * 14 + 8 * 13


def test_leftovers() -> None:
    """Three pixels, five outputs, K = 9: a 2x4 block, a 2x1 block, and an odd pixel one output at a time."""
    engine = cluster_of("siracusa-field", cores=1)
    spec = KernelSpec("conv2d", MATMUL)
    blocks = (2, 4, 1), (2, 1, 1), (1, 1, 5)
    expected = sum(n * (15 + 2 * (p + o + p * o) + 14 * p * o + 13 * p * o) for p, o, n in blocks)
    assert cycles_of(engine, spec, y=1, x=3, g=1, o=5, i=9) == expected


def test_products_of_activations() -> None:
    """Three heads of two rows, four outputs, K = 8; turned operands and zero points cost what they add."""
    engine = cluster_of("siracusa-field", cores=1)
    spec = KernelSpec("matmul", (("h", 3), ("y", 2), ("o", 4), ("i", 8)))
    block = 15 + 2 * 14 + 8 * 13

    def cycles(of: KernelSpec) -> float:
        return cycles_of(engine, of, h=3, y=2, o=4, i=8)

    assert cycles(spec) == 3 * block
    assert cycles(replace(spec, strided=True)) == 3 * (block + 2 * 4 * 2)
    assert cycles(replace(spec, offsets=(False, True))) == 3 * (block + 2 * 2)
    assert cycles(replace(spec, offsets=(True, False))) == 3 * (block + 4 * 2 * 2)
    many = cluster_of("siracusa-field", cores=3, conflicts=False)
    assert cycles_of(many, spec, ("h",), h=3, y=2, o=4, i=8) == block


def test_gather_of_a_window() -> None:
    engine = cluster_of("siracusa-field", cores=1)
    flat = KernelSpec("conv2d", MATMUL)
    window = replace(flat, window=(3, 3))
    extra = cycles_of(engine, window, y=1, x=2, g=1, o=4, i=4) - cycles_of(
        engine, flat, y=1, x=2, g=1, o=4, i=36
    )
    assert extra == 2 * (3 * 15 + 9 * 4 * 1)


def test_kernels_that_walk_the_window() -> None:
    """Two pixels, four outputs, 3x3x4: three runs (rows) of 12, or nine of 4 where taps lie apart."""
    engine = cluster_of("siracusa-field", cores=1)
    engine = replace(engine, matmul=replace(engine.matmul, gather="direct", run_cycles=14.0))
    spec = KernelSpec("conv2d", MATMUL, window=(3, 3))
    found = cycles_of(engine, spec, y=1, x=2, g=1, o=4, i=4)
    assert found == 3 * (3 * 14 + 14) + 15 + 8 * 13
    dilated = replace(spec, dilation=(2, 2))
    assert cycles_of(engine, dilated, y=1, x=2, g=1, o=4, i=4) == found + 6 * 14


@pytest.mark.parametrize(
    ("split", "busiest"),
    [((), (3, 3, 12)), (("o",), (3, 3, 2)), (("y",), (1, 3, 12)), (("y", "x"), (1, 2, 12))],
)
def test_rounding_of_the_division(split: tuple[str, ...], busiest: tuple[int, int, int]) -> None:
    """3x3 pixels and 12 outputs on 8 cores: the busiest has everything, 2 outputs, a row, or 2 pixels."""
    spec = KernelSpec("conv2d", MATMUL)
    alone = cluster_of("siracusa-field", cores=1)
    expected = cycles_of(alone, spec, y=busiest[0], x=busiest[1], g=1, o=busiest[2], i=16)
    engine = cluster_of("siracusa-field", conflicts=False)
    assert cycles_of(engine, spec, split, y=3, x=3, g=1, o=12, i=16) == expected


def test_depthwise_depends_on_the_stride() -> None:
    engine = cluster_of("gap8")
    spec = KernelSpec("depthwise2d", (("y", 32), ("x", 32), ("g", 64)), window=(3, 3))
    sizes = {"y": 32, "x": 32, "g": 64}
    assert cycles_of(engine, replace(spec, stride=(2, 2)), ("g",), **sizes) > 1.5 * cycles_of(
        engine, spec, ("g",), **sizes
    )


def test_depthwise_pays_for_every_column() -> None:
    """16 channels on 8 cores, 4x6 outputs: two channels of six columns each, or three pixels of all."""
    engine = cluster_of("gap8", conflicts=False)
    cost = engine.kernels.depthwise2d
    spec = KernelSpec("depthwise2d", (("y", 4), ("x", 6), ("g", 16)), window=(3, 3))
    each = cost.element_cycles + 9 * cost.tap_cycles
    by_channel = cycles_of(engine, spec, ("g",), y=4, x=6, g=16)
    assert by_channel == pytest.approx(2 * 6 * cost.column_cycles + 2 * 24 * each)
    by_pixel = cycles_of(engine, spec, ("y", "x"), y=4, x=6, g=16)
    assert by_pixel == pytest.approx(16 * 3 * cost.column_cycles + 16 * 3 * each)


@pytest.mark.parametrize(("depth", "waits"), [(64, "conflict_cycles"), (60, "skewed_conflict_cycles")])
def test_bank_conflicts_depend_on_the_length_of_rows(depth: int, waits: str) -> None:
    """Each of a core's blocks waits for the seven others: 16 pixels, 8 outputs are two blocks a core."""
    spec = KernelSpec("conv2d", MATMUL)
    engine, alone = cluster_of("siracusa-field"), cluster_of("siracusa-field", conflicts=False)

    def cycles(cores: ClusterEngine, split: tuple[str, ...]) -> float:
        return cycles_of(cores, spec, split, y=1, x=16, g=1, o=8, i=depth)

    extra = cycles(engine, ("x",)) - cycles(alone, ("x",))
    assert extra == pytest.approx(2 * 7 * getattr(engine.matmul, waits))
    assert cycles(engine, ()) == cycles(alone, ())


def test_rows_of_elementwise_kernels() -> None:
    engine = cluster_of("siracusa-field", conflicts=False)
    cost = engine.kernels.add
    flat = KernelSpec("add", (("n", 1000),), fan_in=2)
    assert cycles_of(engine, flat, ("n",), n=1000) == cost.row_cycles + 125 * cost.element_cycles
    pool = KernelSpec("maxpool", (("y", 4), ("x", 4), ("c", 20)), window=(2, 2))
    each = 20 * (engine.kernels.maxpool.element_cycles + 4 * engine.kernels.maxpool.tap_cycles)
    assert cycles_of(engine, pool, ("y", "x"), y=4, x=4, c=20) == 2 * (
        engine.kernels.maxpool.row_cycles + each
    )
    joined = KernelSpec("concat", (("y", 16),), fan_in=3, elements_per_point=50)
    rows = 2 * (3 * engine.kernels.concat.row_cycles + 50 * engine.kernels.concat.element_cycles)
    assert cycles_of(engine, joined, ("y",), y=16) == rows


def test_partial_sums_are_stored_and_reloaded() -> None:
    engine = cluster_of("siracusa-field", cores=1)
    spec = KernelSpec("conv2d", MATMUL)
    tile = {"y": 1, "x": 2, "g": 1, "o": 4, "i": 8}
    final = float(kernel_cycles(engine, spec, tile))
    partial = float(kernel_cycles(engine, spec, tile, partial=1.0))
    assert final - partial == 8 * (13 - 2 * engine.matmul.raw_store_cycles)


@pytest.mark.parametrize("split", [("i",), ("y", "o"), ("o", "i")])
def test_unknown_divisions_are_refused(split: tuple[str, ...]) -> None:
    with pytest.raises(UnsupportedKernel):
        kernel_cycles(cluster_of("siracusa-field"), KernelSpec("conv2d", MATMUL), dict(MATMUL), split)


def test_unknown_kernels_are_refused() -> None:
    with pytest.raises(UnsupportedKernel, match="fft"):
        kernel_cycles(cluster_of("siracusa-field"), KernelSpec("fft", (("n", 8),)), {"n": np.array(8)})


@pytest.mark.shared
@pytest.mark.parametrize("cores", [1, 2, 4, 8])
def test_simulated_matmul(rows: Rows, cores: int) -> None:
    """64x64x64 with raw 32-bit sums, without bank conflicts, within 3 %."""
    found = [
        row
        for row in rows("gvsoc_siracusa_microbench.csv")
        if row["case"] == "xpulp 4x2 hwloop"
        and row["parameters"] == f"cores={cores}"
        and row["tcdm_conflicts"] == "off"
    ]
    engine = cluster_of("siracusa-field", cores, conflicts=False)
    spec = KernelSpec("conv2d", MATMUL, output_bytes=4)
    predicted = cycles_of(engine, spec, ("y", "x"), y=1, x=64, g=1, o=64, i=64) + engine.barrier_cycles
    assert len(found) == 1
    assert predicted == pytest.approx(float(found[0]["cycles"]), rel=0.03)


@pytest.mark.shared
def test_gap8_pointwise_layers(rows: Rows) -> None:
    """Kernel alone, without transfers and calls, within 4 % (whole layers: test_validation)."""
    fitted = {f"PwConv{n}" for n in range(2, 8)}
    engine = cluster_of("gap8")
    layers = [row for row in rows("gap8_dory_mobilenetv1_128_layers.csv") if row["layer"] in fitted]
    assert len(layers) == 6
    for row in layers:
        spec = KernelSpec("conv2d", MATMUL)
        sizes = {"y": int(row["hout"]), "x": int(row["wout"]), "o": int(row["cout"]), "i": int(row["cin"])}
        predicted = cycles_of(engine, spec, ("y", "x"), g=1, **sizes)
        assert predicted == pytest.approx(float(row["cycles_100MHz"]), rel=0.04), row["layer"]
