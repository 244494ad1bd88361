"""What must hold across the tables of a platform file: names that refer to each other, one default."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from costmodels.engines import NpuEngine
from costmodels.errors import PlatformError
from costmodels.facts import nearest

if TYPE_CHECKING:
    from costmodels.platform import Level, Platform

REQUIRED_LEVELS = ("l1", "l2")
REQUIRED_LINKS = ("l2_l1", "l1_l2")


def check_platform(platform: Platform, file: str, level_names: Sequence[str]) -> None:
    """Raise PlatformError (naming `file`) for the first rule that a platform breaks."""
    levels = [level.name for level in platform.levels]
    for name in levels:
        _refer(file, f"levels.{name}", name, level_names, "a level")
    _require_all(file, "levels", levels, REQUIRED_LEVELS)
    _require_all(file, "links", [link.name for link in platform.links], REQUIRED_LINKS)
    _refer(file, "io_home", platform.io_home, levels, "a level of this file")
    _refer(file, "constant_origin", platform.constant_origin, levels, "a level of this file")
    for level in platform.levels:
        _check_level(level, file)
    _check_links(platform, file, levels)
    _check_clocks(platform, file)
    _check_engines(platform, file)


def _require_all(file: str, key: str, present: Sequence[str], required: Iterable[str]) -> None:
    for name in required:
        if name not in present:
            raise PlatformError(file, f"{key}.{name}", "missing", "every platform has it")


def _refer(file: str, key: str, name: str, known: Sequence[str], what: str) -> None:
    if name not in known:
        raise PlatformError(file, key, f"{name!r} is not {what}", nearest(name, tuple(known)))


def _check_level(level: Level, file: str) -> None:
    if level.reserved_bytes >= level.capacity_bytes:
        key = f"levels.{level.name}.reserved_bytes"
        raise PlatformError(
            file, key, f"is {level.reserved_bytes}", f"must be below the capacity of {level.capacity_bytes}"
        )


def _check_links(platform: Platform, file: str, levels: Sequence[str]) -> None:
    for link in platform.links:
        key = f"links.{link.name}"
        _refer(file, f"{key}.from_level", link.from_level, levels, "a level of this file")
        _refer(file, f"{key}.to_level", link.to_level, levels, "a level of this file")
        expected = f"{link.from_level}_{link.to_level}"
        if link.name != expected:
            raise PlatformError(file, key, "is not named after its levels", f"call it {expected!r}")


def _check_clocks(platform: Platform, file: str) -> None:
    """Every clock that is used must have a frequency at every operating point; one point is the default."""
    used = [("reference_clock", platform.reference_clock)]
    used += [(f"links.{link.name}.clock", link.clock) for link in platform.links]
    used += [(f"engines.{engine.name}.clock", engine.clock) for engine in platform.engines]
    for point in platform.operating_points:
        for key, clock in used:
            _refer(file, key, clock, tuple(point.clock_hz), f"a clock of operating point {point.name!r}")
    defaults = [point.name for point in platform.operating_points if point.default]
    if len(defaults) != 1:
        found = f"has {len(defaults)} defaults ({', '.join(defaults) or 'none'})"
        raise PlatformError(file, "operating_points", found, "set default = true on exactly one")


def _check_engines(platform: Platform, file: str) -> None:
    if all(isinstance(engine, NpuEngine) for engine in platform.engines):
        raise PlatformError(
            file, "engines", "has no engine of kind cluster or portable", "every platform has cores"
        )
    for engine in platform.engines:
        if isinstance(engine, NpuEngine):
            clocks = tuple(platform.point().clock_hz)
            _refer(file, f"engines.{engine.name}.setup_clock", engine.setup_clock, clocks, "a clock")
