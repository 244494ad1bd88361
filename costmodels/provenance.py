"""What a figure rests on: the facts of a platform that enter an energy, and how well they are known."""

from __future__ import annotations

from collections.abc import Iterable

from costmodels.facts import Fact
from costmodels.platform import OperatingPoint, Platform

WEAK = ("RECALLED", "ASSUMED")
"""Neither measured nor read anywhere that can be cited."""

_STRENGTH = ("MEASURED", "READ", "SIM", "DERIVED", "FIT", "RECALLED", "ASSUMED")


def facts_of(platform: Platform, keys: Iterable[str]) -> tuple[Fact, ...]:
    """The facts with these keys, in the file's order; keys without one (a field's default) are left out."""
    wanted = frozenset(keys)
    return tuple(fact for fact in platform.facts if fact.key in wanted)


def weakest(facts: Iterable[Fact]) -> str:
    """How the least known of these is known; "" for none."""
    return max((fact.how for fact in facts), key=_STRENGTH.index, default="")


def weak_kinds(facts: Iterable[Fact]) -> tuple[str, ...]:
    """Which of `WEAK` there are among these."""
    found = {fact.how for fact in facts}
    return tuple(how for how in WEAK if how in found)


def power_facts(platform: Platform, engine: str) -> tuple[Fact, ...]:
    """What an engine draws while it works, waits and leaks."""
    return _under(platform, f"engines.{engine}.power.")


def level_facts(platform: Platform, level: str) -> tuple[Fact, ...]:
    """What a byte read from a level, or written to it, costs."""
    keys = (f"levels.{level}.read_pj_per_byte", f"levels.{level}.write_pj_per_byte")
    return tuple(fact for fact in platform.facts if fact.key in keys)


def point_facts(platform: Platform, point: OperatingPoint) -> tuple[Fact, ...]:
    """Voltage, scales, constant power and clocks of an operating point."""
    return _under(platform, f"operating_points.{point.name}.")


def energy_facts(platform: Platform, point: OperatingPoint, levels: Iterable[str]) -> tuple[Fact, ...]:
    """All that an energy at a point rests on, where the bytes of these levels are moved."""
    engines = [fact for engine in platform.engines for fact in power_facts(platform, engine.name)]
    moved = [fact for name in levels for fact in level_facts(platform, name)]
    return (*engines, *moved, *point_facts(platform, point))


def _under(platform: Platform, prefix: str) -> tuple[Fact, ...]:
    return tuple(fact for fact in platform.facts if fact.key.startswith(prefix))
