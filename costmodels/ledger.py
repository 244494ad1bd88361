"""The energy of one priced layer, cause by cause, each with the facts that it rests on.

`costmodels.pipeline` prices many candidates and keeps sums; here one candidate is taken apart: the engine at
work, engines that wait, the bytes of each level, what is always drawn, leakage. They add up to the price.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from costmodels.energy import PRODUCTS, UJ_PER_PJ
from costmodels.layer import LayerWork
from costmodels.pipeline import price_layer
from costmodels.platform import OperatingPoint, Platform


@dataclass(frozen=True)
class EnergyTerm:
    """Microjoules with a name. keys: dotted keys of the platform file's facts that set them."""

    name: str
    uj: float
    keys: tuple[str, ...]


def energy_terms(
    platform: Platform,
    work: LayerWork,
    point: OperatingPoint,
    copies: Iterable[tuple[str, int]] = (),
    waited_cycles: float = 0.0,
) -> tuple[EnergyTerm, ...]:
    """The energy of the first candidate of a layer by cause.

    copies: (link, bytes) that it starts for later layers. waited_cycles: of the reference clock, for copies
    that earlier layers have started. Raises what `price_layer` raises.
    """
    price, at = price_layer(platform, work, point), f"operating_points.{point.name}"
    waited_ms = waited_cycles / platform.reference_hz(point) * 1e3
    waiting = float(price.waiting_uj[0]) + waited_ms * platform.waiting_mw(point)
    leaked = float(price.leakage_uj[0]) + waited_ms * platform.leakage_mw(point)
    clocks = tuple(f"{at}.clocks.{clock.name}.hz" for clock in point.clocks)
    engines = [f"engines.{engine.name}.power" for engine in platform.engines]
    idle = tuple(f"{engine}.idle_pj_per_cycle" for engine in engines)
    leakage = (*(f"{engine}.leakage_mw" for engine in engines), f"{at}.leakage_scale", f"{at}.leakage_mw")
    return (
        EnergyTerm(f"compute_{work.engine}", float(price.engine_uj[0]), _work_keys(platform, work, at)),
        EnergyTerm("waiting", waiting, (*idle, f"{at}.dynamic_scale", *clocks)),
        *_moved(platform, (*_bytes(work), *copies), point),
        EnergyTerm("idle", float(price.idle_uj[0]) + waited_ms * point.idle_mw, (f"{at}.idle_mw", *clocks)),
        EnergyTerm("leakage", leaked, (*leakage, *clocks)),
    )


def _bytes(work: LayerWork) -> Iterator[tuple[str, float]]:
    """(link, bytes) of every hop of the first candidate."""
    for hop in (*work.before, *(hop for stream in work.streams for hop in stream.hops), *work.after):
        yield hop.link, float(np.atleast_1d(hop.bytes)[0])


def _work_keys(platform: Platform, work: LayerWork, at: str) -> tuple[str, ...]:
    """Coefficients of the engine's work that are not 0."""
    power, key = platform.engine_of[work.engine].power, f"engines.{work.engine}.power"
    keys = [f"{key}.active_pj_per_cycle"]
    if power.product_pj_per_cycle and work.spec.kernel in PRODUCTS:
        keys.append(f"{key}.product_pj_per_cycle")
    if power.pj_per_mac:
        keys.append(f"{key}.pj_per_mac")
    return (*keys, f"{at}.dynamic_scale")


def _moved(
    platform: Platform, bytes_by_link: Iterable[tuple[str, float]], point: OperatingPoint
) -> tuple[EnergyTerm, ...]:
    """Energy of the bytes by level, in the order of the platform's file."""
    found: dict[str, tuple[float, dict[str, None]]] = {level.name: (0.0, {}) for level in platform.levels}
    for name, bytes_ in bytes_by_link:
        link = platform.link_of[name]
        pair = zip((link.from_level, link.to_level), ("read", "write"), strict=True)
        for (level, way), pj in zip(pair, platform.byte_pj(link, point), strict=True):
            uj, keys = found[level]
            key = f"levels.{level}.{way}_pj_per_byte"
            found[level] = (uj + bytes_ * pj * UJ_PER_PJ, keys | {key: None})
    scale = f"operating_points.{point.name}.dynamic_scale"
    return tuple(
        EnergyTerm(f"{level}_bytes", uj, (*keys, scale) if platform.level_of[level].on_chip else tuple(keys))
        for level, (uj, keys) in found.items()
        if keys
    )
