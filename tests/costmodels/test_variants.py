"""Variants of platforms: what they replace, what they keep, and that every number still has a source."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from costmodels.engines import NpuEngine, kernel_cycles
from costmodels.errors import PlatformError
from costmodels.facts import HOW
from costmodels.platform import load_platform, platform_names
from costmodels.validation.conditions import npu_of
from costmodels.variants import load_variant, overlay, variant_names
from costmodels.work import KernelSpec


@pytest.mark.parametrize("name", variant_names())
def test_every_variant_loads_under_its_own_name(name: str) -> None:
    platform = load_variant(name)
    assert platform.name == name
    assert name not in platform_names()
    assert all(fact.how in HOW and len(fact.source) > 5 for fact in platform.facts)


def test_a_platform_is_its_own_variant() -> None:
    assert load_variant("gap8") == load_platform("gap8")


def test_facts_are_replaced_whole_and_tables_merge() -> None:
    base = {"a": {"x": {"value": 1, "how": "READ", "source": "s"}, "y": 2}, "b": 3}
    change = {"a": {"x": {"value": 5, "how": "FIT"}}}
    assert overlay(base, change) == {"a": {"x": {"value": 5, "how": "FIT"}, "y": 2}, "b": 3}
    assert base["a"]["x"]["value"] == 1  # type: ignore[index]


def test_variants_differ_only_where_they_say() -> None:
    """The simulator's artefact is one switch: depthwise weights charged channel by channel."""
    stock, artefact = npu_of("siracusa-gvsoc"), npu_of("siracusa-gvsoc-wmem")
    assert not stock.timing.depthwise.channel_beats
    depthwise = replace(stock.timing.depthwise, channel_beats=True)
    assert replace(stock, timing=replace(stock.timing, depthwise=depthwise)) == artefact


def test_unknown_variants_are_refused() -> None:
    with pytest.raises(PlatformError, match="did you mean 'siracusa-rtl'"):
        load_variant("siracusa-rtll")


def rtl_job(mode: str, tiles: int, k_in: int, k_out: int, bits: int, wide: bool) -> float:
    """HARDWARE.md on Siracusa's RTL as loops: no border, prefetch on, 32-bit scales, shift and bias."""
    depthwise, size = mode == "depthwise", 28 if mode == "depthwise" else 32
    jobs = [min(size, k_out - low) for low in range(0, k_out, size) for _ in range(tiles)]
    total = 0.0
    for number, k in enumerate(jobs):
        load = 42 if mode == "1x1" else 70
        offset = 6 + k if depthwise else 6
        matvec = 2 * bits + 3 if depthwise else 2 * k * (1 if mode == "1x1" else bits) + 5
        steps = 1 if depthwise else math.ceil(k_in / (32 if mode == "1x1" else 28))
        first_load = load if number == 0 or not depthwise else 0
        hidden = max(matvec, load - offset + 3) if depthwise and jobs[number + 1 :] else matvec
        total += (
            first_load + offset + hidden + 2 + (steps - 1) * (1 + offset + max(matvec, load - offset) + 2)
        )
        total += 9 + k + 8 + 12 + 36 * (math.ceil(k / 8) if wide else 1) + 3
    return total


@pytest.mark.parametrize("mode", ["1x1", "3x3", "depthwise"])
@pytest.mark.parametrize(("height", "width"), [(6, 6), (1, 5), (13, 12)])
@pytest.mark.parametrize(("k_in", "k_out", "bits"), [(32, 32, 8), (70, 61, 4), (28, 100, 2)])
def test_siracusa_rtl_by_loops(mode: str, height: int, width: int, k_in: int, k_out: int, bits: int) -> None:
    engine: NpuEngine = npu_of("siracusa-rtl")
    timing = engine.timing.of_jobs(scale_bits=32, bias=True, shift=True, normquant=True, prefetch=True)
    channels = (("g", k_out),) if mode == "depthwise" else (("g", 1), ("o", k_out), ("i", k_in))
    spec = KernelSpec(
        "depthwise2d" if mode == "depthwise" else "conv2d",
        (("y", height), ("x", width), *channels),
        window=(1, 1) if mode == "1x1" else (3, 3),
        output_bytes=4,
        weight_bits=bits,
    )
    tiles = math.ceil(height / 6) * math.ceil(width / 6)
    found = float(kernel_cycles(replace(engine, timing=timing), spec, dict(spec.dims)))
    assert found == pytest.approx(rtl_job(mode, tiles, k_in, k_out, bits, True))


def test_streamed_pixels_of_the_public_rtl_are_rows_of_a_tile() -> None:
    """7x7 in 4x4 tiles: (h-1)*4 + w of 4x4, 4x3, 3x4, 3x3 are 16, 15, 12, 11; as measured, 4 load anew."""
    engine = npu_of("neureka-4x4-rtl")
    timing = engine.timing.of_jobs(scale_bits=8, bias=True, shift=False, normquant=False, prefetch=False)
    spec = KernelSpec("conv2d", (("y", 7), ("x", 7), ("g", 1), ("o", 32), ("i", 32)))
    cycles = float(kernel_cycles(replace(engine, timing=timing), spec, dict(spec.dims)))
    assert cycles == 4 * (22 + 6 + 32 + 5 + 2 + 9 + 32 + 12 + 3) + 16 + 15 + 12 + 11
