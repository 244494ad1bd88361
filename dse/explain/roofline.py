"""Rooflines: what an engine and the links allow, and what a layer attains of it.

All rates are per cycle of the reference clock. A layer with M MACs that moves B bytes over a link of b bytes
a cycle cannot do more than min(peak, b*M/B) MACs a cycle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from costmodels.engines import Engine, NpuEngine, kernel_cycles
from costmodels.errors import UnsupportedKernel
from costmodels.platform import OperatingPoint, Platform
from costmodels.transfer import Link
from costmodels.work import KernelSpec
from dse.points import LayerEstimate

_SIDE = 48
"""Rows and columns of a large tile: whole pixel tiles and pixel blocks of every platform."""
_CHANNELS = (896, 900)
"""Channels of a large tile: whole blocks of every engine, and rows that begin in different banks."""


@dataclass(frozen=True)
class LinkRoof:
    """A link under a layer. macs_per_byte: its operational intensity there. bytes_per_cycle: at most."""

    link: str
    macs_per_byte: float
    bytes_per_cycle: float

    @property
    def macs_per_cycle(self) -> float:
        """The ceiling that the link puts on the layer."""
        return self.macs_per_byte * self.bytes_per_cycle


@dataclass(frozen=True)
class Roofline:
    """Where a layer stands. peak: the engine's best rate on the layer's kernel, however large the tile."""

    engine: str
    macs_per_cycle: float
    peak_macs_per_cycle: float
    links: tuple[LinkRoof, ...]

    @property
    def ceiling(self) -> float:
        """MACs a cycle that neither the engine nor any link can exceed."""
        return min((self.peak_macs_per_cycle, *(roof.macs_per_cycle for roof in self.links)))


def roofline_of(
    platform: Platform, point: OperatingPoint, spec: KernelSpec, layer: LayerEstimate
) -> Roofline | None:
    """The roofline of a layer; None where it has no MACs."""
    if not layer.macs or not layer.cycles:
        return None
    engine = platform.engine_of[layer.engine]
    ratio = platform.reference_cycles(engine.clock, point)
    links = tuple(
        LinkRoof(name, layer.macs / bytes_, link_bytes_per_cycle(platform, point, platform.link_of[name]))
        for name, _, _, bytes_ in layer.links
        if bytes_
    )
    return Roofline(engine.name, layer.macs / layer.cycles, peak_macs_per_cycle(engine, spec) / ratio, links)


def link_bytes_per_cycle(platform: Platform, point: OperatingPoint, link: Link) -> float:
    """Most bytes that a link moves in a reference cycle: full beats, or the widest pass of a copy loop."""
    rate = link.bytes_per_cycle
    if link.copy is not None:
        rate = link.copy.block_bytes / link.copy.block_cycles
    return rate / platform.reference_cycles(link.clock, point)


@lru_cache(maxsize=1024)
def peak_macs_per_cycle(engine: Engine, spec: KernelSpec) -> float:
    """MACs in a cycle of the engine's clock at best: on very large tiles of the kernel, or on its own.

    The engine's model itself says it, so that window, stride, weight bits and the division over cores count
    as they do in prices; a call's overhead does not.
    """
    shapes = [_large(spec, channels) for channels in _CHANNELS]
    return max(_rate(engine, replace(spec, dims=dims)) for dims in (spec.dims, *shapes))


def _large(spec: KernelSpec, channels: int) -> tuple[tuple[str, int], ...]:
    """The kernel's dimensions made large; a dense convolution keeps its single group."""

    def size(name: str, extent: int) -> int:
        if name in ("y", "x"):
            return _SIDE
        return extent if name == "g" and extent == 1 else channels

    return tuple((name, size(name, extent)) for name, extent in spec.dims)


def _rate(engine: Engine, spec: KernelSpec) -> float:
    """MACs a cycle of one call on all of `spec`."""
    extents = {name: np.array([extent]) for name, extent in spec.dims}
    macs = float(spec.macs(extents)[0])
    splits = ((),) if isinstance(engine, NpuEngine) else spec.splits
    rates = [0.0]
    for split in splits:
        try:
            cycles = float(np.ravel(kernel_cycles(engine, spec, extents, split))[0])
        except UnsupportedKernel:
            continue
        rates.append(macs / cycles if cycles else 0.0)
    return max(rates)
