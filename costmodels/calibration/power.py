"""Power of a platform's cores and of what never stops, from measured energies.

Energies are linear in the coefficients once times are known, so that the energy with one coefficient at 1 and
the others at 0, less that with all at 0, is a column of the design matrix. Relative errors are minimised;
coefficients are not negative. Clock trees, leakage and waiting engines draw a constant power that one voltage
and one clock cannot tell apart: only `idle_mw` is fitted, beside what the platform says of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from costmodels.calibration.leastsquares import nonnegative
from costmodels.engines import NpuEngine
from costmodels.platform import Platform


@dataclass(frozen=True)
class EnergySample:
    """Something whose energy was measured, and how a platform predicts it. fitted: or else held out."""

    fitted: bool
    predicted_uj: Callable[[Platform], float]
    measured_uj: float


@dataclass(frozen=True)
class PowerFit:
    """What is fitted. active, product: pJ a cycle of the cores; idle_mw: at the default operating point."""

    active_pj_per_cycle: float
    product_pj_per_cycle: float
    idle_mw: float

    def applied(self, platform: Platform) -> Platform:
        """The platform with these values."""
        cores = cores_of(platform)
        power = replace(
            platform.engine_of[cores].power,
            active_pj_per_cycle=self.active_pj_per_cycle,
            product_pj_per_cycle=self.product_pj_per_cycle,
        )
        engines = tuple(replace(e, power=power) if e.name == cores else e for e in platform.engines)
        points = tuple(
            replace(p, idle_mw=self.idle_mw) if p.default else p for p in platform.operating_points
        )
        return replace(platform, engines=engines, operating_points=points)

    def rounded(self) -> PowerFit:
        """To what a platform file says: whole picojoules, tenths of milliwatts."""
        return PowerFit(
            float(round(self.active_pj_per_cycle)),
            float(round(self.product_pj_per_cycle)),
            round(self.idle_mw, 1),
        )

    def by_key(self, platform: Platform) -> dict[str, float]:
        """The values by the keys of the platform's file."""
        power = f"engines.{cores_of(platform)}.power"
        return {
            f"{power}.active_pj_per_cycle": self.active_pj_per_cycle,
            f"{power}.product_pj_per_cycle": self.product_pj_per_cycle,
            f"operating_points.{platform.point().name}.idle_mw": self.idle_mw,
        }


UNITS = (PowerFit(1.0, 0.0, 0.0), PowerFit(0.0, 1.0, 0.0), PowerFit(0.0, 0.0, 1.0))
NOTHING = PowerFit(0.0, 0.0, 0.0)


def cores_of(platform: Platform) -> str:
    """Name of the engine that is made of cores."""
    return next(engine.name for engine in platform.engines if not isinstance(engine, NpuEngine))


def fit_power(platform: Platform, samples: Sequence[EnergySample]) -> PowerFit:
    """Non-negative least squares of the relative errors of the samples that are to be fitted."""
    own = [sample for sample in samples if sample.fitted]
    measured = np.array([sample.measured_uj for sample in own])

    def energies(values: PowerFit) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        assumed = values.applied(platform)
        return np.array([sample.predicted_uj(assumed) for sample in own])

    known = energies(NOTHING)
    columns = np.array([energies(unit) - known for unit in UNITS]).T
    found = nonnegative(columns / measured[:, None], (measured - known) / measured)
    return PowerFit(*(float(value) for value in found))
