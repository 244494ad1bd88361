"""Variants of platforms: the same chip as another simulator, RTL or program shows it.

A variant is a TOML file with `base`, the name of a platform or of another variant, and only those tables and
facts in which it differs. A fact (a table with `value`) replaces the base's whole fact, so that every number
still carries how it is known. Variants are for comparisons with measurements; what is deployed is a platform.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from costmodels.errors import PlatformError
from costmodels.facts import nearest
from costmodels.platform import Platform, load_platform, parse_toml, platform_names, platform_of


def variant_names() -> tuple[str, ...]:
    """Names of the variants that come with the package, sorted."""
    return tuple(sorted(item.name[:-5] for item in _folder().iterdir() if item.name.endswith(".toml")))


@cache
def load_variant(name: str) -> Platform:
    """A variant, or a built-in platform as it is, by name. Raises PlatformError."""
    return load_platform(name) if name in platform_names() else platform_of(_tables(name), f"{name}.toml")


def platform_under(name: str) -> str:
    """The platform that a variant is of, or the platform itself. Raises PlatformError."""
    while name not in platform_names():
        name = _changes(name)[0]
    return name


def overlay(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The tables of `base` with `changes` in their place; tables merge, facts and other values replace.

    A table of another `kind` replaces the base's whole table, as they have other keys.
    """
    merged = dict(base)
    for key, change in changes.items():
        below = merged.get(key)
        if isinstance(change, Mapping) and isinstance(below, Mapping) and _merges(below, change):
            merged[key] = overlay(below, change)
        else:
            merged[key] = change
    return merged


def _merges(below: Mapping[str, Any], change: Mapping[str, Any]) -> bool:
    return "value" not in change and change.get("kind", below.get("kind")) == below.get("kind")


def _tables(name: str) -> dict[str, Any]:
    if name in platform_names():
        return _read(resources.files("costmodels") / "platforms", name)
    base, changes = _changes(name)
    return overlay(_tables(base), changes)


def _changes(name: str) -> tuple[str, dict[str, Any]]:
    """What a variant is based on, and in what it differs."""
    if name not in variant_names():
        known = (*platform_names(), *variant_names())
        raise PlatformError(name, "", "no such platform or variant", nearest(name, known))
    changes = _read(_folder(), name)
    base = changes.pop("base", None)
    if not isinstance(base, str):
        raise PlatformError(f"{name}.toml", "base", "missing", "name the platform that this is a variant of")
    return base, changes


def _folder() -> Traversable:
    return resources.files("costmodels") / "variants"


def _read(folder: Traversable, name: str) -> dict[str, Any]:
    return parse_toml((folder / f"{name}.toml").read_text(encoding="utf-8"), f"{name}.toml")
