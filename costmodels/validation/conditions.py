"""The circumstances of an experiment as a platform: a named variant with cores and banks as they were."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from costmodels.engines import ClusterEngine, NpuEngine
from costmodels.errors import PlatformError
from costmodels.platform import Platform
from costmodels.variants import load_variant

Conflicts = Literal["none", "by length", "skewed"]
"""Bank conflicts: none, by the length of the operands' rows, or of rows that are padded to skew them."""


def cluster_of(platform: Platform) -> ClusterEngine:
    """The platform's cluster."""
    for engine in platform.engines:
        if isinstance(engine, ClusterEngine):
            return engine
    raise PlatformError(platform.name, "engines", "has no cluster", "name a variant that has one")


def npu_of(variant: str) -> NpuEngine:
    """The NPU of a variant. Raises PlatformError where it has none."""
    for engine in load_variant(variant).engines:
        if isinstance(engine, NpuEngine):
            return engine
    raise PlatformError(variant, "engines", "has no NPU", "name a variant that has one")


def platform_as(variant: str, cores: int, conflicts: Conflicts) -> Platform:
    """The variant with a cluster of so many cores under these bank conflicts."""
    platform = load_variant(variant)
    before = cluster_of(platform)
    engine = before.without_conflicts() if conflicts == "none" else before
    if conflicts == "skewed":
        matmul = replace(engine.matmul, conflict_cycles=engine.matmul.skewed_conflict_cycles)
        engine = replace(engine, matmul=matmul)
    changed = tuple(replace(engine, cores=cores) if item is before else item for item in platform.engines)
    return replace(platform, engines=changed)
