"""Engines: what runs kernels, and how many cycles of its own clock a kernel takes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from costmodels.arrays import ceil_div, floats
from costmodels.engines.cluster import ClusterEngine, cluster_cycles
from costmodels.engines.counted import CountedEngine
from costmodels.engines.nests import product_of
from costmodels.engines.npu import NpuEngine, npu_cycles
from costmodels.engines.portable import PortableEngine, portable_cycles
from costmodels.engines.xpulp import XpulpEngine, xpulp_cycles
from costmodels.errors import UnsupportedKernel
from costmodels.work import FloatArray, KernelSpec

NOWHERE: Mapping[str, npt.ArrayLike] = MappingProxyType({})
Engine = ClusterEngine | NpuEngine | PortableEngine | XpulpEngine

__all__ = [
    "ClusterEngine",
    "CountedEngine",
    "Engine",
    "NpuEngine",
    "PortableEngine",
    "UnsupportedKernel",
    "XpulpEngine",
    "beat_stall",
    "call_overhead",
    "first_overhead",
    "kernel_cycles",
    "share_at_work",
]


def call_overhead(engine: Engine, spec: KernelSpec, buffering: int = 1) -> float:
    """Cycles of one call beyond the kernel itself (an NPU's: of its set-up clock), with so many buffers."""
    if isinstance(engine, CountedEngine):
        return engine.overhead_of(spec, buffering)
    return engine.overhead_cycles


def first_overhead(engine: Engine, spec: KernelSpec) -> float:
    """Cycles of a layer's first call beyond those of every call."""
    return engine.cold_cycles(spec.kernel) if isinstance(engine, XpulpEngine) else 0.0


def beat_stall(engine: Engine) -> float:
    """Cycles of its clock that an engine loses to a beat that a DMA moves into or out of L1 meanwhile."""
    return 0.0 if isinstance(engine, PortableEngine) else engine.beat_stall_cycles


def kernel_cycles(
    engine: Engine,
    spec: KernelSpec,
    extents: Mapping[str, npt.ArrayLike],
    split: tuple[str, ...] = (),
    partial: npt.ArrayLike = 0.0,
    starts: Mapping[str, npt.ArrayLike] = NOWHERE,
) -> FloatArray:
    """Cycles of one kernel call, without the call's overhead (`call_overhead`), float64.

    extents: tile extents by dimension; any shapes that broadcast, which is also the result's. Arrays with
    one axis for each dimension's tile classes and the candidates last are the fast form: every term is
    computed at the shape of the dimensions that it depends on.
    split: dimensions divided over the cores of a cluster; () runs the whole tile on one core. An NPU
    ignores it. partial: share of the calls that leave a partial sum behind (tiled reduction), in [0, 1].
    starts: where the first of these tiles begins, by dimension; by default at 0, as the first of as many as
    the layer holds. Only kernels that count the padding of their tiles look at it.
    Raises UnsupportedKernel where the engine has no such kernel, window, stride or split.
    """
    if isinstance(engine, NpuEngine):
        return npu_cycles(engine, spec, extents)
    if isinstance(engine, PortableEngine):
        return portable_cycles(engine, spec, extents, split, partial, starts)
    if isinstance(engine, XpulpEngine):
        return xpulp_cycles(engine, spec, extents, split, partial, starts)
    return cluster_cycles(engine, spec, extents, split, partial)


def share_at_work(
    engine: Engine, extents: Mapping[str, npt.ArrayLike], split: tuple[str, ...] = ()
) -> FloatArray:
    """Mean share of an engine's cores that have work while the busiest one works, in (0, 1], [C] or [1].

    Of a full tile: those at a border, which stand behind it on the class axes, are taken as such.
    """
    if isinstance(engine, NpuEngine):
        return np.ones(1)
    if not split:
        return np.full(1, 1.0 / engine.cores)
    points = product_of({name: _first(extents[name]) for name in split if name in extents}, split)
    return np.atleast_1d(points / (engine.cores * ceil_div(points, engine.cores)))


def _first(extent: npt.ArrayLike) -> FloatArray:
    """The first class of every axis but the last, which are the candidates."""
    array = floats(extent)
    return array.reshape(-1, array.shape[-1])[0] if array.ndim > 1 else array
