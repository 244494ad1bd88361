"""Platforms: memory levels, links, engines, clocks and operating points, read strictly from TOML.

Every number of a platform file carries how it is known (`costmodels.facts`); `Platform.facts` keeps that
for reports. Figures that depend on a voltage are at the platform's reference; an operating point scales.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

from costmodels.energy import MW_PER_PJ_HZ
from costmodels.engines import Engine
from costmodels.errors import PlatformError
from costmodels.facts import POSITIVE, Fact, Reader
from costmodels.platform_check import check_platform
from costmodels.transfer import Link

LevelName = Literal["l1", "l2", "l3", "wmem_sram", "wmem_mram"]


@dataclass(frozen=True)
class Level:
    """A memory level. `reserved_bytes` hold code, stacks and golden vectors, never tensors.

    on_chip: counts against an on-chip budget. volatile: loses its content without power, so that
    constants must be copied into it at start-up. Energies per byte, at the reference voltage.
    """

    name: LevelName
    capacity_bytes: int = field(metadata=POSITIVE)
    reserved_bytes: int
    on_chip: bool
    volatile: bool
    read_pj_per_byte: float
    write_pj_per_byte: float

    @property
    def usable_bytes(self) -> int:
        """Bytes that a deployment may allocate."""
        return self.capacity_bytes - self.reserved_bytes


@dataclass(frozen=True)
class Clock:
    """Frequency of one clock domain at one operating point."""

    name: str
    hz: float = field(metadata=POSITIVE)


@dataclass(frozen=True)
class OperatingPoint:
    """A voltage with its clocks. dynamic_scale, leakage_scale: on-chip dynamic energy, and leakage power of
    the engines, relative to the reference voltage. idle_mw: what is there whatever runs beside the engines
    (clock trees, fabric controller, memory refresh); leakage_mw: leakage of all but the engines; both at
    this point.
    """

    name: str
    default: bool
    voltage_v: float = field(metadata=POSITIVE)
    dynamic_scale: float = field(metadata=POSITIVE)
    leakage_scale: float
    idle_mw: float
    leakage_mw: float
    clocks: tuple[Clock, ...]

    @cached_property
    def clock_hz(self) -> dict[str, float]:
        """Frequency in Hz by clock name."""
        return {clock.name: clock.hz for clock in self.clocks}


@dataclass(frozen=True)
class Platform:
    """A chip with its memories. `facts`: every sourced value of its file, in the file's order.

    io_home: level of network inputs and outputs by default. constant_origin: persistent level that
    constants start from. reference_clock: the clock in which whole-network cycles are given.
    """

    name: str
    description: str
    reference_clock: str
    io_home: LevelName
    constant_origin: LevelName
    levels: tuple[Level, ...]
    links: tuple[Link, ...]
    engines: tuple[Engine, ...]
    operating_points: tuple[OperatingPoint, ...]
    facts: tuple[Fact, ...] = field(default=(), compare=False, repr=False)

    @cached_property
    def level_of(self) -> dict[str, Level]:
        """Levels by name."""
        return {level.name: level for level in self.levels}

    @cached_property
    def link_of(self) -> dict[str, Link]:
        """Links by name."""
        return {link.name: link for link in self.links}

    @cached_property
    def engine_of(self) -> dict[str, Engine]:
        """Engines by name."""
        return {engine.name: engine for engine in self.engines}

    def point(self, name: str | None = None) -> OperatingPoint:
        """An operating point by name, by default the file's default. Raises PlatformError if unknown."""
        for point in self.operating_points:
            if point.name == name or (name is None and point.default):
                return point
        known = ", ".join(point.name for point in self.operating_points)
        raise PlatformError(self.name, "operating_points", f"has no {name!r}", f"known are {known}")

    def reference_hz(self, point: OperatingPoint | None = None) -> float:
        """Frequency of the reference clock."""
        return (point or self.point()).clock_hz[self.reference_clock]

    def reference_cycles(self, clock: str, point: OperatingPoint) -> float:
        """Cycles of the reference clock in one cycle of `clock`."""
        return point.clock_hz[self.reference_clock] / point.clock_hz[clock]

    def waiting_mw(self, point: OperatingPoint) -> float:
        """Power of all engines with their clocks on and no work."""
        picojoules = sum(e.power.idle_pj_per_cycle * point.clock_hz[e.clock] for e in self.engines)
        return picojoules * MW_PER_PJ_HZ * point.dynamic_scale

    def leakage_mw(self, point: OperatingPoint) -> float:
        """Leakage of the whole chip."""
        engines = sum(engine.power.leakage_mw for engine in self.engines)
        return engines * point.leakage_scale + point.leakage_mw

    def standing_mw(self, point: OperatingPoint) -> float:
        """Power of the chip while nothing works: what every cycle more costs."""
        return point.idle_mw + self.waiting_mw(point) + self.leakage_mw(point)

    def byte_pj(self, link: Link, point: OperatingPoint) -> tuple[float, float]:
        """Energy of a byte over a link: read on its one side, written on its other. Off-chip memory keeps its
        own supply, whatever the point.
        """
        source, target = self.level_of[link.from_level], self.level_of[link.to_level]
        read = source.read_pj_per_byte * (point.dynamic_scale if source.on_chip else 1.0)
        write = target.write_pj_per_byte * (point.dynamic_scale if target.on_chip else 1.0)
        return read, write

    def path(self, from_level: str, to_level: str) -> tuple[Link, ...]:
        """The fewest links from one level to another; empty if they are the same.

        Raises PlatformError where no links lead there.
        """
        paths: list[tuple[str, tuple[Link, ...]]] = [(from_level, ())]
        seen = {from_level}
        for level, links in paths:
            if level == to_level:
                return links
            for link in self.links:
                if link.from_level == level and link.to_level not in seen:
                    seen.add(link.to_level)
                    paths.append((link.to_level, (*links, link)))
        raise PlatformError(self.name, "links", f"none lead from {from_level} to {to_level}", "add them")


def platform_names() -> tuple[str, ...]:
    """Names of the platforms that come with the package, sorted."""
    folder = resources.files("costmodels") / "platforms"
    return tuple(sorted(item.name[:-5] for item in folder.iterdir() if item.name.endswith(".toml")))


def load_platform(name_or_path: str | Path) -> Platform:
    """A built-in platform by name, or a TOML file by path (it has a separator or ends in .toml).

    Raises PlatformError: file, dotted key, what is wrong and what would be right, in one line.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or "/" in text or text.endswith(".toml"):
        return parse_platform(_read(Path(name_or_path)), text)
    if text not in platform_names():
        raise _unknown(text)
    resource = resources.files("costmodels") / "platforms" / f"{text}.toml"
    return parse_platform(resource.read_text(encoding="utf-8"), f"{text}.toml")


def _unknown(name: str) -> PlatformError:
    known = platform_names()
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    advice = f"{hint}known are {', '.join(known)}, or give the path of a .toml file"
    return PlatformError(name, "", "no such platform", advice)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        raise PlatformError(
            str(path), "", f"cannot be read ({reason})", "give a readable TOML file"
        ) from None


def parse_platform(text: str, file: str) -> Platform:
    """A platform from the text of a TOML file; `file` names it in errors. Raises PlatformError."""
    return platform_of(parse_toml(text, file), file)


def parse_toml(text: str, file: str) -> dict[str, Any]:
    """The tables of a TOML text. Raises PlatformError."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PlatformError(file, "", f"is not TOML ({error})", "correct the syntax") from None


def platform_of(table: Mapping[str, Any], file: str) -> Platform:
    """A platform from the tables of a TOML file. Raises PlatformError."""
    reader = Reader(file)
    platform: Platform = reader.record(Platform, table, "", facts=())
    check_platform(platform, file, get_args(LevelName))
    return replace(platform, facts=tuple(reader.facts))
