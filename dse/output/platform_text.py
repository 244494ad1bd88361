"""The text of a platform's file, so that an explored directory can carry it, and what output needs of it."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from costmodels.engines import NpuEngine
from costmodels.platform import Platform, platform_names


def platform_text(name_or_path: str) -> str:
    """The TOML of a built-in platform or of a user's file; call it for what `load_platform` has read."""
    if name_or_path in platform_names():
        source = resources.files("costmodels") / "platforms" / f"{name_or_path}.toml"
        return source.read_text(encoding="utf-8")
    return Path(name_or_path).read_text(encoding="utf-8")


def cluster_cores(platform: Platform) -> int:
    """Cores of the platform's cluster: as many harts does its C want."""
    return max((engine.cores for engine in platform.engines if not isinstance(engine, NpuEngine)), default=1)
